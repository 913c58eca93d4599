#!/usr/bin/env python3
"""A preprocessor of mdBook, and a check of what it built.

docs/SUMMARY.md lists documents that stand outside docs/ (`../SECURITY.md`), so that links work in the repository as in the book. Here such
chapters get a place in the book (`root/SECURITY.md`), links between chapters follow, and a link to what the book does not have (a source
file) becomes its text alone.

    book.py supports RENDERER      asked by mdBook
    book.py < BOOK > BOOK          run by mdBook
    book.py --check FOLDER         fails on a dead link in the pages of a built book
"""

import json
import os
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

SOURCE = "docs"


def place(repository: str) -> str:
    """Where a document of the repository stands in the book."""
    if repository == "README.md":
        # The first chapter is the book's index.html as well, so its links must be good at the top.
        return "introduction.md"
    if repository.startswith(f"{SOURCE}/"):
        inner = repository.removeprefix(f"{SOURCE}/")
    else:
        inner = f"root/{repository}"
    return re.sub(r"README\.md$", "index.md", inner)


def chapters(items: list) -> list[dict]:
    found = []
    for item in items:
        chapter = item.get("Chapter") if isinstance(item, dict) else None
        if chapter:
            found.append(chapter)
            found += chapters(chapter["sub_items"])
    return found


def rewritten(text: str, at: str, places: dict[str, str]) -> str:
    """A chapter with its links as the book needs them. `at` is its path in the repository."""

    def link(found: re.Match[str]) -> str:
        whole, image, words, target = found[0], found[1], found[2], found[3]
        if re.match(r"[a-z][a-z0-9+.-]*:|#", target):
            return whole
        path, hash_, anchor = target.partition("#")
        to = os.path.normpath(os.path.join(os.path.dirname(at), path))
        here = os.path.dirname(places[at])
        if to in places:
            return f"{image}[{words}]({os.path.relpath(places[to], here or '.')}{hash_}{anchor})"
        if to.startswith(f"{SOURCE}/") and not to.endswith(".md") and Path(to).is_file():
            return f"{image}[{words}]({os.path.relpath(place(to), here or '.')})"
        return words

    pieces = re.split(r"(^[ \t>]*```.*?^[ \t>]*```[ \t]*$)", text, flags=re.M | re.S)
    pattern = re.compile(r"(!?)\[((?:[^\[\]`]|`[^`]*`|!\[[^\]]*\]\([^)]*\))*)\]\(([^)\s]+)\)")
    for index in range(0, len(pieces), 2):
        pieces[index] = pattern.sub(link, pieces[index])
    return "".join(pieces)


def preprocess() -> None:
    _, book = json.load(sys.stdin)
    items = book.get("items", book.get("sections"))
    every = [chapter for chapter in chapters(items) if chapter.get("path")]
    paths = {id(one): os.path.normpath(os.path.join(SOURCE, one["source_path"] or one["path"])) for one in every}
    places = {path: place(path) for path in paths.values()}
    for chapter in every:
        at = paths[id(chapter)]
        chapter["content"] = rewritten(chapter["content"], at, places)
        chapter["path"] = places[at]
    json.dump(book, sys.stdout)


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id" and value:
                self.ids.add(value)
            elif value and (tag, name) in {("a", "href"), ("img", "src"), ("link", "href"), ("script", "src")}:
                self.links.append(value)


def check(folder: Path) -> int:
    pages = {}
    for file in folder.rglob("*.html"):
        page = Page()
        page.feed(file.read_text(encoding="utf-8"))
        pages[file.resolve()] = page
    dead = []
    for file, page in pages.items():
        if file.name in ("404.html", "print.html", "toc.html"):
            continue
        for target in page.links:
            if re.match(r"[a-z][a-z0-9+.-]*:|//", target):
                continue
            path, _, anchor = unquote(target).partition("#")
            to = (file.parent / path).resolve() if path else file
            if to.is_dir():
                to = to / "index.html"
            if not to.is_file() or (anchor and to in pages and anchor not in pages[to].ids):
                dead.append(f"{file.relative_to(folder.resolve())}: {target}")
    print("\n".join(sorted(set(dead))) or f"{len(pages)} pages, no dead link")
    return 1 if dead or len(pages) < 10 else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["supports"]:
        sys.exit(0)
    if sys.argv[1:2] == ["--check"]:
        sys.exit(check(Path(sys.argv[2])))
    preprocess()
