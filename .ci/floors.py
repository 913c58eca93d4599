"""Checks the house: who may use whom, and which crates are named where.

The map in src/lib.rs gives each module a floor. Arrows only point down or stay on a floor, and never in a circle: neither from
module to module nor from file to file. A crate that does one thing (signatures, boxes, SQL, gRPC) is named only where that thing
is done. No file is longer than 500 lines, and no function than 60. Tests are not looked at, but for one thing: `unsafe` is
allowed in three files, with an argument before each block.
"""

import re
import sys
from collections import defaultdict
from pathlib import Path

SRC = Path("src")

# Where code is: the service, and the crates that it is built on. Cargo sees to it that no crate uses the service.
ROOTS = [SRC, *sorted(Path("crates").glob("*/src"))]
MPC = Path("crates/tumar-mpc/src")

# Which files may name a crate, or a part of it. Everything else is refused. The longest name counts.
NAMED = {
    "tonic": ["wire", "service", "peer", "node", "client", "tls", "cli"],
    # One attribute macro, and no gRPC: a trait with async methods behind a pointer.
    "tonic::Code": ["reason", "wire", "service", "peer", "node", "client", "tls", "cli"],
    "tonic::async_trait": ["engine", "service", "peer"],
    "tonic_types": ["service", "client"],
    "tonic_health": ["node", "client"],
    "tonic_reflection": ["node"],
    "prost": ["wire"],
    "hpke": ["seal"],
    "sqlx": ["store"],
    # Keys: who signs, seals or derives.
    "ring": ["seal", "prss", "token", "log", "handshake"],
    # SHA-256, for transcripts and digests of files: no key is involved.
    "ring::digest": ["seal", "token", "log", "request", "wire", "template", "gallery", "engine", "node"],
    # Random bytes for names, nonces and fresh key files.
    "ring::rand": ["seal", "token", "log", "engine", "cli"],
    # One derivation, of the key that a person keeps.
    "ring::hkdf": ["prss", "handshake", "prepare"],
    "base16ct": ["hex"],
    "aes": ["prss"],
    "ctr": ["prss"],
    "ndarray": ["gallery", "protocol", "cli"],
    "rustls": ["tls"],
    "tokio_rustls": ["tls"],
    "rcgen": ["cli"],
    "hdrhistogram": ["cli"],
    # Tables of labels.
    "csv": ["eval"],
    "clap": ["cli"],
    "region": ["gallery"],
    "ureq": ["web"],
    "axum": ["audit_server", "issuer"],
    # A thread's priority in the engine; limits of the process in the node; signals to processes that were started here.
    "rustix": ["node", "engine", "cli"],
}

# Lines of one file, and lines of code in one function's body. Clippy counts parameters: seven at most.
MOST_LINES = 500
MOST_LINES_OF_FUNCTION = 60
FUNCTION = re.compile(r"^( *)(?:pub(?:\([\w: ]+\))? )?(?:const )?(?:async )?(?:unsafe )?fn (\w+)")

# No socket and no clock below this floor (floors of the map: 6 is where links are).
SOCKETS = re.compile(r"\btokio::net\b|\bstd::net::(Tcp|Udp)|\bSystemTime\b|\bUNIX_EPOCH\b")
SOCKETS_FROM = 6
# TLS stands below the links that use it; it is handed its sockets' addresses and nothing else.
SOCKETS_ALSO = {"tls"}

# The files that may say `unsafe`, in code and tests alike: two use instructions that not every processor has, one follows the pointers of C.
UNSAFE_IN = {MPC / "protocol" / "kernel.rs", MPC / "template" / "finger" / "side.rs", Path("crates/tumar-terminal/src/abi.rs")}
# What C calls. Its argument is the contract in the header, on the caller's side.
EXPORTED = re.compile(r'#\[unsafe\(no_mangle\)\]$|pub unsafe extern "C" fn ')
UNSAFE = re.compile(r"\bunsafe\b|\bunsafe_code\b")

faults = []


def fault(path, line, text):
    faults.append(f"{path}:{line}: {text}")


def floors():
    """Module -> floor, from the map at the head of lib.rs."""
    found, floor = {"main": 9, "lib": 9}, None
    for line in (SRC / "lib.rs").read_text().splitlines():
        if not line.startswith("//!"):
            break
        number = re.match(r"//! (\d)  ", line)
        if number:
            floor = int(number[1])
        if floor is not None:
            for name in re.findall(r"(?<![\w.>])([a-z][a-z0-9_]*)(?:\.rs|/)(?=[\s,])", line):
                found[name] = floor
    declared = {name for root in ROOTS for name in re.findall(r"^(?:pub )?mod (\w+);", (root / "lib.rs").read_text(), re.M)}
    for name in sorted(declared - found.keys()):
        fault(SRC / "lib.rs", 1, f"module {name} stands on no floor of the map")
    for name in sorted(found.keys() - declared - {"main", "lib", "cli"}):
        fault(SRC / "lib.rs", 1, f"the map names {name}, and there is no such module")
    return found


