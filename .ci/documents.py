#!/usr/bin/env python3
"""Checks that documents are true where a program can tell.

* Links of every tracked Markdown file lead to a file that is there, and to a heading of it.
* Sections of docs/DESIGN.md that documents and comments name ("DESIGN 6", "docs/DESIGN.md 4") are there.
* Command lines `tumar ...` in documents have subcommands and options that the binary knows. TUMAR names it; target/release/tumar if unset.
* Reason codes in documents stand in the table of docs/reasons.md.
* Files that documents name in code marks are there.
* The ten lines of README.md are those of the client's own.
* The map in src/lib.rs has every module, and no other.
* Each document in docs/, and each client's, is a chapter of the book.

`--self-test` spoils a copy of the documents in each of these ways, and fails if a check does not find it.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote

# Words in capitals that look like a reason and are none: variables, statuses, codes of `tumar audit` and of the clients.
CLIENT_REASONS = {
    "UNREACHABLE", "UNANSWERED", "SERVER_NOT_TRUSTED", "COMMITTEE_NOT_TRUSTED", "RECEIPT_NOT_TRUSTED", "CERTIFICATE_NOT_TRUSTED",
    "INPUT_INVALID", "TLS_INVALID", "TOO_FEW_PEOPLE", "NOT_MADE",
}
# What a record of fingers, a photo or a print is refused for, at the terminal (vectors/, docs/photos-and-prints.md), and a model's folder
# (docs/own-model.md).
TERMINAL_REASONS = re.compile(r"(RECORD|FINGER|FOLDER|IMAGE|FACE|PRINT|WEIGHTS)_\w+")
AUDIT_RULES = {
    "BAD_SIGNATURE", "UNDER_COSIGNED", "ENTRY_CHANGED", "NO_LOG", "NO_ENTRIES", "SEARCH_UNAPPROVED", "ADMITTED_TWICE",
}
OTHERS = {"NOT_SERVING", "RLIMIT_MEMLOCK", "RUST_LOG", "DECISION_MATCH", "DECISION_NO_MATCH", "PKG_CONFIG", "HTTPS_PROXY"}
# Where code is.
SOURCES = ["src", "crates/tumar-client/src", "crates/tumar-mpc/src", "crates/tumar-terminal/src"]
# Documents that tell of the past may name what is gone.
HISTORY = {"CHANGELOG.md"}

Fault = tuple[str, int, str]


class Tree:
    """The files of a checkout, by their paths from its root."""

    def __init__(self, root: Path, files: list[str]):
        self.root, self.files = root, files

    @classmethod
    def tracked(cls, root: Path) -> "Tree":
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, check=True, capture_output=True, text=True).stdout
        return cls(root, [name for name in listed.split("\0") if name and (root / name).is_file()])

    def documents(self) -> list[str]:
        return [name for name in self.files if name.endswith(".md")]

    def text(self, name: str) -> str:
        return (self.root / name).read_text(encoding="utf-8")


def outside_code(text: str) -> list[str]:
    """The lines of a document; those of fenced blocks are empty, so that numbers stay."""
    lines, fence = [], None
    for line in text.splitlines():
        # In quotes as well.
        mark = re.match(r"[\s>]*(```+|~~~+)", line)
        if mark and (fence is None or line.strip("> \t").startswith(fence)):
            fence = None if fence else mark[1]
            lines.append("")
        else:
            lines.append("" if fence else line)
    return lines


def anchors(text: str) -> set[str]:
    """The anchors of a document's headings, as GitHub and mdBook make them."""
    found: dict[str, int] = {}
    names = set()
    for line in outside_code(text):
        heading = re.match(r"#{1,6}\s+(.*?)\s*#*$", line)
        if not heading:
            continue
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading[1])
        name = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        again = found.get(name, 0)
        found[name] = again + 1
        names.add(f"{name}-{again}" if again else name)
    names |= set(re.findall(r"""<a (?:id|name)=["']([^"']+)""", text))
    return names


