"""Every kind of picture file becomes upright RGB, or a reason."""

from __future__ import annotations

import os
import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fashion_exp.data.decode import decode
from fashion_exp.data.table import UnreadableImage

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
NOISE = np.random.default_rng(0).integers(0, 256, (12, 20, 3), dtype=np.uint8)
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def plain(mode: str, colour: Any, size: tuple[int, int] = (4, 4)) -> Image.Image:
    return Image.new(mode, size, colour)


def why_not(source: bytes | Path, max_megapixels: float = 40) -> str:
    with pytest.raises(UnreadableImage) as error:
        decode(source, max_megapixels)
    return str(error.value)


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds no pixels."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(b"")), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
def test_a_lossless_file_keeps_its_pixels(kind: str) -> None:
    picture = decode(encoded(Image.fromarray(NOISE), kind), 40)
    assert picture.dtype == np.uint8
    assert np.array_equal(picture, NOISE)


def test_a_path_and_its_bytes_give_the_same_picture(tmp_path: Path) -> None:
    data = encoded(Image.fromarray(NOISE), "JPEG")
    (tmp_path / "photo.jpg").write_bytes(data)
    assert np.array_equal(decode(tmp_path / "photo.jpg", 40), decode(data, 40))


def test_the_content_decides_the_format_and_not_the_name(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(encoded(Image.fromarray(NOISE), "PNG"))
    assert np.array_equal(decode(path, 40), NOISE)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_a_picture_is_turned_upright_by_its_exif_orientation(kind: str, orientation: int) -> None:
    lying = {  # how a camera would have stored NOISE under each orientation
        1: NOISE,
        2: NOISE[:, ::-1],
        3: NOISE[::-1, ::-1],
        4: NOISE[::-1],
        5: NOISE.transpose(1, 0, 2),
        6: np.rot90(NOISE, 1),
        7: NOISE.transpose(1, 0, 2)[::-1, ::-1],
        8: np.rot90(NOISE, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(Image.fromarray(np.ascontiguousarray(lying)), kind, exif=exif, **options)
    assert np.array_equal(decode(data, 40), NOISE)


def test_a_jpeg_of_orientation_6_stands_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert decode(encoded(plain("RGB", RED, (30, 10)), "JPEG", exif=exif), 40).shape == (30, 10, 3)


def test_broken_metadata_cost_no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(image: Image.Image) -> None:
        raise struct.error("unpack requires a buffer of 2 bytes")

    monkeypatch.setattr(Image.Image, "getexif", fail)
    assert np.array_equal(decode(encoded(Image.fromarray(NOISE)), 40), NOISE)


@pytest.mark.parametrize(
    ("ink", "seen"),
    [((0, 0, 0, 0), WHITE), ((0, 255, 255, 0), RED), ((0, 0, 0, 255), (0, 0, 0))],
)
def test_a_cmyk_jpeg_shows_its_printed_colours(ink: tuple[int, ...], seen: tuple[int, ...]) -> None:
    data = encoded(plain("CMYK", ink, (8, 8)), "JPEG")
    assert b"Adobe" in data  # so its values are stored inverted
    assert np.abs(decode(data, 40).astype(int) - seen).max() <= 2


@pytest.mark.parametrize(
    "image",
    [plain("RGBA", (*BLUE, 0)), plain("LA", (7, 0)), plain("RGBA", (255, 255, 255, 9))],
    ids=["RGBA", "LA", "nearly clear"],
)
def test_transparency_is_laid_on_white(image: Image.Image) -> None:
    assert (decode(encoded(image), 40) == 255).all()


def test_half_transparency_mixes_with_white() -> None:
    assert decode(encoded(plain("RGBA", (0, 0, 0, 128))), 40)[0, 0].tolist() == [127, 127, 127]


@pytest.mark.parametrize("clear", [0, b"\x00\xff"], ids=["one colour", "a table"])
@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_a_palette_may_have_clear_colours(kind: str, clear: int | bytes) -> None:
    if kind == "GIF" and isinstance(clear, bytes):
        pytest.skip("a GIF has one clear colour at most")
    image = plain("P", 1)
    image.putpalette([*RED, *GREEN])
    image.putpixel((0, 0), 0)
    picture = decode(encoded(image, kind, transparency=clear), 40)
    assert picture[0, 0].tolist() == list(WHITE)
    assert picture[1, 1].tolist() == list(GREEN)


def test_a_clear_colour_of_a_png_without_alpha_is_laid_on_white() -> None:
    image = plain("RGB", RED)
    image.putpixel((0, 0), BLUE)
    picture = decode(encoded(image, transparency=BLUE), 40)
    assert picture[0, 0].tolist() == list(WHITE)
    assert picture[1, 1].tolist() == list(RED)


@pytest.mark.parametrize("mode", ["L", "1", "P"])
def test_grey_is_repeated_in_three_channels(mode: str) -> None:
    grey = Image.fromarray(NOISE).convert("L").convert(mode)
    expected = np.repeat(np.asarray(grey.convert("L"))[..., None], 3, axis=2)
    assert np.array_equal(decode(encoded(grey), 40), expected)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled_by_its_full_range(kind: str) -> None:
    levels = np.array([[0, 255, 256], [0x7FFF, 0xFEFF, 0xFFFF]], np.uint16)
    picture = decode(encoded(Image.fromarray(levels), kind), 40)
    assert picture[..., 0].tolist() == [[0, 0, 1], [127, 254, 255]]


def test_16_bit_values_in_32_bits_are_scaled_alike() -> None:
    levels = np.array([[0, 256, 0xFFFF]], np.int32)
    assert decode(encoded(Image.fromarray(levels), "TIFF"), 40)[0, :, 0].tolist() == [0, 1, 255]


@pytest.mark.parametrize(
    ("values", "reason"),
    [(np.full((2, 2), 70000, np.int32), "32-bit integer"), (np.ones((2, 2), "f4"), "floating")],
)
def test_pixels_without_a_known_range_are_refused(values: np.ndarray, reason: str) -> None:
    assert reason in why_not(encoded(Image.fromarray(values), "TIFF"))


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "MPO"])
def test_of_an_animation_the_first_frame_is_taken(kind: str) -> None:
    frames = [plain("RGB", colour, (16, 16)) for colour in (RED, BLUE)]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    with Image.open(BytesIO(data)) as image:
        assert image.n_frames == 2  # type: ignore[attr-defined]
    assert np.abs(decode(data, 40).astype(int) - RED).max() <= 5


@pytest.mark.parametrize("kind", FORMATS)
def test_half_a_file_is_not_taken_for_a_picture(kind: str) -> None:
    data = encoded(Image.fromarray(NOISE), kind)
    spoken = "WebP" if kind == "WEBP" else kind
    assert spoken in why_not(data[: len(data) // 2])


def test_half_a_jpeg_is_called_truncated() -> None:
    data = encoded(Image.fromarray(NOISE), "JPEG")
    assert why_not(data[: len(data) // 2]) == "truncated JPEG"


@pytest.mark.parametrize("data", [b"just words", b"<svg/>", b"\0" * 99, b"PK\3\4zip"])
def test_another_kind_of_file_is_called_none_of_the_formats(data: bytes) -> None:
    assert why_not(data) == "not a JPEG, PNG, WebP, BMP, GIF or TIFF picture"


def test_a_format_outside_the_list_is_refused_although_pillow_could_read_it() -> None:
    assert why_not(encoded(Image.fromarray(NOISE), "PPM")).startswith("not a JPEG")


def test_an_empty_file_is_called_empty(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    assert why_not(b"") == why_not(tmp_path / "empty.jpg") == "empty file"


def test_a_missing_file_and_a_folder_have_the_system_s_reason(tmp_path: Path) -> None:
    assert why_not(tmp_path / "none.jpg") == "no such file or directory"
    assert why_not(tmp_path) == "is a directory"


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_forbidden_file_is_called_that(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.touch(mode=0o000)
    assert why_not(path) == "permission denied"


def test_a_file_that_the_system_refuses_has_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Image, "open", refuse)
    assert why_not(Path("photo.jpg")) == "permission denied"


@pytest.mark.parametrize(
    ("size", "shown"),
    [((10_000, 6_000), "60"), ((65_000, 65_000), "4225"), ((8_000, 5_001), "40.1")],
)
def test_the_size_is_refused_from_the_header(size: tuple[int, int], shown: str) -> None:
    assert why_not(png_header(*size)) == f"{shown} megapixels, more than 40"


def test_the_limit_itself_is_allowed() -> None:
    image = plain("1", 1, (1000, 1000))
    assert decode(encoded(image), 1.0).shape == (1000, 1000, 3)
    assert "more than 0.9" in why_not(encoded(image), 0.9)


def test_a_small_file_of_60_megapixels_is_refused() -> None:
    data = encoded(plain("1", 1, (10_000, 6_000)))
    assert len(data) < 20_000
    assert why_not(data) == "60 megapixels, more than 40"


def test_a_picture_without_pixels_is_refused() -> None:
    flat = bytearray(encoded(Image.fromarray(NOISE), "BMP"))
    flat[18:22] = bytes(4)  # its width
    assert why_not(bytes(flat)) == "broken BMP"
    assert why_not(png_header(0, 7)) == "broken PNG"


def test_running_out_of_memory_is_no_fault_of_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(image: Image.Image) -> None:
        raise MemoryError

    data = encoded(Image.fromarray(NOISE))
    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", fail)
    with pytest.raises(MemoryError):
        decode(data, 40)


@settings(deadline=None, max_examples=100)
@given(
    st.sampled_from(FORMATS),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=6),
    st.floats(0, 1),
)
def test_a_damaged_file_gives_a_picture_or_a_reason_and_nothing_else(
    kind: str, damage: list[tuple[float, int]], kept: float
) -> None:
    data = bytearray(encoded(Image.fromarray(NOISE), kind))
    for place, value in damage:
        data[int(place * len(data))] = value
    try:
        picture = decode(bytes(data[: int(kept * len(data))]), 40)
    except UnreadableImage as error:
        assert str(error) and "\n" not in str(error)
    else:
        assert picture.ndim == 3 and picture.shape[2] == 3 and picture.dtype == np.uint8
