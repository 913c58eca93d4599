"""Records and indexes are read, or refused by what is wrong."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from tumar_train import index, records
from tumar_train.prints import Prints


def record(views: bytes, *, ansi: bool = False, resolution: tuple[int, int] = (197, 197), count: int = 1) -> bytes:
    """Around these views."""
    tail = struct.pack(">HHHHHBB", 0, 400, 400, *resolution, count, 0) + views
    if ansi:
        tail = struct.pack(">HH", 7, 9) + tail
        return b"FMR\0 20\0" + struct.pack(">H", 10 + len(tail)) + tail
    return b"FMR\0 20\0" + struct.pack(">I", 12 + len(tail)) + tail


def view(*minutiae: tuple[int, int, int, int], position: int = 1, extended: bytes = b"") -> bytes:
    """One view."""
    body = struct.pack(">BBBB", position, 0, 80, len(minutiae))
    body += b"".join(struct.pack(">HHBB", x | 1 << 14, y, angle, quality) for x, y, angle, quality in minutiae)
    return body + struct.pack(">H", len(extended)) + extended


ONE = view((100, 50, 64, 40), (7, 9, 1, 90), (8, 9, 2, 40))


def test_minutiae_are_scaled_to_500_dpi_with_y_up_and_the_best_first() -> None:
    read = records.read(record(ONE, resolution=(394, 100)))
    scale = np.array([500 / (394 * 2.54), -500 / 254])
    assert np.allclose(read.places, np.array([[7, 9], [100, 50], [8, 9]]) * scale)
    assert read.angles.tolist() == [1, 64, 2]
    assert np.isclose(read.directions[1], np.pi / 2)
    ansi = records.read(record(ONE, ansi=True))
    # 64 and 1 of 180 are 91.02 and 1.42 of 256.
    assert ansi.angles.tolist() == [1, 91, 3]
    assert np.isclose(ansi.directions[1], np.radians(128))


def test_what_is_written_is_read(few: Prints) -> None:
    for one in few.all[:5]:
        again = records.read(records.write(one.minutiae, (388, 374)))
        assert np.abs(again.places - one.minutiae.places).max() < 0.2
        assert again.angles.tolist() == one.minutiae.angles.tolist()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"FMR\0", "RECORD_TRUNCATED"),
        (b"FMX\0" + record(ONE)[4:], "RECORD_MAGIC"),
        (b"FMR\0 30\0" + record(ONE)[8:], "RECORD_VERSION"),
        (record(ONE) + b"\0", "RECORD_LENGTH"),
        (record(ONE + b"\0"), "RECORD_TRAILING"),
        (record(ONE[:-3]), "RECORD_TRUNCATED"),
        (record(ONE, resolution=(197, 0)), "RECORD_RESOLUTION"),
        (record(b"", count=0), "RECORD_NO_VIEWS"),
        (record(view(position=11)), "RECORD_POSITION"),
        (record(view((1, 1, 180, 1)), ansi=True), "RECORD_ANGLE"),
        (record(ONE + ONE, count=2), "RECORD_VIEW_AMBIGUOUS"),
        (record(view(extended=bytes(65_000))) + bytes(600), "RECORD_TOO_LARGE"),
    ],
)
def test_each_fault_of_a_record_has_its_reason(data: bytes, reason: str) -> None:
    with pytest.raises(records.RecordError) as refused:
        records.read(data)
    assert refused.value.reason == reason


def test_columns_are_found_by_name_and_defaults_are_as_documented() -> None:
    (line,) = index.parse('\ufefffinger,db,file,x\r\n"7-2", fvc2002db1 ,a.fmr,"1,2"\r\n'.encode())
    assert (line.finger, line.db, line.file) == ("7-2", "fvc2002db1", "a.fmr")
    assert (line.collection, line.sensor, line.person, line.group, line.licence) == ("fvc", "fvc2002db1", "fvc2002db1/7", None, None)
    (stated,) = index.parse(b"file,db,finger,person,collection,sensor,group,licence\na,x,1,p,c,s,g,l\n")
    assert (stated.who, stated.collection, stated.sensor, stated.group, stated.licence) == ("c/p", "c", "s", "g", "l")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "the index is empty"),
        (b"file;db;finger\na;x;1\n", "there are no commas"),
        (b"file,db\n", "no column `finger`"),
        (b"file,db,finger,file\n", "two columns `file`"),
        (b"file,db,finger\na,x\n", "line 2 has 2 cells, the header has 3"),
        (b"file,db,finger\n\na,x,\n", "line 3: `finger` is empty"),
        (b"file,db,finger\na,x,1\n./a,x,2\n", "line 3 is about the same `file`"),
        (b'file,db,finger\na,x,"1\nb,x,2\n', "line 2: a quote"),
        (b"file,db,finger\na,x,1\nb,x,\xff\n", "line 3 is not UTF-8"),
        (b"file,db,finger,person\na,x,1,p\nb,x,1,q\n", "line 3: finger x/1 is another person's"),
        (b"file,db,finger,group\na,x,1-1,g\nb,x,1-2,h\n", "line 3: person x/x/1 has another `group`"),
    ],
)
def test_each_fault_of_an_index_has_its_line(text: bytes, words: str) -> None:
    with pytest.raises(index.BadIndex, match=words.replace("(", r"\(")):
        index.parse(text)