def links(tree: Tree) -> Iterator[Fault]:
    """Links that lead nowhere. Addresses elsewhere are not asked for."""
    known = set(tree.files)
    folders = {str(parent) for name in known for parent in Path(name).parents} | {"."}
    heads: dict[str, set[str]] = {}
    for name in tree.documents():
        for number, line in enumerate(outside_code(tree.text(name)), 1):
            bare = re.sub(r"`[^`]*`", lambda code: "`" * len(code[0]), line)
            for target in re.findall(r"\]\(\s*<?([^)\s>]+)>?[^)]*\)", bare) + re.findall(r"^\[[^\]]+\]:\s*(\S+)", bare):
                if re.match(r"[a-z][a-z0-9+.-]*:", target):
                    continue
                path, _, anchor = unquote(target).partition("#")
                to = os.path.normpath(os.path.join(os.path.dirname(name), path)) if path else name
                if to not in known and to not in folders:
                    yield name, number, f"dead link: {target}"
                elif anchor and to.endswith(".md"):
                    if to not in heads:
                        heads[to] = anchors(tree.text(to))
                    if anchor not in heads[to]:
                        yield name, number, f"no such heading: {target}"


def sections(tree: Tree) -> Iterator[Fault]:
    """Sections of the design that are named and are not there."""
    headings = re.findall(r"^#+ (\d+(?:\.\d+)*)\.? ", tree.text("docs/DESIGN.md"), re.M)
    named = re.compile(r"\bDESIGN(?:\.md)?`?\]?(?:\([^)]*\))?,? (?:sections? )?(\d+(?:\.\d+)*(?:(?:, | and )\d+(?:\.\d+)*)*)")
    for name in tree.files:
        if not name.endswith((".md", ".rs", ".py", ".proto", ".toml")) and not name.startswith(".ci/"):
            continue
        if name == ".ci/documents.py":
            continue
        try:
            lines = tree.text(name).splitlines()
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(lines, 1):
            for several in named.findall(line):
                for one in re.findall(r"\d+(?:\.\d+)*", several):
                    if one not in headings:
                        yield name, number, f"DESIGN has no section {one}"
            if name == "docs/DESIGN.md":
                for one in re.findall(r"\((?:above, )?section (\d+(?:\.\d+)*)\)", line):
                    if one not in headings:
                        yield name, number, f"DESIGN has no section {one}"


def binary() -> str:
    return os.environ.get("TUMAR", "target/release/tumar")


@cache
def usage(words: tuple[str, ...]) -> tuple[frozenset[str], frozenset[str]]:
    """The subcommands and the options of a command, by its own help."""
    told = subprocess.run([binary(), *words, "--help"], capture_output=True, text=True)
    if told.returncode != 0:
        raise SystemExit(f"{binary()} {' '.join(words)} --help: {told.stderr.strip()}")
    commands = re.search(r"^Commands:\n((?:  .*\n)+)", told.stdout, re.M)
    options = re.findall(r"^\s+(?:(-\w), )?(--[\w-]+)", told.stdout, re.M)
    return (
        frozenset(re.findall(r"^  ([\w-]+)", commands[1], re.M) if commands else ()),
        frozenset(one for pair in options for one in pair if one),
    )


def command_lines(text: str) -> Iterator[tuple[int, str]]:
    """What documents give as a command line: in blocks of code, and `tumar ...` in a sentence."""
    fence, joined, start = None, "", 0
    for number, line in enumerate(text.splitlines(), 1):
        mark = re.match(r"\s*(```+)(\w*)", line)
        if mark and (fence is None or line.strip() == "```"):
            fence = None if fence is not None else mark[2]
            continue
        if fence is not None:
            start = start or number
            joined += line.removesuffix("\\")
            if line.endswith("\\"):
                continue
            if fence in ("sh", "console", "text", "bash", ""):
                code = re.sub(r"(^|\s)#.*", "", joined)
                for found in re.finditer(r"(?:^|[\s(;&|'])(?:tumar|cargo run --release(?: --locked)? --) ([^;&|<>()]*)", code):
                    yield start, found[1]
            joined, start = "", 0
        else:
            for found in re.finditer(r"`(?:tumar|cargo run --release(?: --locked)? --) ([^`]+)`", line):
                yield number, found[1]


