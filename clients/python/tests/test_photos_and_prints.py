"""tumar.extract with its extras: public photos from the folder PHOTOS, and made-up prints, through the real networks."""

import io
import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from test_extract import fir, fir_2011

import prints as made_up
from tumar import finger_rows
from tumar.extract import CaptureError, Fault
from tumar.extract.fmr import Minutia, written
from tumar.finger import _cylinders, _Minutiae, _weights, view_of

pytestmark = pytest.mark.extras

Grey = npt.NDArray[np.uint8]
# Least scores of a match at a false match rate of 1e-4, of docs/models.md.
FACE, ROWS = 0.4206, 0.25


@pytest.fixture(scope="session")
def photos() -> Path:
    """Sources: docs/photos-and-prints.md."""
    return Path(os.environ["PHOTOS"])


@pytest.fixture(scope="session")
def faces() -> Any:
    from tumar.extract.face import FaceExtractor

    return FaceExtractor()


@pytest.fixture(scope="session")
def fingers() -> Any:
    from tumar.extract.finger import FingerExtractor

    return FingerExtractor()


@pytest.fixture(scope="session")
def one() -> Grey:
    return made_up.impression(made_up.finger(1), 11)


def file(pixels: npt.NDArray[np.uint8], form: str = "PNG", **options: Any) -> bytes:
    from PIL import Image

    written = io.BytesIO()
    Image.fromarray(pixels).save(written, form, **options)
    return written.getvalue()


def pixels(path: Path) -> npt.NDArray[np.uint8]:
    from PIL import Image

    return np.asarray(Image.open(path).convert("RGB"))


def scaled(image: npt.NDArray[np.uint8], by: float) -> npt.NDArray[np.uint8]:
    from PIL import Image

    size = round(image.shape[1] * by), round(image.shape[0] * by)
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))


def blurred(image: npt.NDArray[np.uint8], by: float) -> npt.NDArray[np.uint8]:
    from PIL import Image, ImageFilter

    return np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(by)))


def cosine(one: Any, other: Any) -> float:
    return float(one.embedding @ other.embedding / np.linalg.norm(one.embedding) / np.linalg.norm(other.embedding))


def count(record: bytes, other: bytes) -> float:
    """The score of two templates of rows: docs/DESIGN.md has the rule."""
    p, r = (finger_rows(each).components.astype(int) for each in (record, other))
    hits = np.sum([p @ r.T >= level for level in (614, 691, 768)], axis=0)
    both = min(hits.max(1).sum(), hits.max(0).sum())
    return float(both / np.sqrt(max(20, len(p)) * max(20, len(r))))


def fault(call: Callable[..., Any], *arguments: Any) -> Fault:
    with pytest.raises(CaptureError) as refused:
        call(*arguments)
    return refused.value.fault


# ------------------------------------------------------------------ photos
def test_photos_of_one_person_match_and_of_two_do_not(faces: Any, photos: Path) -> None:
    found = {name: faces.embed((photos / f"{name}.jpg").read_bytes()) for name in ("obama", "obama2", "obama3", "biden")}
    own = [found[name] for name in ("obama", "obama2", "obama3")]
    assert all(face.embedding.shape == (128,) and face.embedding.dtype == np.float32 for face in found.values())
    assert min(cosine(own[a], own[b]) for a, b in ((0, 1), (0, 2), (1, 2))) > FACE + 0.1
    assert max(cosine(face, found["biden"]) for face in own) < FACE - 0.05
    assert 100 < found["obama"].eyes < 130 and found["obama"].turn < 0.1 and found["obama2"].turn > 0.1