def within(path):
    """A file as it is called from its crate's root on."""
    return path.relative_to(next(root for root in ROOTS if root in path.parents))


def module_of(path):
    return within(path).parts[0].removesuffix(".rs")


def code(path):
    """Lines of code: no comments, and nothing from the file's `#[cfg(test)] mod` on."""
    lines = path.read_text().splitlines()
    for number, line in enumerate(lines, 1):
        if line.strip() == "#[cfg(test)]" and number < len(lines) and lines[number].startswith("mod tests {"):
            return
        if not line.strip().startswith("//"):
            yield number, line.split(" // ")[0]


def targets(text):
    """What `crate::` or `tumar::` paths in a piece of code lead to: `a` of `crate::a::b`, `a` and `b` of `crate::{a, b}`."""
    for head in re.finditer(r"\b(?:crate|tumar(?:_\w+)?)::", text):
        rest = text[head.end():]
        if not rest.startswith("{"):
            yield re.match(r"\w*", rest)[0]
            continue
        depth, name = 0, ""
        for char in rest:
            depth += (char == "{") - (char == "}")
            if depth == 0 or (depth == 1 and char in "{,"):
                if name:
                    yield re.match(r"\w*", name.strip())[0]
                name = ""
            elif depth >= 1:
                name += char
            if depth == 0:
                break


def crates(line):
    """Paths into other crates: each as far as it is written on the line."""
    for path in re.finditer(r"(?<![\w:])([a-z_]\w*)((?:::\w+)*)", line):
        yield path[1] + path[2]


def check_crates(path, module):
    for number, line in code(path):
        for named in crates(line):
            parts = named.split("::")
            if parts[0] not in NAMED or (len(parts) == 1 and not re.search(rf"\buse {parts[0]}\b|\b{parts[0]}::\{{", line)):
                continue
            rule = next(r for n in range(len(parts), 0, -1) if (r := "::".join(parts[:n])) in NAMED)
            if module not in NAMED[rule]:
                fault(path, number, f"{named} is for {', '.join(NAMED[rule])} alone")


def check_unsafe(path):
    """No `unsafe` but in three files, and there no block without its argument in the comment right above."""
    argued = False
    for number, line in enumerate(path.read_text().splitlines(), 1):
        bare = line.strip()
        if bare.startswith("//"):
            argued = argued or bare.startswith("// SAFETY: ")
            continue
        if UNSAFE.search(re.sub(r'"[^"]*"', "", line.split(" // ")[0])):
            if path not in UNSAFE_IN:
                fault(path, number, f"unsafe is for {', '.join(map(str, sorted(UNSAFE_IN)))} alone")
            elif re.search(r"\bunsafe\b", bare) and not argued and not EXPORTED.match(bare):
                fault(path, number, "unsafe without a SAFETY argument right above")
        argued = False


def circles(graph):
    """Sets of modules that reach each other (Tarjan)."""
    index, low, stack, on, out = {}, {}, [], set(), []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        on.add(node)
        for other in graph[node]:
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in on:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            circle = []
            while True:
                circle.append(stack.pop())
                on.discard(circle[-1])
                if circle[-1] == node:
                    break
            if len(circle) > 1:
                out.append(sorted(circle))

    for node in list(graph):
        if node not in index:
            visit(node)
    return out


USE = re.compile(r"(?:^|\n)\s*(pub(?:\([\w: ]+\))? )?use ([^;]+);")


def paths(tree):
    """Every path of a `use` tree: `a::b` and `a::c` of `a::{b, c as d}`."""
    tree = re.sub(r"\s+", " ", tree.strip())
    if "{" not in tree:
        yield re.sub(r" as \w+$", "", tree).removesuffix("::self")
        return
    head, inner = tree.split("{", 1)
    depth, path = 0, ""
    for char in inner[: inner.rindex("}")] + ",":
        if char == "," and depth == 0:
            if path.strip():
                yield from paths(head + path.strip())
            path = ""
        else:
            depth += (char == "{") - (char == "}")
            path += char