def commands(tree: Tree) -> Iterator[Fault]:
    """Command lines that the binary does not know."""
    for name in tree.documents():
        if name in HISTORY:
            continue
        text = tree.text(name)
        # A sentence may break a line within `tumar ..`.
        text = re.sub(r"`tumar\s[^`]{0,200}`", lambda span: span[0].replace("\n", " "), text)
        for number, line in command_lines(text):
            words = line.split()
            # A label of a format, "tumar receipt v1": no command is like it.
            if re.search(r"\bv\d+\b|^erasure certificate \d", line):
                continue
            # A sentence in a block that shows output, or a made-up line of words.
            if not words or not re.fullmatch(r"-{0,2}[a-z][\w-]*", words[0]):
                continue
            path: tuple[str, ...] = ()
            subcommands, options = usage(path)
            while words and subcommands and re.fullmatch(r"[a-z][\w-]*", words[0]):
                if words[0] not in subcommands:
                    yield name, number, f"no such command: tumar {' '.join([*path, words[0]])}"
                    words = []
                    break
                path = (*path, words.pop(0))
                subcommands, options = usage(path)
            for word in words:
                flag = re.match(r"--?[a-z][\w-]*", word)
                if flag and flag[0] not in options:
                    yield name, number, f"tumar {' '.join(path)} has no option {flag[0]}"


def reasons(tree: Tree) -> Iterator[Fault]:
    """Codes in documents that no node gives."""
    table = set(re.findall(r"^\| `([A-Z_]+)` \| `\w+` \| ", tree.text("docs/reasons.md"), re.M))
    if len(table) < 100:
        yield "docs/reasons.md", 1, "the table of reasons is not there"
    known = table | CLIENT_REASONS | AUDIT_RULES | OTHERS
    for name in tree.documents():
        if name in HISTORY:
            continue
        for number, line in enumerate(tree.text(name).splitlines(), 1):
            for code in re.findall(r"`(?:error:|denied:)?([A-Z]+(?:_[A-Z0-9]+)+)`", line):
                if code not in known and not TERMINAL_REASONS.fullmatch(code) and not code.startswith("TUMAR_"):
                    yield name, number, f"no such reason: {code}"


def paths(tree: Tree) -> Iterator[Fault]:
    """Files of the repository that documents name in code marks, from its root, from src/ or from a crate's."""
    known = set(tree.files)
    known |= {str(parent) for name in tree.files for parent in Path(name).parents}
    for name in tree.documents():
        if name in HISTORY:
            continue
        for number, line in enumerate(outside_code(tree.text(name)), 1):
            for path in re.findall(r"`((?:[\w.-]+/)*[\w.-]+(?:\.(?:rs|py|proto)|/)|\.ci/[\w/.-]+|(?:src|crates|tests|docs|vectors|benches|clients|proto|fuzz)/[\w/.-]*)`", line):
                bare = path.removesuffix("/")
                if not re.match(r"\.ci/|src/|crates/|tests/|docs/|vectors/|benches/|clients/|proto/|fuzz/", path) and not path.endswith(".rs"):
                    continue
                beside = os.path.normpath(os.path.join(os.path.dirname(name), bare))
                if not {bare, beside, *(f"{root}/{bare}" for root in SOURCES)} & known:
                    yield name, number, f"no such file: {path}"


def ten_lines(tree: Tree) -> Iterator[Fault]:
    """The lines of a client in the README are those that the client's own tests run."""
    (own,) = re.findall(r"^```python\n(.*?)^```$", tree.text("clients/python/README.md"), re.M | re.S)
    shown = re.findall(r"^```python\n(.*?)^```$", tree.text("README.md"), re.M | re.S)
    if own not in shown:
        yield "README.md", 1, "the lines of Python are not those of clients/python/README.md"


def the_map(tree: Tree) -> Iterator[Fault]:
    """The map at the head of src/lib.rs."""
    text = tree.text("src/lib.rs")
    shown = re.search(r"//! ```text\n(.*?)//! ```\n", text, re.S)
    if not shown:
        yield "src/lib.rs", 1, "the map is not there"
        return
    modules = {one for root in SOURCES for one in re.findall(r"^(?:pub )?mod (\w+);", tree.text(f"{root}/lib.rs"), re.M)}
    named = set(re.findall(r"\b(\w+)(?:\.rs|/)(?=[\s,])", shown[1]))
    for one in sorted(modules - named):
        yield "src/lib.rs", 1, f"the map does not have {one}"
    for one in sorted(named - modules - {"main", "cli"}):
        yield "src/lib.rs", 1, f"the map has {one}, which is no module"


