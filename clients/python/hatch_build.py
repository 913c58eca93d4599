"""Brings into a build what stands elsewhere in the repository, once: the messages of proto/, the learned weights of fingers, and the table
of reasons in docs/reasons.md.

A source distribution carries the originals in `origin/`, so that a wheel can be built from it as well.
"""

import re
import shutil
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

MESSAGES = ["committee", "matching", "receipt"]
WEIGHTS = ["leader-rows-3", "leader-fixed-1"]


class CustomBuildHook(BuildHookInterface):
    """Generates messages and copies weights before files are gathered."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        origin = root / "origin"
        if origin.is_dir():
            proto, weights, table = origin / "proto", origin / "weights", origin / "reasons.md"
        else:
            repository = root.parent.parent
            proto, weights = repository / "proto", repository / "crates/tumar-mpc/src/template/finger/weights"
            table = repository / "docs/reasons.md"
        sources = [f"tumar/v1/{name}.proto" for name in MESSAGES]
        if self.target_name == "sdist":
            taken = {str(table): "origin/reasons.md"} | {str(proto / source): f"origin/proto/{source}" for source in sources}
            for folder in WEIGHTS:
                taken |= {str(file): f"origin/weights/{folder}/{file.name}" for file in (weights / folder).iterdir()}
            build_data["force_include"] |= taken
            return
        generate(proto, sources, root / "src")
        (root / "src/tumar/reasons.py").write_text(reasons(table.read_text()))
        for folder in WEIGHTS:
            shutil.copytree(weights / folder, root / "src/tumar/weights" / folder, dirs_exist_ok=True)
        build_data["artifacts"] += ["src/tumar/reasons.py", "src/tumar/v1/*", "src/tumar/weights/**"]


def generate(proto: Path, sources: list[str], out: Path) -> None:
    """Runs protoc, as the package grpcio-tools has it."""
    from grpc_tools import protoc

    (out / "tumar/v1").mkdir(exist_ok=True)
    arguments = ["protoc", f"--proto_path={proto}", f"--python_out={out}", f"--pyi_out={out}", *sources]
    if protoc.main(arguments) != 0:
        raise RuntimeError("protoc failed")
    (out / "tumar/v1/__init__.py").write_text('"""Generated messages of proto/tumar/v1."""\n')


REASONS = '''"""Made from the table "Refusals" of Tumar's docs/reasons.md by hatch_build.py."""

from enum import StrEnum


class Reason(StrEnum):
    """Why a node refuses: match on these."""
'''

MISSING = '''
    @classmethod
    def _missing_(cls, value: object) -> "Reason":
        """A reason that this version of the client does not know: `Refusal.code` has it as it came."""
        return cls.UNKNOWN
'''


def reasons(document: str) -> str:
    """The module of the enumeration, each reason with its sentence."""
    table = document.split("\n## Refusals\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `([A-Z_]+)` \| `\w+` \| (.+?) \|$", table, re.M)
    if len(rows) < 100:
        raise RuntimeError("docs/reasons.md has no table of reasons")
    return REASONS + "".join(f'\n    {name} = "{name}"\n    """{says}"""\n' for name, says in rows) + MISSING
