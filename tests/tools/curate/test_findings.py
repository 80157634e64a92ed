"""A witness for every rule, and photos that break none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fashion_exp.tools.curate.findings import KINDS, LEFT_OUT, find, find_hidden
from fashion_exp.tools.curate.image_tree import look_through
from tests.tools.curate.conftest import Draw, look, scene


def _found(root: Path) -> set[tuple[str, str, str]]:
    folder = look_through(str(root))
    looks = [look(Path(place.file)) for place in folder.pictures]
    findings = [*find(folder.pictures, looks, 64), *find_hidden(folder.others)]
    return {(f.place.path, f.kind, f.detail) for f in findings}


def _spoil(draw: Draw, root: Path) -> None:
    """One file a rule, named by it."""
    whole = draw("a/fine.jpg", 1).read_bytes()
    (root / "a/unreadable.jpg").write_bytes(whole[: len(whole) // 2])
    draw("a/oversized.png", Image.new("L", (8000, 6000)))
    draw("a/blank.png", Image.new("RGB", (100, 100), "white"))
    draw("a/tiny.png", scene(2, (63, 100)))
    draw("a/elongated.png", scene(3, (300, 100)))
    ramp = np.linspace(100, 120, 10_000).reshape(100, 100).astype(np.uint8)
    draw("a/pale.png", Image.fromarray(ramp))
    draw("a/mode.png", scene(5).convert("RGBA"))
    draw("a/ending.jpg", 6, format="PNG")
    draw("a/animated.gif", scene(7), save_all=True, append_images=[scene(8)])
    exif = Image.Exif()
    exif[0x0112] = 6
    draw("a/turned.jpg", scene(9), exif=exif)
    draw("a/hidden.dat", 10, format="PNG")


def test_every_rule_finds_its_witness_and_nothing_else(draw: Draw, tmp_path: Path) -> None:
    root = tmp_path / "photos"
    _spoil(draw, root)
    assert _found(root) == {
        ("a/unreadable.jpg", "unreadable", "truncated JPEG"),
        ("a/oversized.png", "oversized", "48 megapixels, more than 40"),
        ("a/blank.png", "blank", "blank: all #ffffff"),
        ("a/tiny.png", "tiny", "63 × 100 px"),
        ("a/elongated.png", "elongated", "300 × 100 px"),
        ("a/pale.png", "pale", "standard deviation 5.8 of 255"),
        ("a/mode.png", "mode", "mode RGBA"),
        ("a/ending.jpg", "ending", "PNG named .jpg"),
        ("a/animated.gif", "animated", "2 frames"),
        ("a/animated.gif", "mode", "mode P"),
        ("a/turned.jpg", "turned", "orientation 6"),
        ("a/hidden.dat", "hidden", "a PNG; give its name the ending .png"),
    }


def test_the_witnesses_are_of_all_kinds(draw: Draw, tmp_path: Path) -> None:
    _spoil(draw, tmp_path / "photos")
    assert {kind for _, kind, _ in _found(tmp_path / "photos")} == set(KINDS) > LEFT_OUT


@pytest.mark.parametrize(
    "content", [b"", b"BMW 3", b"RIFF\0\0\0\0WAVE", b"path,label\n", b"\0" * 300]
)
def test_what_is_no_picture_is_no_hidden_one(content: bytes, draw: Draw, tmp_path: Path) -> None:
    draw("a/fine.png", 1)
    (tmp_path / "photos/a/other.bin").write_bytes(content)
    assert _found(tmp_path / "photos") == set()


def test_what_telephones_save_is_told_by_name(draw: Draw, tmp_path: Path) -> None:
    draw("a/fine.png", 1)
    (tmp_path / "photos/a/photo.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0")
    ((_, kind, detail),) = _found(tmp_path / "photos")
    assert (kind, detail) == ("hidden", "HEIC is not read; convert it to JPEG")
