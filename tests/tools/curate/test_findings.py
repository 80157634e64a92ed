"""Each rule finds its example, and ordinary images have no findings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fashion_exp.tools.curate.findings import (
    KINDS,
    QUARANTINED_KINDS,
    find_hidden_images,
    find_problems,
)
from tests.inspection.conftest import SaveImage, inspect_tree, scene


def _findings(root: Path) -> set[tuple[str, str, str]]:
    tree, inspections = inspect_tree(root)
    problems = find_problems(tree.images, enumerate(inspections), min_side=64)
    findings = [*problems, *find_hidden_images(tree.other_files)]
    return {(f.file.path, f.kind, f.detail) for f in findings}


def test_every_rule_finds_its_example(save: SaveImage, tmp_path: Path) -> None:
    root = tmp_path / "photos"
    content = save("a/fine.jpg", 1).read_bytes()
    (root / "a/unreadable.jpg").write_bytes(content[: len(content) // 2])
    save("a/oversized.png", Image.new("L", (8000, 6000)))
    save("a/blank.png", Image.new("RGB", (100, 100), "white"))
    save("a/tiny.png", scene(2, (63, 100)))
    save("a/elongated.png", scene(3, (300, 100)))
    ramp = np.linspace(100, 120, 10_000).reshape(100, 100).astype(np.uint8)
    save("a/pale.png", Image.fromarray(ramp))
    save("a/mode.png", scene(5).convert("RGBA"))
    save("a/ending.jpg", 6, format="PNG")
    save("a/animated.gif", scene(7), save_all=True, append_images=[scene(8)])
    exif = Image.Exif()
    exif[0x0112] = 6
    save("a/turned.jpg", scene(9), exif=exif)
    save("a/hidden.txt", 10, format="PNG")
    findings = {(path, kind): detail for path, kind, detail in _findings(root)}
    assert "48 megapixels" in findings.pop(("a/oversized.png", "oversized"))
    assert findings == {
        ("a/unreadable.jpg", "unreadable"): "truncated JPEG",
        ("a/blank.png", "blank"): "blank: all #ffffff",
        ("a/tiny.png", "tiny"): "63 × 100 px",
        ("a/elongated.png", "elongated"): "300 × 100 px",
        ("a/pale.png", "pale"): "standard deviation 5.8 of 255",
        ("a/mode.png", "mode"): "mode RGBA",
        ("a/ending.jpg", "ending"): "PNG named .jpg",
        ("a/animated.gif", "animated"): "2 frames",
        ("a/animated.gif", "mode"): "mode P",
        ("a/turned.jpg", "turned"): "orientation 6",
        ("a/hidden.txt", "hidden"): "PNG content; add the extension .png",
    }
    assert (
        {"decoder", "oversized", *(kind for _, kind in findings)} == set(KINDS) > QUARANTINED_KINDS
    )


@pytest.mark.parametrize(
    "content", [b"", b"BMW 3", b"RIFF\0\0\0\0WAVE", b"path,label\n", b"\0" * 300]
)
def test_other_files_are_not_hidden_images(content: bytes, save: SaveImage, tmp_path: Path) -> None:
    save("a/fine.png", 1)
    (tmp_path / "photos/a/other.bin").write_bytes(content)
    assert _findings(tmp_path / "photos") == set()


def test_heic_without_its_package_is_named_and_not_quarantined(
    save: SaveImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fashion_exp.data.decode._pillow_formats", lambda: ("PNG",))
    save("a/fine.png", 1)
    (tmp_path / "photos/a/photo.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0")
    ((_, kind, detail),) = _findings(tmp_path / "photos")
    assert kind == "decoder" and "pillow-heif; install it, or convert" in detail
    assert kind not in QUARANTINED_KINDS


@pytest.mark.parametrize(
    ("name", "detail"),
    [("1.jpg?w=300", "JPEG named .jpg?w=300"), ("1", "JPEG without an extension")],
)
def test_unknown_extension_is_a_finding(
    name: str, detail: str, save: SaveImage, tmp_path: Path
) -> None:
    save(f"a/{name}", 1, format="JPEG")
    assert _findings(tmp_path / "photos") == {(f"a/{name}", "ending", detail)}
