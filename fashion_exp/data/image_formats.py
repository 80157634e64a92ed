"""Image formats by the first bytes of a file, and by the extension of its name."""

from __future__ import annotations

import os
import re

SNIFFED_BYTES = 64
"""Number of first bytes that `identify` needs."""

READABLE_FORMATS = {
    "JPEG": "JPEG", "PNG": "PNG", "WebP": "WEBP", "BMP": "BMP", "GIF": "GIF", "TIFF": "TIFF",
    "AVIF": "AVIF", "HEIC": "HEIF", "JPEG 2000": "JPEG2000", "PPM": "PPM", "QOI": "QOI",
    "PSD": "PSD",
}  # fmt: skip
"""{display name: Pillow's name} of the formats that Pillow reads, with pillow-heif also HEIC."""

EXTENSIONS = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png", ".apng"),
    "WebP": (".webp",),
    "BMP": (".bmp",),
    "GIF": (".gif",),
    "TIFF": (".tif", ".tiff"),
    "AVIF": (".avif", ".avifs"),
    "HEIC": (".heic", ".heif", ".hif", ".heics", ".heifs"),
    "JPEG 2000": (".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "QOI": (".qoi",),
    "PSD": (".psd",),
    "camera raw": (
        ".dng", ".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".sr2", ".orf", ".rw2", ".raf",
        ".pef", ".srw", ".x3f", ".3fr", ".iiq",
    ),
    "JPEG XL": (".jxl",),
    "JPEG XR": (".jxr", ".hdp", ".wdp"),
    "OpenEXR": (".exr",),
    "TGA": (".tga",),
}  # fmt: skip
"""{format: extensions}; the first extension is the usual one. Includes formats that are not read,
so that these photos are left out by name instead of overlooked."""

_IMAGE_EXTENSIONS = frozenset(extension for group in EXTENSIONS.values() for extension in group)

_OTHER_EXTENSIONS = frozenset(
    [
        ".txt", ".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".geojson", ".md", ".rst", ".log",
        ".xml", ".xmp", ".aae", ".thm", ".css", ".js", ".mjs", ".ts", ".yaml",
        ".yml", ".toml", ".ini", ".cfg", ".conf", ".db", ".sqlite", ".sqlite3", ".sql", ".pdf",
        ".doc", ".docx", ".odt", ".rtf", ".xls", ".xlsx", ".ods", ".ppt", ".pptx", ".zip", ".gz",
        ".tgz", ".tar", ".bz2", ".xz", ".zst", ".7z", ".rar", ".py", ".pyc", ".ipynb", ".r",
        ".m", ".c", ".h", ".cpp", ".java", ".sh", ".bat", ".ps1", ".exe", ".dll", ".so", ".mp4",
        ".m4v", ".mov", ".avi", ".mkv", ".webm", ".wmv", ".mpg", ".mpeg", ".3gp", ".mp3", ".m4a",
        ".wav", ".flac", ".aac", ".ogg", ".npy", ".npz", ".mat", ".pkl", ".pickle", ".pt",
        ".pth", ".ckpt", ".onnx", ".safetensors", ".h5", ".hdf5", ".parquet", ".feather",
        ".arrow", ".tfrecord", ".lmdb", ".mdb", ".svg", ".ai", ".eps", ".ico", ".icns", ".cur",
        ".url", ".lnk", ".webloc",
        ".torrent", ".split",
    ]
)  # fmt: skip
"""Extensions of files that are not read as photos, whatever their content. Those of downloads
(.html, .part, .download) are missing here, because photos are saved with them."""

_ISO_BRANDS = {
    "AVIF": (b"avif", b"avis"),
    "HEIC": (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"),
    "camera raw": (b"crx ",),
}
"""Brands in the first box of an ISO base media file; the first format with a brand counts."""

_SIGNATURES = {
    "JPEG": rb"\xff\xd8\xff",
    "PNG": rb"\x89PNG",
    "WebP": rb"RIFF.{4}WEBP",
    "BMP": rb"BM.{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\0\0\0",
    "GIF": rb"GIF8",
    "camera raw": rb"II\*\0.{4}CR|FUJIFILMCCD-RAW|IIR[OS]|MMOR|IIU\0|FOVb",
    "TIFF": rb"II[*+]\0|MM\0[*+]",
    "JPEG 2000": rb"\xff\x4f\xff\x51|\0\0\0\x0cjP  ",
    "PPM": rb"P[1-6]\s",
    "QOI": rb"qoif",
    "PSD": rb"8BPS\0",
    "JPEG XL": rb"\xff\x0a|\0\0\0\x0cJXL ",
    "JPEG XR": rb"II\xbc",
    "OpenEXR": rb"\x76\x2f\x31\x01",
}
_PATTERNS = {name: re.compile(pattern, re.DOTALL) for name, pattern in _SIGNATURES.items()}


def identify(start: bytes) -> str:
    """The format of an image file by its first bytes, a key of `EXTENSIONS`; "" if unknown."""
    if start[4:8] == b"ftyp":
        end = min(int.from_bytes(start[:4], "big"), len(start))
        brands = {start[8:12], *(start[i : i + 4] for i in range(16, end - 3, 4))}
        return next((name for name, known in _ISO_BRANDS.items() if brands & {*known}), "")
    return next((name for name, pattern in _PATTERNS.items() if pattern.match(start)), "")


def is_image_name(name: str) -> bool | None:
    """Whether a file is an image by its extension; None if its content must be read.

    The query of an address, as in photo.jpg?w=300, is not a part of the extension.
    """
    extension = os.path.splitext(name)[1].casefold()
    address = os.path.splitext(name.partition("?")[0])[1].casefold()
    if {extension, address} & _IMAGE_EXTENSIONS:
        return True
    return False if extension in _OTHER_EXTENSIONS else None