def test_alignment_and_input_are_those_of_the_model_card(faces: Any, photos: Path) -> None:
    import cv2

    from tumar.extract.images import photo
    from tumar.extract.weights import SFACE

    image = photo((photos / "obama.jpg").read_bytes())
    (found,) = faces._found(image)
    template = [(38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041)]
    # A similarity in complex numbers is z -> a z + b.
    z, w = (np.array(points).reshape(5, 2) @ [1, 1j] for points in (found[4:14].astype(float), template))
    a, b = np.linalg.lstsq(np.stack([z, np.ones(5)], 1), w, rcond=None)[0]
    matrix = np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])
    aligned = cv2.warpAffine(image, matrix, (112, 112), flags=cv2.INTER_LINEAR)
    assert np.abs(aligned.astype(int) - faces.align(image, found)).mean() < 1
    network = cv2.dnn.readNetFromONNX(np.frombuffer(SFACE.read(), np.uint8))
    network.setInput(aligned[..., ::-1].transpose(2, 0, 1)[None].astype(np.float32))
    plain = network.forward().ravel()
    whole = faces.embed((photos / "obama.jpg").read_bytes()).embedding
    assert plain @ whole / np.linalg.norm(plain) / np.linalg.norm(whole) > 0.99


def test_a_photo_counts_as_exif_turns_it(faces: Any, photos: Path) -> None:
    from PIL import Image

    upright = pixels(photos / "obama.jpg")
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = file(np.ascontiguousarray(np.rot90(upright)), "JPEG", quality=95, exif=exif)
    assert cosine(faces.embed(lying), faces.embed(file(upright))) > 0.95


