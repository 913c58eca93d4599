"""Brings into a build what stands elsewhere in the repository, once: the messages of proto/, and the learned weights of fingers.

A source distribution carries the originals in `origin/`, so that a wheel can be built from it as well.
"""

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
            proto, weights = origin / "proto", origin / "weights"
        else:
            repository = root.parent.parent
            proto, weights = repository / "proto", repository / "src/template/finger/weights"
        sources = [f"tumar/v1/{name}.proto" for name in MESSAGES]
        if self.target_name == "sdist":
            taken = {str(proto / source): f"origin/proto/{source}" for source in sources}
            for folder in WEIGHTS:
                taken |= {str(file): f"origin/weights/{folder}/{file.name}" for file in (weights / folder).iterdir()}
            build_data["force_include"] |= taken
            return
        generate(proto, sources, root / "src")
        for folder in WEIGHTS:
            shutil.copytree(weights / folder, root / "src/tumar/weights" / folder, dirs_exist_ok=True)
        build_data["artifacts"] += ["src/tumar/v1/*", "src/tumar/weights/**"]


def generate(proto: Path, sources: list[str], out: Path) -> None:
    """Runs protoc, as the package grpcio-tools has it."""
    from grpc_tools import protoc

    (out / "tumar/v1").mkdir(exist_ok=True)
    arguments = ["protoc", f"--proto_path={proto}", f"--python_out={out}", f"--pyi_out={out}", *sources]
    if protoc.main(arguments) != 0:
        raise RuntimeError("protoc failed")
    (out / "tumar/v1/__init__.py").write_text('"""Generated messages of proto/tumar/v1."""\n')
