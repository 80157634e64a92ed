"""An inspection depends only on the file's content and survives JSON."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from imagehash import phash
from PIL import Image, ImageOps, ImageStat

from fashion_exp.data.image_files import content_id
from fashion_exp.inspection.image import PixelStats, inspect_image, inspection_from_json
from tests.inspection.conftest import SaveImage, inspect_path, scene


def _stats(path: Path) -> PixelStats:
    stats = inspect_path(path).stats
    assert stats is not None
    return stats


def test_json_round_trip(save: SaveImage, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff no more")
    for path in (save("a.png", 1), tmp_path / "broken.jpg"):
        inspection = inspect_path(path)
        assert inspection_from_json(json.loads(json.dumps(inspection.to_json()))) == inspection


@pytest.mark.parametrize("quality", [20, 50, 75, 90, 95])
def test_quality_of_a_jpeg_is_that_it_was_saved_with(tmp_path: Path, quality: int) -> None:
    for suffix in ("jpg", "png"):
        scene(1).save(tmp_path / f"a.{suffix}", quality=quality)
    jpeg, png = (inspect_path(tmp_path / f"a.{suffix}").header for suffix in ("jpg", "png"))
    assert jpeg is not None and jpeg.quality == pytest.approx(quality, abs=0.5)
    assert png is not None and png.quality is None


def test_cached_json_keeps_its_keys(save: SaveImage) -> None:
    saved = inspect_path(save("a.png", 1)).to_json()
    assert set(saved) == {"image_id", "bytes", "header", "sight", "reason"}
    assert set(saved["sight"]) == {
        "width", "height", "pixels", "phash", "mirrored", "grey", "colour", "spread",
    }  # fmt: skip


def test_image_id_equals_that_of_the_image_table(save: SaveImage) -> None:
    path = save("a.png", 1)
    with path.open("rb") as file:
        assert inspect_path(path).image_id == content_id(file)


def test_pixel_hash_is_independent_of_the_format(save: SaveImage) -> None:
    png, bmp, other = save("a.png", 1), save("a.bmp", 1), save("b.png", 2)
    assert inspect_path(png).image_id != inspect_path(bmp).image_id
    assert _stats(png).pixel_hash == _stats(bmp).pixel_hash != _stats(other).pixel_hash


def test_hashes_equal_imagehash_and_match_the_mirrored_image(save: SaveImage) -> None:
    stats = _stats(save("a.png", 1))
    mirrored = _stats(save("b.png", ImageOps.mirror(scene(1))))
    gray = scene(1).convert("L").resize((32, 32), Image.Resampling.LANCZOS)
    assert stats.phash == int(str(phash(gray)), 16)
    assert stats.phash.bit_count() == 32
    # The resampling filter is not exactly symmetric, so single bits may differ.
    assert (stats.mirrored_phash ^ mirrored.phash).bit_count() <= 2
    assert (stats.phash ^ mirrored.phash).bit_count() > 8


def test_exif_rotation_affects_stats_but_not_header(save: SaveImage) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = save("a.jpg", scene(1, (90, 60)), exif=exif)
    header = inspect_path(path).header
    assert header and (header.width, header.height, header.orientation) == (90, 60, 6)
    assert (_stats(path).width, _stats(path).height) == (60, 90)


def test_color_stats_equal_those_of_pillow(save: SaveImage) -> None:
    stats, expected = _stats(save("a.png", 1)), ImageStat.Stat(scene(1))
    assert stats.mean_rgb == tuple(round(mean, 2) for mean in expected.mean)
    assert stats.max_std == round(max(expected.stddev), 3)


def test_uniform_image_has_zero_std(save: SaveImage) -> None:
    stats = _stats(save("a.png", Image.new("RGB", (50, 40), (10, 200, 30))))
    assert stats.max_std == 0 and stats.mean_rgb == (10, 200, 30)
    assert np.ptp(stats.gray) == 0 and stats.brightness == stats.gray[0, 0]


def test_truncated_and_oversized_images_have_a_reason(save: SaveImage) -> None:
    content = save("a.jpg", 1).read_bytes()
    truncated = inspect_image(BytesIO(content[: len(content) // 2]), 40)
    assert truncated.reason == "truncated JPEG" and not truncated.is_oversized
    oversized = inspect_image(BytesIO(content), 0.001)
    assert oversized.stats is None and oversized.header and oversized.is_oversized
