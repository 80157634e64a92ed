"""A look is a function of the content, and survives being kept."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from imagehash import phash
from PIL import Image, ImageOps

from fashion_exp.data.image_files import image_id
from fashion_exp.data.table import UnreadableImage
from fashion_exp.tools.curate.inspection import look_at, look_of, read_content
from tests.tools.curate.conftest import Draw, look, scene


def test_a_look_kept_as_json_is_the_same_look(draw: Draw, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff no more")
    for file in (draw("a.png", 1), tmp_path / "broken.jpg"):
        seen = look(file)
        assert look_of(json.loads(json.dumps(seen.kept()))) == seen


def test_the_id_is_that_of_the_image_table(draw: Draw) -> None:
    file = draw("a.png", 1)
    with file.open("rb") as content:
        assert look(file).image_id == image_id(content)


def test_equal_pixels_in_another_file_have_the_same_hash(draw: Draw) -> None:
    png, bmp, other = (look(draw(n, s)) for n, s in (("a.png", 1), ("a.bmp", 1), ("b.png", 2)))
    assert png.image_id != bmp.image_id and png.sight and bmp.sight and other.sight
    assert png.sight.pixels == bmp.sight.pixels != other.sight.pixels


def test_the_hashes_are_those_of_the_picture_and_of_its_mirror_image(draw: Draw) -> None:
    seen, turned = (
        look(draw("a.png", 1)).sight,
        look(draw("b.png", ImageOps.mirror(scene(1)))).sight,
    )
    assert seen and turned
    grey = scene(1).convert("L").resize((32, 32), Image.Resampling.LANCZOS)
    assert seen.phash == int(str(phash(grey)), 16)
    assert seen.phash.bit_count() == 32
    # What a filter rounds differently from the other side may turn a bit.
    assert (seen.mirrored ^ turned.phash).bit_count() <= 2
    assert (seen.phash ^ turned.phash).bit_count() > 8


def test_upright_counts_and_the_header_says_what_was_stored(draw: Draw) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    seen = look(draw("a.jpg", scene(1, (90, 60)), exif=exif))
    assert seen.header and seen.sight
    assert (seen.header.width, seen.header.height, seen.header.orientation) == (90, 60, 6)
    assert (seen.sight.width, seen.sight.height) == (60, 90)


def test_of_one_colour_all_over_nothing_is_spread(draw: Draw) -> None:
    seen = look(draw("a.png", Image.new("RGB", (50, 40), (10, 200, 30)))).sight
    assert seen and seen.spread == 0 and seen.colour == (10, 200, 30)
    assert np.ptp(seen.small) == 0 and seen.brightness == seen.small[0, 0]


@pytest.mark.parametrize("name", ["absent.jpg", "empty.jpg", "folder.jpg"])
def test_what_is_no_regular_file_is_not_read(name: str, tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "folder.jpg").mkdir()
    with pytest.raises(UnreadableImage):
        read_content(str(tmp_path / name))


def test_half_a_jpeg_and_too_large_a_picture_say_why(draw: Draw) -> None:
    whole = draw("a.jpg", 1).read_bytes()
    assert look_at(whole[: len(whole) // 2], 40).reason == "truncated JPEG"
    large = look_at(whole, 0.001)
    assert large.sight is None and large.header and "megapixels" in large.reason