def the_book(tree: Tree) -> Iterator[Fault]:
    """Documents that no chapter of the book is."""
    listed = re.findall(r"\]\(([^)]+)\)", tree.text("docs/SUMMARY.md"))
    chapters = {os.path.normpath(os.path.join("docs", name)) for name in listed}
    for name in tree.documents():
        if re.match(r"docs/|clients/[^/]+/README\.md$", name) and name != "docs/SUMMARY.md" and name not in chapters:
            yield name, 1, "no chapter of the book: name it in docs/SUMMARY.md"


CHECKS = [links, sections, commands, reasons, paths, ten_lines, the_map, the_book]

# Of each check, a document and what is added to it, or what of it becomes what.
SPOILT = [
    (links, "README.md", None, "\n[nowhere](docs/nowhere.md)\n"),
    (links, "docs/operations.md", None, "\n[nowhere](#no-such-heading)\n"),
    (links, "SECURITY.md", None, "\n[nowhere](docs/DESIGN.md#99-nothing)\n"),
    (sections, "crates/tumar-mpc/src/share.rs", None, "\n// See DESIGN 99.\n"),
    (sections, "SECURITY.md", None, "\nSee docs/DESIGN.md 4.99 for more.\n"),
    (commands, "docs/quickstart.md", None, "\n```sh\ntumar dance --face x\n```\n"),
    (commands, "docs/operations.md", None, "\nRun `tumar verify --song x`.\n"),
    (commands, "docs/auditing.md", None, "\n`tumar audit dance`\n"),
    (commands, "docs/backup.md", None, "\n```sh\ntumar node \\\n  --dance\n```\n"),
    (reasons, "docs/operations.md", None, "\nCallers get `TOKEN_ATE_MY_HOMEWORK`.\n"),
    (reasons, "docs/reasons.md", "| `TOKEN_SPENT` |", "| `TOKEN_EATEN` |"),
    (paths, "docs/DESIGN.md", None, "\nSee `peer/nothing.rs`.\n"),
    (paths, "CONTRIBUTING.md", None, "\nRun `.ci/nothing`.\n"),
    (ten_lines, "README.md", "quantise(ada)", "quantise(eve)"),
    (the_book, "docs/SUMMARY.md", "(load.md)", "(load-report.md)"),
    (the_map, "src/lib.rs", "pub mod audit_server;", "pub mod audit_server;\npub mod dance;"),
]


def self_test(tree: Tree) -> int:
    missed = 0
    with tempfile.TemporaryDirectory() as scratch:
        copy = Tree(Path(scratch), tree.files)
        for name in tree.files:
            if name.endswith((".md", ".rs", ".py", ".proto", ".toml")) or name.startswith(".ci/"):
                (copy.root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(tree.root / name, copy.root / name)
        for check, name, old, new in SPOILT:
            before = copy.text(name)
            held = set(check(copy))
            spoilt = before + new if old is None else before.replace(old, new)
            (copy.root / name).write_text(spoilt, encoding="utf-8")
            if spoilt == before or not set(check(copy)) - held:
                print(f"{check.__name__} does not see {new.strip()!r} in {name}")
                missed += 1
            (copy.root / name).write_text(before, encoding="utf-8")
    print(f"{len(SPOILT) - missed} of {len(SPOILT)} spoilt documents were found")
    return 1 if missed else 0


def main() -> int:
    tree = Tree.tracked(Path(__file__).resolve().parent.parent)
    os.chdir(tree.root)
    if "--self-test" in sys.argv[1:]:
        return self_test(tree)
    faults = sorted({fault for check in CHECKS for fault in check(tree)})
    for name, number, what in faults:
        print(f"{name}:{number}: {what}")
    print(f"{len(tree.documents())} documents, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
