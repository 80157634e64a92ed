"""Image files of all supported formats decode to upright RGB, or give a reason."""

from __future__ import annotations

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
from fashion_exp.data.image_formats import identify
from fashion_exp.data.table import SourceUnavailableError, UnreadableImageError

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
"""Those of nearly all photos."""
NOISE = np.random.default_rng(0).integers(0, 256, (12, 20, 3), dtype=np.uint8)
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def encode(image: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def solid(mode: str, color: Any, size: tuple[int, int] = (4, 4)) -> Image.Image:
    return Image.new(mode, size, color)


def error_reason(source: bytes | Path, max_megapixels: float = 40) -> str:
    with pytest.raises(UnreadableImageError) as error:
        decode(source, max_megapixels)
    return str(error.value)


def png_without_pixels(width: int, height: int) -> bytes:
    """A PNG whose header states a size, without pixel data."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


@pytest.mark.parametrize("format", ["PNG", "BMP", "TIFF"])
def test_lossless_file_keeps_its_pixels(format: str) -> None:
    image = decode(encode(Image.fromarray(NOISE), format), 40)
    assert image.dtype == np.uint8
    assert np.array_equal(image, NOISE)


def test_path_and_bytes_give_same_image(tmp_path: Path) -> None:
    data = encode(Image.fromarray(NOISE), "JPEG")
    (tmp_path / "photo.jpg").write_bytes(data)
    assert np.array_equal(decode(tmp_path / "photo.jpg", 40), decode(data, 40))


def test_content_determines_format(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(encode(Image.fromarray(NOISE), "PNG"))
    assert np.array_equal(decode(path, 40), NOISE)


def as_stored(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """How a camera stores an image under an orientation."""
    across = (1, 0, *range(2, pixels.ndim))
    return np.ascontiguousarray(
        {
            1: pixels,
            2: pixels[:, ::-1],
            3: pixels[::-1, ::-1],
            4: pixels[::-1],
            5: pixels.transpose(across),
            6: np.rot90(pixels, 1),
            7: pixels.transpose(across)[::-1, ::-1],
            8: np.rot90(pixels, -1),
        }[orientation]
    )


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["PNG", "WEBP", "TIFF"])
def test_exif_orientation_is_applied(format: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if format == "WEBP" else {}
    data = encode(Image.fromarray(as_stored(NOISE, orientation)), format, exif=exif, **options)
    assert np.array_equal(decode(data, 40), NOISE)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("compression", ["raw", "tiff_lzw"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_turned_gray_tiff_is_upright_as_path_and_as_bytes(
    dtype: type, compression: str, orientation: int, tmp_path: Path
) -> None:
    levels: np.ndarray = NOISE[..., 0].astype(dtype) * (np.iinfo(dtype).max // 255)
    image, path = Image.fromarray(as_stored(levels, orientation)), tmp_path / "photo.tif"
    image.save(path, compression=compression, tiffinfo={0x0112: orientation})
    for source in (path, str(path), path.read_bytes(), BytesIO(path.read_bytes())):
        assert np.array_equal(decode(source, 40), np.repeat(NOISE[..., :1], 3, axis=2))


def gray_tiff(
    levels: bytes, size: tuple[int, int], bits: int, photometric: int, order: str = "<"
) -> bytes:
    """An uncompressed gray TIFF with one strip, whose tags are written by hand."""
    tags = [
        (256, size[0]), (257, size[1]), (258, bits), (259, 1), (262, photometric),
        (273, 8 + 2 + 9 * 12 + 4), (277, 1), (278, size[1]), (279, len(levels)),
    ]  # fmt: skip
    directory = b"".join(struct.pack(f"{order}HHII", tag, 4, 1, value) for tag, value in tags)
    magic = b"II*\0" if order == "<" else b"MM\0*"
    return magic + struct.pack(f"{order}IH", 8, len(tags)) + directory + bytes(4) + levels


@pytest.mark.parametrize(("photometric", "expected"), [(0, [255, 127, 0]), (1, [0, 128, 255])])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("order", ["<", ">"])
def test_tiff_with_white_as_zero_is_not_inverted(
    order: str, bits: int, photometric: int, expected: list[int], tmp_path: Path
) -> None:
    levels = [0, 0x8080, 0xFFFF] if bits == 16 else [0, 128, 255]
    content = np.array(levels, f"{order}u{bits // 8}").tobytes()
    (tmp_path / "a.tif").write_bytes(gray_tiff(content, (3, 1), bits, photometric, order))
    for source in (tmp_path / "a.tif", (tmp_path / "a.tif").read_bytes()):
        assert decode(source, 40)[0, :, 0].tolist() == expected


def test_12_bit_gray_tiff_is_scaled_by_full_range() -> None:
    levels = bytes.fromhex("000800fff0")  # 0x000, 0x800, 0xfff in 12 bits each
    assert decode(gray_tiff(levels, (3, 1), 12, 1), 40)[0, :, 0].tolist() == [0, 128, 255]


@pytest.mark.parametrize(
    ("format", "tolerance"), [("AVIF", 20), ("HEIF", 20), ("JPEG2000", 0), ("PPM", 0), ("QOI", 0)]
)
def test_further_formats_of_pillow_are_decoded(format: str, tolerance: int) -> None:
    if format == "HEIF":
        pytest.importorskip("pillow_heif")
    smooth = np.asarray(Image.fromarray(NOISE).resize((64, 48), Image.Resampling.BICUBIC))
    data = encode(Image.fromarray(smooth), format)
    assert identify(data) == {"HEIF": "HEIC", "JPEG2000": "JPEG 2000"}.get(format, format)
    assert np.abs(decode(data, 40).astype(int) - smooth).mean() <= tolerance


def test_avif_is_turned_upright() -> None:
    pixels = np.zeros((64, 96, 3), np.uint8)
    pixels[:32, :48] = 255
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        data = encode(Image.fromarray(as_stored(pixels, orientation)), "AVIF", exif=exif)
        decoded = decode(data, 40)
        assert decoded.shape == pixels.shape
        assert np.abs(decoded.astype(int) - pixels).mean() < 5, orientation


def test_format_without_its_decoder_is_named_with_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fashion_exp.data.decode._pillow_formats", lambda: ("JPEG",))
    with pytest.raises(SourceUnavailableError, match="HEIC needs the package pillow-heif; install"):
        decode(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", 40)
    assert error_reason(b"\0\0\0\x0cJXL \r\n\x87\n") == (
        "JPEG XL is not supported; convert the image to JPEG"
    )


def test_preview_in_camera_raw_file_is_not_the_photo() -> None:
    data = encode(Image.fromarray(NOISE), "TIFF", tiffinfo={0x00FE: 1, 0x014A: 8})
    assert error_reason(data) == "camera raw is not supported; convert the image to JPEG"


def test_jpeg_orientation_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert decode(encode(solid("RGB", RED, (30, 10)), "JPEG", exif=exif), 40).shape == (30, 10, 3)


def test_broken_metadata_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(image: Image.Image) -> None:
        raise struct.error("unpack requires a buffer of 2 bytes")

    monkeypatch.setattr(Image.Image, "getexif", fail)
    assert np.array_equal(decode(encode(Image.fromarray(NOISE)), 40), NOISE)


@pytest.mark.parametrize(
    ("cmyk", "rgb"),
    [((0, 0, 0, 0), WHITE), ((0, 255, 255, 0), RED), ((0, 0, 0, 255), (0, 0, 0))],
)
def test_cmyk_jpeg_is_converted(cmyk: tuple[int, ...], rgb: tuple[int, ...]) -> None:
    data = encode(solid("CMYK", cmyk, (8, 8)), "JPEG")
    assert b"Adobe" in data  # which means that the values are stored inverted
    assert np.abs(decode(data, 40).astype(int) - rgb).max() <= 2


@pytest.mark.parametrize(
    "image",
    [solid("RGBA", (*BLUE, 0)), solid("LA", (7, 0)), solid("RGBA", (255, 255, 255, 9))],
    ids=["RGBA", "LA", "nearly transparent"],
)
def test_transparency_is_laid_on_white(image: Image.Image) -> None:
    assert (decode(encode(image), 40) == 255).all()


def test_partial_transparency_mixes_with_white() -> None:
    assert decode(encode(solid("RGBA", (0, 0, 0, 128))), 40)[0, 0].tolist() == [127, 127, 127]


@pytest.mark.parametrize(("format", "transparency"), [("PNG", 0), ("PNG", b"\x00\xff"), ("GIF", 0)])
def test_transparent_palette_color_becomes_white(format: str, transparency: int | bytes) -> None:
    image = solid("P", 1)
    image.putpalette([*RED, *GREEN])
    image.putpixel((0, 0), 0)
    decoded = decode(encode(image, format, transparency=transparency), 40)
    assert decoded[0, 0].tolist() == list(WHITE)
    assert decoded[1, 1].tolist() == list(GREEN)


def test_transparent_color_of_png_without_alpha_becomes_white() -> None:
    image = solid("RGB", RED)
    image.putpixel((0, 0), BLUE)
    decoded = decode(encode(image, transparency=BLUE), 40)
    assert decoded[0, 0].tolist() == list(WHITE)
    assert decoded[1, 1].tolist() == list(RED)


@pytest.mark.parametrize("mode", ["L", "1", "P"])
def test_grayscale_is_repeated_in_three_channels(mode: str) -> None:
    gray = Image.fromarray(NOISE).convert("L").convert(mode)
    expected = np.repeat(np.asarray(gray.convert("L"))[..., None], 3, axis=2)
    assert np.array_equal(decode(encode(gray), 40), expected)


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_16_bit_grayscale_is_scaled_by_full_range(format: str) -> None:
    levels = np.array([[0, 255, 256], [0x7FFF, 0xFEFF, 0xFFFF]], np.uint16)
    image = decode(encode(Image.fromarray(levels), format), 40)
    assert image[..., 0].tolist() == [[0, 0, 1], [127, 254, 255]]


def test_16_bit_values_in_32_bit_pixels_are_scaled() -> None:
    levels = np.array([[0, 256, 0xFFFF]], np.int32)
    assert decode(encode(Image.fromarray(levels), "TIFF"), 40)[0, :, 0].tolist() == [0, 1, 255]


@pytest.mark.parametrize(
    ("values", "reason"),
    [(np.full((2, 2), 70000, np.int32), "32-bit integer"), (np.ones((2, 2), "f4"), "floating")],
)
def test_rejects_pixels_of_unknown_range(values: np.ndarray, reason: str) -> None:
    assert reason in error_reason(encode(Image.fromarray(values), "TIFF"))


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "MPO"])
def test_first_frame_of_animation_is_decoded(format: str) -> None:
    frames = [solid("RGB", color, (16, 16)) for color in (RED, BLUE)]
    data = encode(frames[0], format, save_all=True, append_images=frames[1:])
    with Image.open(BytesIO(data)) as image:
        assert image.n_frames == 2  # type: ignore[attr-defined]
    assert np.abs(decode(data, 40).astype(int) - RED).max() <= 5


@pytest.mark.parametrize("format", FORMATS)
def test_half_a_file_is_unreadable(format: str) -> None:
    data = encode(Image.fromarray(NOISE), format)
    reason = error_reason(data[: len(data) // 2])
    assert ("WebP" if format == "WEBP" else format) in reason
    assert format != "JPEG" or reason == "truncated JPEG"


@pytest.mark.parametrize("data", [b"just words", b"<svg/>", b"\0" * 99, b"PK\3\4zip"])
def test_rejects_files_of_unknown_format(data: bytes) -> None:
    assert error_reason(data) == "not a JPEG, PNG, WebP, BMP, GIF or TIFF image"


def test_rejects_unlisted_format_that_pillow_reads() -> None:
    assert error_reason(encode(Image.fromarray(NOISE), "SGI")).startswith("not a JPEG")


def test_rejects_empty_file(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    assert error_reason(b"") == error_reason(tmp_path / "empty.jpg") == "empty file"


def test_missing_file_and_folder_have_a_reason(tmp_path: Path) -> None:
    assert error_reason(tmp_path / "none.jpg") == "no such file"
    assert error_reason(tmp_path) == "a folder, not a photo"


def test_failing_read_has_system_reason_and_may_succeed_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Image, "open", fail)
    with pytest.raises(SourceUnavailableError, match="permission denied"):
        decode(encode(Image.fromarray(NOISE)), 40)


@pytest.mark.parametrize(
    ("size", "megapixels"),
    [((10_000, 6_000), "60"), ((65_000, 65_000), "4225"), ((8_000, 5_001), "40.1")],
)
def test_oversized_image_is_rejected_by_its_header(size: tuple[int, int], megapixels: str) -> None:
    assert error_reason(png_without_pixels(*size)) == f"{megapixels} megapixels, more than 40"


def test_size_limit_is_inclusive() -> None:
    data = encode(solid("1", 1, (1000, 1000)))
    assert decode(data, 1.0).shape == (1000, 1000, 3)
    assert "more than 0.9" in error_reason(data, 0.9)


def test_rejects_image_without_pixels() -> None:
    bmp = bytearray(encode(Image.fromarray(NOISE), "BMP"))
    bmp[18:22] = bytes(4)  # its width
    assert error_reason(bytes(bmp)) == "broken BMP"
    assert error_reason(png_without_pixels(0, 7)) == "broken PNG"


def test_memory_error_is_not_reported_as_unreadable(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(image: Image.Image) -> None:
        raise MemoryError

    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", fail)
    with pytest.raises(MemoryError):
        decode(encode(Image.fromarray(NOISE)), 40)


@settings(deadline=None, max_examples=100)
@given(
    st.sampled_from(FORMATS),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=6),
    st.floats(0, 1),
)
def test_damaged_file_gives_image_or_one_line_reason(
    format: str, damage: list[tuple[float, int]], remaining_share: float
) -> None:
    data = bytearray(encode(Image.fromarray(NOISE), format))
    for position, value in damage:
        data[int(position * len(data))] = value
    try:
        image = decode(bytes(data[: int(remaining_share * len(data))]), 40)
    except UnreadableImageError as error:
        assert str(error) and "\n" not in str(error)
    else:
        assert image.ndim == 3 and image.shape[2] == 3 and image.dtype == np.uint8