def test_photos_that_are_not_good_enough_are_refused_each_with_its_fault(faces: Any, photos: Path) -> None:
    own, other = pixels(photos / "obama.jpg"), pixels(photos / "biden.jpg")
    height = min(own.shape[0], other.shape[0])
    refused = {
        Fault.FACE_ABSENT: made_up.impression(made_up.finger(3), 1),
        Fault.FACE_SEVERAL: np.concatenate([own[:height], other[:height]], 1),
        Fault.FACE_TOO_SMALL: scaled(own, 0.17),
        Fault.FACE_TOO_DARK: (own * 0.15).astype(np.uint8),
        Fault.FACE_TOO_BRIGHT: np.clip(own * 1.7, 0, 255).astype(np.uint8),
        Fault.FACE_BLURRED: blurred(own, 7),
        Fault.FACE_CUT_OFF: own[:, : own.shape[1] * 55 // 100],
    }
    assert {wanted: fault(faces.embed, file(image)) for wanted, image in refused.items()} == {wanted: wanted for wanted in refused}
    # A bystander does not matter, and what is a little worse still matches.
    beside = own.copy()
    small = scaled(other, 0.3)
    beside[: small.shape[0], : small.shape[1]] = small
    whole = faces.embed(file(own))
    for worse in (beside, scaled(own, 0.25), (own * 0.4).astype(np.uint8), blurred(own, 3)):
        assert cosine(faces.embed(file(worse)), whole) > 0.85


def test_a_turned_face_is_refused(faces: Any, photos: Path) -> None:
    from tumar.extract.images import photo

    image = photo((photos / "obama.jpg").read_bytes())
    (found,) = faces._found(image)
    turned = found.copy()
    turned[8] += 0.5 * (found[6] - found[4])
    assert fault(faces._embedded, image, turned) is Fault.FACE_TURNED


def test_a_file_that_is_no_photo_is_unreadable_or_too_large(faces: Any, photos: Path) -> None:
    good = (photos / "obama.jpg").read_bytes()
    for bad in (b"", b"no photo", good[: len(good) // 2], b"GIF89a" + bytes(50), fir((2, 1, bytes(6)))):
        assert fault(faces.embed, bad) is Fault.IMAGE_UNREADABLE
    assert fault(faces.embed, good + bytes(33 << 20)) is Fault.IMAGE_TOO_LARGE
    # A header that claims more pixels than are decoded.
    bomb = bytearray(file(np.zeros((2, 2), np.uint8), "BMP"))
    bomb[18:26] = struct.pack("<II", 60_000, 60_000)
    assert fault(faces.embed, bytes(bomb)) is Fault.IMAGE_TOO_LARGE


# ------------------------------------------------------------------ prints
def test_two_impressions_of_a_finger_match_in_any_form_and_another_finger_does_not(fingers: Any, one: Grey) -> None:
    again, other = made_up.impression(made_up.finger(1), 12), made_up.impression(made_up.finger(2), 21)
    reference = fingers.read(file(one, dpi=(500, 500)))
    assert reference.minutiae >= 40 and reference.rows == 40 and 150 < reference.ridges < 250 and 0.4 < reference.period < 0.5
    import wsq  # noqa: F401

    size = (again.shape[1], again.shape[0])
    probes = {
        "BMP": file(again, "BMP", dpi=(500, 500)),
        "JPEG": file(again, "JPEG", dpi=(500, 500), quality=80),
        "WSQ": file(again, "WSQ"),
        "2005, raw": fir((2, 1, again.tobytes()), size=size, units=1, resolution=500),
        "2005, WSQ": fir((2, 1, file(again, "WSQ")), size=size, compression=2, units=1, resolution=500),
        "2011, JPEG 2000": fir_2011(file(again, "JPEG2000"), size, compression=5),
        "1000 dpi": file(scaled(again, 2), dpi=(1000, 1000)),
        "569 dpi, TIFF": file(scaled(again, 569 / 500), "TIFF", dpi=(569, 569)),
        "transparent": file(np.dstack([np.zeros_like(again)] * 3 + [255 - again]), dpi=(500, 500)),
    }
    scores = {form: count(fingers.read(data).record, reference.record) for form, data in probes.items()}
    assert min(scores.values()) > 4 * ROWS, scores
    assert count(fingers.read(file(other, dpi=(500, 500))).record, reference.record) < ROWS
    assert fingers.read(probes["2005, raw"]).record[24] == 2 and fingers.read(probes["2011, JPEG 2000"]).record[24] == 7


def test_the_direction_of_minutiae_is_the_one_that_the_models_were_learned_with(fingers: Any, one: Grey) -> None:
    found = fingers.minutiae(one)
    mean = _weights("leader-rows-3/mean", 480)

    def fits(sign: int, more: float) -> float:
        turned = [Minutia(m.x, m.y, sign * m.angle + more, m.kind, m.quality) for m in found]
        cylinders, _ = _cylinders(_Minutiae(view_of(written(turned, one.shape))))
        return float(np.corrcoef(cylinders.mean(0), mean)[0, 1])

    own = fits(1, 0)
    assert own > 0.7 and all(own > fits(sign, more) + 0.03 for sign, more in ((-1, 0), (1, np.pi), (-1, np.pi)))


def test_prints_that_are_not_good_enough_are_refused_each_with_its_fault(fingers: Any, one: Grey, photos: Path) -> None:
    good = file(one, dpi=(500, 500))
    assert fault(fingers.read, file(one)) is Fault.PRINT_DPI_UNKNOWN
    assert fault(fingers.read, file(one, "JPEG", dpi=(96, 96))) is Fault.PRINT_DPI_IMPLAUSIBLE
    # The file's own, where the caller knows better, and the ridges do.
    assert [fault(fingers.read, good, dpi) for dpi in (72, 250, 1000, 5000)] == [Fault.PRINT_DPI_IMPLAUSIBLE] * 4
    assert fingers.read(file(one, dpi=(96, 96)), 500).dpi == (500, 500)
    clouds = (made_up.smooth(3, np.random.default_rng(1)) * 40 + 128).clip(0, 255).astype(np.uint8)
    for nothing in (np.full((300, 300), 255, np.uint8), clouds):
        assert fault(fingers.read, file(nothing), 500) is Fault.PRINT_ABSENT
    assert fault(fingers.read, (photos / "obama.jpg").read_bytes(), 500) is Fault.PRINT_ABSENT
    stripes = (128 + 100 * np.sin(np.arange(400) * 2 * np.pi / 9)[:, None] * np.ones((1, 300))).astype(np.uint8)
    assert fault(fingers.read, file(stripes), 500) is Fault.FINGER_TOO_FEW_MINUTIAE
    assert fault(fingers.read, file(np.tile(one, (4, 4))), 500) is Fault.IMAGE_TOO_LARGE
    record = fir((2, 1, one.tobytes()), (2, 2, one.tobytes()), size=(one.shape[1], one.shape[0]))
    assert fault(fingers.read, record) is Fault.IMAGE_VIEW_AMBIGUOUS
    assert fingers.read(record, None, 2, 2).minutiae > 40


def test_a_file_that_is_no_print_is_unreadable_and_never_another_error(fingers: Any, one: Grey) -> None:
    import wsq  # noqa: F401

    from tumar.extract.prints import read_print

    good = file(one, "WSQ")
    loops = b"\xff\xa0\xff\xa8\0\0" * 9
    for bad in (b"", b"\xff\xa0", good[:40], good[:400], file(one)[:500], loops, fir((2, 1, good[:99]), compression=2)):
        assert fault(fingers.read, bad, 500) is Fault.IMAGE_UNREADABLE
    assert read_print(good).dpi == (500, 500)


# ------------------------------------------------------------------ the command
def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    from tumar.extract.cli import main

    code = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out, err


def test_the_command_writes_what_tumar_reads(photos: Path, tmp_path: Path, one: Grey, capsys: pytest.CaptureFixture[str]) -> None:
    face, record = tmp_path / "face.npy", tmp_path / "one.fmr"
    code, out, err = run(capsys, "face", photos / "obama.jpg", "--out", face, "--json")
    told = json.loads(out)
    assert (code, err, told["file"], told["model"]) == (0, "", str(face), "sface128")
    assert np.load(face).shape == (128,) and np.load(face).dtype == np.float32 and face.stat().st_mode & 0o777 == 0o600
    (tmp_path / "one.png").write_bytes(file(one))
    rows, vector = tmp_path / "rows.npy", tmp_path / "vector.npy"
    more = ("--dpi", 500, "--position", 7, "--out", record, "--rows", rows, "--vector", vector)
    code, out, _ = run(capsys, "finger", tmp_path / "one.png", *more)
    assert code == 0 and "minutiae" in out and record.read_bytes()[24] == 7
    assert np.array_equal(np.load(rows), finger_rows(record.read_bytes()).components) and np.load(vector).shape == (1024,)


def test_the_command_tells_a_refusal_by_its_code_and_exit_code(tmp_path: Path, one: Grey, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "one.png"
    path.write_bytes(file(one))
    code, out, err = run(capsys, "face", path, "--json")
    assert code == Fault.FACE_ABSENT.exit_code == 20 and json.loads(out)["refused"] == "FACE_ABSENT"
    assert err.startswith(f"tumar-template: {path}: FACE_ABSENT: no face")
    code, out, err = run(capsys, "finger", path)
    assert (code, out) == (30, "") and "PRINT_DPI_UNKNOWN" in err and not (tmp_path / "one.fmr").exists()
    assert run(capsys, "face", path, "--recognizer", path)[0] == 41
    assert run(capsys, "finger", tmp_path / "nowhere.png")[0] == 2
    assert "Shiqi Yu" in run(capsys, "notices")[1]


def test_a_folder_becomes_a_set_for_tumar_eval(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for person, names in {"o": ("obama", "obama2", "obama_partial_face"), "b": ("biden",)}.items():
        (tmp_path / "people" / person).mkdir(parents=True)
        for name in names:
            (tmp_path / "people" / person / f"{name}.jpg").write_bytes((photos / f"{name}.jpg").read_bytes())
    code, out, _ = run(capsys, "set", "face", tmp_path / "people", "--out", tmp_path / "out", "--json")
    assert code == 0 and {"people": 2, "photos": 3, "refused": 1}.items() <= json.loads(out).items()
    assert np.load(tmp_path / "out/embeddings.npy").shape == (3, 128)
    assert (tmp_path / "out/labels.csv").read_text() == "row,identity,file\n0,b,b/biden.jpg\n1,o,o/obama.jpg\n2,o,o/obama2.jpg\n"
    assert "o/obama_partial_face.jpg,FACE_CUT_OFF" in (tmp_path / "out/refused.csv").read_text()
    assert run(capsys, "set", "face", tmp_path / "people", "--out", tmp_path / "out")[0] == 2
