"""A picture can kill its decoder, and no more than that."""

from __future__ import annotations

import io
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fashion_exp.tools.collect.decoder import Decoder
from fashion_exp.tools.collect.formats import format_of
from fashion_exp.tools.collect.rejections import Postponed, Rejected
from tests.tools.collect.site import huge_png, jpeg


def test_a_decoder_outlives_every_broken_picture() -> None:
    with Decoder() as decoder:
        sound = decoder.picture(jpeg(1), thumbnail=True)
        assert (sound.width, sound.height) == (24, 24)
        assert Image.open(io.BytesIO(sound.thumbnail)).format == "JPEG"
        (process,) = [decoder._process]
        for content, kind, said in (
            (jpeg(1)[:200], "broken picture", "truncated JPEG"),
            (huge_png(30_000, 30_000), "too large", "900 megapixels, more than 40"),
            (huge_png(6_000, 6_000), "broken picture", "PNG"),
            (b"\xff\xd8\xff rubbish", "broken picture", "JPEG"),
        ):
            with pytest.raises(Rejected, match=said) as no:
                decoder.picture(content)
            assert no.value.kind == kind
        assert decoder._process is process and decoder.picture(jpeg(1)).pixels == sound.pixels


def test_the_pixels_are_the_same_in_another_file_and_turned_upright() -> None:
    pixels = np.arange(12 * 20 * 3, dtype=np.uint8).reshape(12, 20, 3)
    files = []
    for kind in ("PNG", "WEBP"):
        target = io.BytesIO()
        Image.fromarray(pixels).save(target, kind, lossless=True)
        files.append(target.getvalue())
    turned = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(pixels).copy()).save(turned, "PNG", exif=exif)
    with Decoder() as decoder:
        found = [decoder.picture(file) for file in (*files, turned.getvalue())]
    assert len({picture.pixels for picture in found}) == 1 and found[2].width == 20


def child(tmp_path: Path, code: str) -> Decoder:
    (tmp_path / "child.py").write_text(code)
    return Decoder((str(tmp_path / "child.py"),))


@pytest.mark.parametrize(
    "code",
    [
        "import os; os.kill(os.getpid(), 11)",
        "raise SystemExit",
        "print('not JSON', flush=True)",
        "print('{}', flush=True)",
        "print('[]', flush=True)",
        "import sys; sys.stdout.write('x' * 3_000_000)",
        "print('{\"bytes\": -1}', flush=True)",
        "print('{\"bytes\": Infinity}', flush=True)",
        "print('[' * 100_000, flush=True)",
    ],
)
def test_one_that_dies_or_lies_is_a_rejected_picture(tmp_path: Path, code: str) -> None:
    with child(tmp_path, code) as decoder:
        for _ in range(2):
            with pytest.raises(Rejected) as no:
                decoder.picture(jpeg(1))
            assert no.value.kind == "broken picture" and decoder._process is None


def test_one_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fashion_exp.tools.collect.decoder.SECONDS", 0.3)
    began = time.monotonic()
    code = "import sys, time; sys.stdin.buffer.read(9); time.sleep(60)"
    with child(tmp_path, code) as decoder, pytest.raises(Postponed, match=r"longer than 0\.3 s"):
        decoder.picture(jpeg(1))
    assert time.monotonic() - began < 5


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux alone")
def test_it_has_no_memory_to_spare_writes_no_file_and_knows_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENVERSE_TOKEN", "secret")
    code = f"""
import os, json, sys

sys.stdin.buffer.read(9)
told = []
decoder._confine()
try:
    bytearray(2 << 30)
except MemoryError:
    told.append("memory")
try:
    open({str(tmp_path / "file")!r}, "wb", buffering=0).write(b"x")
except OSError:
    told.append("file")
told.append(os.environ.get("OPENVERSE_TOKEN", "none"))
print(json.dumps({{"bytes": 0, "broken": " ".join(told)}}), flush=True)
"""
    with child(tmp_path, code) as decoder, pytest.raises(Rejected, match="memory file none"):
        decoder.picture(jpeg(1))


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF", "ICO", "PPM"])
def test_kinds_that_are_not_taken_never_reach_a_decoder(kind: str) -> None:
    target = io.BytesIO()
    Image.new("RGB", (8, 8)).save(target, kind)
    with pytest.raises(Rejected) as no:
        format_of(target.getvalue(), f"image/{kind.lower()}")
    assert no.value.kind == "no picture"


def test_kind_and_content_type_agree() -> None:
    assert format_of(jpeg(1), "IMAGE/JPEG; charset=x").name == "JPEG"
    assert format_of(jpeg(1), None).ending == ".jpg"
    for told in ("image/png", "text/html", "", "application/octet-stream"):
        with pytest.raises(Rejected) as no:
            format_of(jpeg(1), told)
        assert no.value.kind == "wrong type"
