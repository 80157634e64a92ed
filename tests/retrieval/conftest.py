"""Drawn garments of known colors, indexed once by a small network with random weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

pytest.importorskip("lancedb")

from fashion_exp.api.search import Index, build_index

RGB = {"red": (190, 30, 35), "blue": (45, 90, 180), "green": (50, 130, 65)}
SHAPES = {
    "dress": [(30, 10), (66, 10), (80, 86), (16, 86)],
    "shirt": [(8, 20), (88, 20), (88, 60), (8, 60)],
}

SCRIPT = "shirt/green1.png"
"""The photo whose file is named like this, and then has a script in its name."""


def draw(shape: str, color: str, seed: int, striped: bool = False) -> Image.Image:
    """A garment of any size and place on a background of light grays, 96 px."""
    rng = np.random.default_rng(seed)
    background = np.kron(rng.integers(185, 240, (6, 6, 1)), np.ones((16, 16, 1)))
    background = background + rng.integers(0, 15, (96, 96, 1))
    image = Image.fromarray(background.astype(np.uint8).repeat(3, 2))
    mask = Image.new("L", (96, 96))
    scale, shift = rng.uniform(0.6, 0.85, 2), rng.uniform(8, 18, 2)
    corners = [tuple(np.array(corner) * scale + shift) for corner in SHAPES[shape]]
    ImageDraw.Draw(mask).polygon(corners, fill=255)
    cloth = np.full((96, 96, 3), RGB[color], np.uint8)
    if striped:
        cloth[(np.arange(96) // 6) % 2 == 1] = (240, 240, 240)
    cloth = np.clip(cloth + rng.integers(-6, 7, (96, 96, 1)), 0, 255).astype(np.uint8)
    image.paste(Image.fromarray(cloth), (0, 0), mask)
    return image


@pytest.fixture(scope="session")
def garments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """dress/ and shirt/, three photos of each color, and an attribute list items.csv."""
    folder = tmp_path_factory.mktemp("garments")
    lines = ["path,price,size,link,note"]
    for shape in SHAPES:
        (folder / shape).mkdir()
        for color in RGB:
            for number in range(3):
                seed = 100 * len(lines) + number
                name = f"{shape}/{color}{number}.png"
                if name == SCRIPT:
                    name = f"{shape}/{color}{number}<img src=x onerror=document.title='name'>.png"
                draw(shape, color, seed, striped=number == 2).save(folder / name)
                lines.append(
                    f"{name},{10 * len(lines)},{'SML'[number]},https://shop.example/{number},"
                    f"<img src=x onerror=document.title='{number}'>"
                )
    (folder / "items.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="session")
def index(
    garments: Path, backbone_files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Index:
    """Of the 18 garments. Tests must not change it."""
    return build_index(
        garments, "test_resnet", into="drawn", attributes=garments / "items.csv",
        weights={"test_resnet": str(backbone_files["test_resnet"])},
        outputs=tmp_path_factory.mktemp("index-outputs"),
    )  # fmt: skip
