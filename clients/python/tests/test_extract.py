"""What tumar.extract does without its extras: records of images and of minutiae, weights, and that the documents say what holds."""

import math
import re
import struct
import sys
from pathlib import Path

import pytest
from conftest import REPOSITORY

from tumar.extract import CaptureError, Fault, WeightsError
from tumar.extract.cli import main
from tumar.extract.fir import image_of, read_fir
from tumar.extract.fmr import BIFURCATION, ENDING, Minutia, written
from tumar.extract.weights import LEADER, SFACE, YUNET, Weights
from tumar.finger import read_record


def fir(
    *images: tuple[int, int, bytes], size: tuple[int, int] = (3, 2), compression: int = 0, units: int = 2, resolution: int = 197
) -> bytes:
    """A record of 2005: position, number and pixels of each image."""
    body = b"".join(
        struct.pack(">IBBBBBHHB", 14 + len(data), position, 1, number, 254, 0, *size, 0) + data for position, number, data in images
    )
    head = struct.pack(">HHBBHHHHBBH", 0, 31, len(images), units, *[resolution] * 4, 8, compression, 0)
    return b"FIR\x00010\0" + (14 + len(head) + len(body)).to_bytes(6, "big") + head + body


def fir_2011(data: bytes, size: tuple[int, int] = (3, 2), compression: int = 0, certified: bool = False, more: bytes = b"") -> bytes:
    """A record of 2011 with one image, two quality values, and a certificate if it is said."""
    certificate = b"\1abc" if certified else b""
    inner = struct.pack(">9sBHHB", b"\xff" * 9, 0, 0, 0, 2) + b"\x50abcd\x40abcd" + certificate
    inner += struct.pack(">BBBHHHHBBBHHI", 7, 1, 1, 500, 500, 500, 500, 8, compression, 0, *size, len(data)) + data + more
    inner = struct.pack(">I", 4 + len(inner)) + inner
    return b"FIR\x00020\0" + struct.pack(">IHBB", 16 + len(inner), 1, certified, 1) + inner


PIXELS = bytes(range(6))


def test_records_of_both_editions_give_their_images() -> None:
    one, two = read_fir(fir((2, 1, PIXELS), (2, 2, PIXELS[::-1])))
    assert (one.position, one.number, one.width, one.height, one.is_raw, one.data) == (2, 1, 3, 2, True, PIXELS)
    assert (two.number, two.data) == (2, PIXELS[::-1])
    assert one.dpi == (197 * 2.54, 197 * 2.54)
    assert read_fir(fir((0, 0, PIXELS), units=1, resolution=569))[0].dpi == (569, 569)
    assert read_fir(fir((0, 0, PIXELS), resolution=0))[0].dpi is None
    assert not read_fir(fir((0, 0, b"compressed"), compression=2))[0].is_raw
    for made in (fir_2011(PIXELS), fir_2011(PIXELS, certified=True), fir_2011(PIXELS, more=b"extended")):
        (image,) = read_fir(made)
        assert (image.position, image.number, image.dpi, image.data) == (7, 1, (500, 500), PIXELS)


def test_an_image_is_chosen_by_position_and_number_and_never_guessed() -> None:
    record = fir((2, 1, PIXELS), (2, 2, PIXELS), (3, 1, PIXELS))
    assert image_of(record, 3).position == 3
    assert image_of(record, 2, 2).number == 2
    many, none = Fault.IMAGE_VIEW_AMBIGUOUS, Fault.IMAGE_VIEW_ABSENT
    for wanted, fault in (((None, None), many), ((2, None), many), ((4, 1), none)):
        with pytest.raises(CaptureError) as refused:
            image_of(record, *wanted)
        assert refused.value.fault is fault


def test_a_record_of_images_with_any_fault_is_unreadable_and_never_another_error() -> None:
    good, newer = fir((2, 1, PIXELS)), fir_2011(PIXELS, certified=True)
    bad = [
        b"", b"FIR\0", b"FMR\x00010\0", good.replace(b"010", b"030"), good + b"\0", good[:-1], fir(),
        fir((13, 1, PIXELS)), fir((2, 1, PIXELS[1:])), fir((2, 1, b""), size=(0, 2)), fir((2, 1, PIXELS), units=3),
        good[:32] + (2**32 - 1).to_bytes(4, "big") + good[36:],
    ]  # fmt: skip
    for record in bad:
        with pytest.raises(CaptureError) as refused:
            read_fir(record)
        assert refused.value.fault is Fault.IMAGE_UNREADABLE
    # Whatever byte is changed or cut off: an image or a refusal.
    for record in (good, newer):
        for place in range(len(record)):
            for changed in (record[:place], record[:place] + bytes([record[place] ^ 0xFF]) + record[place + 1 :]):
                try:
                    read_fir(changed)
                except CaptureError as error:
                    assert error.fault is Fault.IMAGE_UNREADABLE


