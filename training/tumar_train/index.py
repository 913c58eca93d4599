"""The index of a folder of records: comma-separated text with a header, read strictly and refused by its line.

Columns: `file`, `db` (a set whose fingers were caught by one sensor), `finger`; and where they are there `person`, `group`,
`collection`, `sensor` and `licence`. `file`, `db`, `finger` and `group` are as `tumar eval fingers` has them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath


class BadIndex(ValueError):
    """An index that can not be read, or can be read in two ways."""


@dataclass(frozen=True)
class Line:
    """What the index says of one record."""

    file: str
    db: str
    finger: str
    person: str
    """Whose finger, within the collection; without such a column `db` and what stands before the first `-` in `finger`."""
    collection: str
    """Sets that were collected together; without such a column the letters that `db` begins with."""
    sensor: str
    """Without such a column `db`."""
    group: str | None
    licence: str | None

    @property
    def name(self) -> str:
        """The finger's name in messages and wherever fingers are told apart."""
        return f"{self.db}/{self.finger}"

    @property
    def who(self) -> str:
        """The person's, likewise: people of different collections are different."""
        return f"{self.collection}/{self.person}"


def _cells(text: str) -> list[tuple[int, list[str]]]:
    """Lines that are not blank: number from 1, and trimmed cells. Quotes stand around a whole cell, and are doubled within."""
    found: list[tuple[int, list[str]]] = []
    at, number = 0, 1
    cell = re.compile(r'[ \t]*(?:"((?:[^"]|"")*)"|([^",\r\n]*))[ \t]*(,|\r\n|\r|\n|\Z)')
    cells: list[str] = []
    start = number
    while at <= len(text):
        match = cell.match(text, at)
        if match is None:
            raise BadIndex(f"line {number}: a quote must stand around a whole cell, and be doubled within one")
        quoted, plain, end = match.groups()
        cells.append((plain if quoted is None else quoted.replace('""', '"')).strip())
        number += len(re.findall(r"\r\n|\r|\n", match.group()))
        if end != ",":
            if cells != [""]:
                found.append((start, cells))
            cells, start = [], number
        if match.end() >= len(text) and end != ",":
            break
        at = match.end()
    return found


def _text(data: bytes) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = 1 + len(re.findall(rb"\r\n|\r|\n", data[: error.start]))
        raise BadIndex(f"line {line} is not UTF-8: save the table as UTF-8") from None
    if "\0" in text:
        raise BadIndex(f"line {1 + text[: text.index(chr(0))].count(chr(10))} is not UTF-8: save the table as UTF-8")
    return text


def _columns(header: list[str]) -> dict[str, int]:
    for name in ("file", "db", "finger", "person", "collection", "sensor", "group", "licence"):
        if header.count(name) > 1:
            raise BadIndex(f"there are two columns `{name}` in the header")
    for name in ("file", "db", "finger"):
        if name not in header:
            if len(header) == 1:
                raise BadIndex("there are no commas in the header: save the table with commas between its columns")
            raise BadIndex(f"there is no column `{name}` in the header")
    return {name: place for place, name in enumerate(header)}


def parse(data: bytes) -> list[Line]:
    """Reads an index; `BadIndex` names the first line that is wrong."""
    rows = _cells(_text(data))
    if not rows:
        raise BadIndex("the index is empty")
    header = rows[0][1]
    columns = _columns(header)
    lines: list[Line] = []
    files: set[PurePosixPath] = set()
    of_finger: dict[str, tuple[str, str]] = {}
    of_person: dict[str, str | None] = {}
    for number, cells in rows[1:]:
        if len(cells) != len(header):
            raise BadIndex(f"line {number} has {len(cells)} cells, the header has {len(header)}")
        line = _line(number, cells, columns)
        path = PurePosixPath(line.file)
        if path in files:
            raise BadIndex(f"line {number} is about the same `file` as an earlier one")
        files.add(path)
        if of_finger.setdefault(line.name, (line.who, line.collection)) != (line.who, line.collection):
            raise BadIndex(f"line {number}: finger {line.name} is another person's, or of another collection, in an earlier line")
        if of_person.setdefault(line.who, line.group) != line.group:
            raise BadIndex(f"line {number}: person {line.who} has another `group` in an earlier line")
        lines.append(line)
    return lines


def _line(number: int, cells: list[str], columns: dict[str, int]) -> Line:
    def needed(name: str) -> str:
        if not cells[columns[name]]:
            raise BadIndex(f"line {number}: `{name}` is empty")
        return cells[columns[name]]

    def stated(name: str) -> str | None:
        return needed(name) if name in columns else None

    db, finger = needed("db"), needed("finger")
    letters = re.match(r"[^\W\d_]*", db)
    return Line(
        file=needed("file"),
        db=db,
        finger=finger,
        person=stated("person") or f"{db}/{finger.split('-')[0]}",
        collection=stated("collection") or (letters.group() if letters else "") or db,
        sensor=stated("sensor") or db,
        group=stated("group"),
        licence=cells[columns["licence"]] or None if "licence" in columns else None,
    )


def load(folder: Path, index: Path | None) -> list[Line]:
    """Reads the index of a folder, `index.csv` in it if none is given."""
    path = index or folder / "index.csv"
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadIndex(f"{path}: {error.strerror}") from None
    try:
        return parse(data)
    except BadIndex as error:
        raise BadIndex(f"{path}: {error}") from None
