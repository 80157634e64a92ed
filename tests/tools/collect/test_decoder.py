from __future__ import annotations

import io
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fashion_exp.tools.collect.decoder import Decoder, detect_format
from fashion_exp.tools.collect.rejections import Postponed, Rejected
from tests.tools.collect.fake_site import jpeg, png_with_size

pytestmark = pytest.mark.slow


def test_survives_broken_images() -> None:
    with Decoder() as decoder:
        image = decoder.decode(jpeg(1), thumbnail=True)
        assert (image.width, image.height) == (24, 24)
        assert Image.open(io.BytesIO(image.thumbnail)).format == "JPEG"
        process = decoder._process
        for content, kind, message in (
            (jpeg(1)[:200], "broken picture", "JPEG"),
            (png_with_size(30_000, 30_000), "too large", "megapixels"),
            (png_with_size(6_000, 6_000), "broken picture", "PNG"),
            (b"\xff\xd8\xff rubbish", "broken picture", "JPEG"),
        ):
            with pytest.raises(Rejected, match=message) as rejection:
                decoder.decode(content)
            assert rejection.value.kind == kind
        assert decoder._process is process and decoder.decode(jpeg(1)).pixels == image.pixels


def test_pixel_hash_ignores_format_and_exif_rotation() -> None:
    pixels = np.arange(12 * 20 * 3, dtype=np.uint8).reshape(12, 20, 3)
    files = []
    for file_format in ("PNG", "WEBP"):
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, file_format, lossless=True)
        files.append(buffer.getvalue())
    rotated = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(pixels).copy()).save(rotated, "PNG", exif=exif)
    with Decoder() as decoder:
        images = [decoder.decode(file) for file in (*files, rotated.getvalue())]
    assert len({image.pixels for image in images}) == 1 and images[2].width == 20


def decoder_running(tmp_path: Path, code: str) -> Decoder:
    """A decoder whose process runs other code."""
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
def test_rejects_image_if_process_crashes_or_sends_garbage(tmp_path: Path, code: str) -> None:
    with decoder_running(tmp_path, code) as decoder:
        for _ in range(2):
            with pytest.raises(Rejected) as rejection:
                decoder.decode(jpeg(1))
            assert rejection.value.kind == "broken picture" and decoder._process is None


def test_kills_hanging_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fashion_exp.tools.collect.decoder.MAX_SECONDS", 0.3)
    start = time.monotonic()
    code = "import sys, time; sys.stdin.buffer.read(9); time.sleep(60)"
    with (
        decoder_running(tmp_path, code) as decoder,
        pytest.raises(Postponed, match=r"longer than 0\.3 s"),
    ):
        decoder.decode(jpeg(1))
    assert time.monotonic() - start < 30


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux only")
def test_process_is_restricted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENVERSE_TOKEN", "secret")
    code = f"""
import os, json, sys
from fashion_exp.data import decoder_process

sys.stdin.buffer.read(9)
denied = []
decoder_process._restrict()
try:
    bytearray(2 << 30)
except MemoryError:
    denied.append("memory")
try:
    open({str(tmp_path / "file")!r}, "wb", buffering=0).write(b"x")
except OSError:
    denied.append("file")
denied.append(os.environ.get("OPENVERSE_TOKEN", "token"))
print(json.dumps({{"bytes": 0, "broken": " ".join(denied)}}), flush=True)
"""
    with (
        decoder_running(tmp_path, code) as decoder,
        pytest.raises(Rejected, match="memory file token"),
    ):
        decoder.decode(jpeg(1))


@pytest.mark.parametrize("name", ["GIF", "BMP", "TIFF", "ICO", "PPM"])
def test_rejects_other_formats_before_decoding(name: str) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, name)
    with pytest.raises(Rejected) as rejection:
        detect_format(buffer.getvalue(), f"image/{name.lower()}")
    assert rejection.value.kind == "no picture"


def test_format_must_agree_with_content_type() -> None:
    assert detect_format(jpeg(1), "IMAGE/JPEG; charset=x") == ".jpg"
    assert detect_format(png_with_size(2, 2), None) == ".png"
    for content_type in ("image/png", "text/html", "", "application/octet-stream"):
        with pytest.raises(Rejected) as rejection:
            detect_format(jpeg(1), content_type)
        assert rejection.value.kind == "wrong type"