def test_a_record_of_minutiae_reads_back_as_it_was_written() -> None:
    minutiae = [
        Minutia(0, 0, 0.0, ENDING, 0.999), Minutia(16_383, 7, -math.pi / 2, BIFURCATION, 0.4), Minutia(9, 16_383, math.pi, ENDING, 0.555),
        Minutia(1, 2, 2 * math.pi - 1e-9, ENDING, 0.5),
    ]  # fmt: skip
    (view,) = read_record(written(minutiae, (416, 320), 7))
    assert (view.position, view.ansi, view.resolution) == (7, False, (197, 197))
    assert [tuple(minutia) for minutia in view.minutiae] == [(0, 0, 0, 100), (16_383, 7, 192, 40), (9, 16_383, 128, 56), (1, 2, 0, 50)]
    record = written(minutiae, (416, 320))
    assert record[8:12] == len(record).to_bytes(4, "big") and struct.unpack(">HH", record[14:18]) == (320, 416)
    assert [word >> 14 for (word,) in struct.iter_unpack(">H4x", record[28:-2])] == [ENDING, BIFURCATION, ENDING, ENDING]


def test_weights_are_those_of_the_model_card_or_are_not_used(tmp_path: Path) -> None:
    with pytest.raises(WeightsError) as absent:
        Weights("none", "no-such-package-at-all", "x", "0" * 64).read()
    with pytest.raises(WeightsError) as gone:
        LEADER.read(tmp_path / "nowhere.onnx")
    assert absent.value.fault is gone.value.fault is Fault.WEIGHTS_ABSENT
    other = tmp_path / "other.onnx"
    other.write_bytes(b"another network")
    with pytest.raises(WeightsError, match="SHA-256") as refused:
        SFACE.read(other)
    assert refused.value.fault is Fault.WEIGHTS_OTHER
    card = (REPOSITORY / "docs/models.md").read_text()
    for weights in (YUNET, SFACE, LEADER):
        assert f"`{Path(weights.file).name}` `{weights.sha256}`" in card and f"`{weights.package}`" in card


def test_every_model_has_a_card_with_its_thresholds() -> None:
    card = (REPOSITORY / "docs/models.md").read_text()
    table = (REPOSITORY / "crates/tumar-mpc/src/template/models.toml").read_text()
    models = [part.split("[[")[0] for part in table.split("[[model]]")[1:]]
    assert len(models) == 4
    for model in models:
        (name,) = re.findall(r'^id = "(.+)"$', model, re.M)
        (section,) = re.findall(rf"^## [^\n]*{name}[^\n]*\n.*?(?=^## |\Z)", card, re.M | re.S)
        for threshold in re.findall(r'"1e-\d" = ([\d.]+)', model):
            assert f"{threshold} (" in section, (name, threshold)


def test_the_table_of_refusals_is_that_of_the_code() -> None:
    page = (REPOSITORY / "docs/photos-and-prints.md").read_text()
    rows = re.findall(r"^\| `([A-Z_]+)` \| (\d+) \| (.+) \|$", page, re.M)
    source = (REPOSITORY / "clients/python/src/tumar/extract/faults.py").read_text()
    says = dict(re.findall(r'^    ([A-Z_]+) = "\1"\n    """(.+)"""$', source, re.M))
    assert rows == [(fault.value, str(fault.exit_code), says[fault.value]) for fault in Fault]
    codes = [fault.exit_code for fault in Fault]
    assert len(set(codes)) == len(codes) and min(codes) > 5


@pytest.mark.parametrize("missing", ["PIL", "cv2", "onnxruntime"])
def test_without_the_extras_the_command_says_what_to_install(
    missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # As if it were not installed, whether it is or not.
    for module in [name for name in sys.modules if name.split(".")[0] == missing or name.startswith("tumar.extract.")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, missing, None)
    assert main(["finger" if missing == "onnxruntime" else "face", "image.png"]) == 2
    assert "pip install 'tumar[" in capsys.readouterr().err