class Files:
    """Who uses whom, file by file. A name that a file hands on (`pub use`) is used of the file that it comes from.

    A file may name its own children and what is below them, since it has to: a module's folder hangs on its file.
    """

    def __init__(self, files):
        self.of = {}
        for path in files:
            parts = within(path).with_suffix("").parts
            self.of["::".join(parts[:-1] if parts[-1] == "mod" else parts)] = path
        self.text = {name: "\n".join(line for _, line in code(path)) for name, path in self.of.items()}
        self.handed_on = {}
        for name, text in self.text.items():
            for public, tree in USE.findall(text):
                for path in paths(tree) if public else ():
                    parts = self.absolute(path, name)
                    if parts:
                        self.handed_on[name, parts[-1]] = parts

    def absolute(self, path, name):
        """The parts of a path as they are from the crate's root on; none for a path into another crate."""
        parts, here = path.split("::"), name.split("::")
        if parts[0] == "crate" or re.fullmatch(r"tumar(_\w+)?", parts[0]):
            return parts[1:]
        if parts[0] == "self":
            return here + parts[1:]
        if parts[0] == "super":
            while parts and parts[0] == "super":
                parts, here = parts[1:], here[:-1]
            return here + parts
        return here + parts if "::".join([*here, parts[0]]) in self.of else None

    def file_of(self, parts, steps=8):
        """The file in which what a path leads to is written."""
        length = next((n for n in range(len(parts), 0, -1) if "::".join(parts[:n]) in self.of), 0)
        name, rest = "::".join(parts[:length]), parts[length:]
        if rest and steps and (name, rest[0]) in self.handed_on:
            return self.file_of(self.handed_on[name, rest[0]] + rest[1:], steps - 1)
        return name

    def arrows(self):
        graph = defaultdict(set)
        for name, text in self.text.items():
            if name in ("main", "lib"):
                continue
            named = [path for public, tree in USE.findall(text) if not public for path in paths(tree)]
            named += re.findall(r"\b(?:crate|super|tumar(?:_\w+)?)(?:::\w+)+", USE.sub("", text))
            for path in named:
                parts = self.absolute(path, name)
                file = self.file_of(parts) if parts else ""
                if file and file != name and not file.startswith(f"{name}::"):
                    graph[name].add(file)
        return graph


def check_functions(path):
    """No function is too long; comments do not count."""
    name = indent = None
    for number, line in code(path):
        head = FUNCTION.match(line)
        if name is None and head:
            indent, name, start, length = head[1], head[2], number, None
        if name is None:
            continue
        if length is None:
            # A signature of several lines ends where its body begins, or is all that a trait says.
            if line.endswith("{"):
                length = 0
            elif line.endswith((";", "}")):
                name = None
        elif line == f"{indent}}}":
            if length > MOST_LINES_OF_FUNCTION:
                fault(path, start, f"{name} has {length} lines: more than {MOST_LINES_OF_FUNCTION}")
            name = None
        else:
            length += bool(line.strip())


def check_files(files):
    """No circle of files, and none that is too long."""
    known = Files(files)
    graph = known.arrows()
    for circle in circles(graph):
        fault(known.of[circle[0]], 1, f"files in a circle: {', '.join(circle)}")
    for path in files:
        check_functions(path)
        lines = len(path.read_text().splitlines())
        if lines > MOST_LINES:
            fault(path, lines, f"more than {MOST_LINES} lines")
    return graph


def main():
    floor = floors()
    graph = defaultdict(set)
    everything = sorted(path for root in ROOTS for path in root.rglob("*.rs"))
    files = [path for path in everything if path.name != "tests.rs"]
    for path in everything:
        check_unsafe(path)
    for path in files:
        module = module_of(path)
        check_crates(path, module)
        if module in ("main", "cli", "lib"):
            continue
        text = "\n".join(line for _, line in code(path))
        for target in targets(text):
            if target not in floor:
                fault(path, 1, f"crate::{target} stands on no floor of the map")
            elif target != module:
                graph[module].add(target)
                if floor[target] > floor[module]:
                    fault(path, 1, f"floor {floor[module]} uses {target} of floor {floor[target]}")
        if floor.get(module, 0) < SOCKETS_FROM and module not in SOCKETS_ALSO:
            for number, line in code(path):
                if SOCKETS.search(line):
                    fault(path, number, "a socket or a clock below the links")
    by_file = check_files(files)
    graph_of_known = defaultdict(set, {module: set(graph[module]) for module in list(graph)})
    for circle in circles(graph_of_known):
        fault(SRC, 0, f"modules in a circle: {', '.join(circle)}")
    for text in faults:
        print(text)
    print(
        f"{len(files)} files with {sum(map(len, by_file.values()))} arrows, {len(graph)} modules with "
        f"{sum(map(len, graph.values()))}: {len(faults)} faults"
    )
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
