"""Parts of one source do not differ; differences are detected and named."""

from __future__ import annotations

import base64
from dataclasses import replace

import numpy as np
import pytest

from fashion_exp.inspection.drift import drift_sentences, find_drift
from fashion_exp.inspection.duplicates import InspectedImage
from fashion_exp.inspection.image import PixelStats
from fashion_exp.inspection.image_tree import ImageFile

QUANTITIES = {
    "shorter side", "aspect ratio", "bytes per pixel", "brightness", "contrast", "red minus blue",
}  # fmt: skip


def _image(number: int, part: str, brightness: float, height: int) -> InspectedImage:
    rng = np.random.default_rng(number)
    gray = (rng.normal(120, 30, (32, 32)) + rng.normal(0, 20) + brightness).clip(0, 255)
    red, green, blue = (gray.mean() + rng.normal(0, 10, 3)).tolist()
    stats = PixelStats(
        width=height + int(rng.integers(0, 100)),
        height=height,
        pixel_hash=f"{number}",
        phash=0,
        mirrored_phash=0,
        gray_base64=base64.b64encode(gray.astype(np.uint8).tobytes()).decode(),
        mean_rgb=(red, green, blue),
        max_std=float(gray.std()),
    )
    label = "dress" if number % 3 else "shirt"
    file = ImageFile(f"{part}/{number}.png", f"{number}", label, part)
    return InspectedImage(file, f"{number}", int(rng.integers(9_000, 11_000)), stats)


def _part(
    part: str, first: int, count: int, brightness: float = 0, height: int = 300
) -> list[InspectedImage]:
    return [_image(number, part, brightness, height) for number in range(first, first + count)]


def test_samples_of_one_source_do_not_differ() -> None:
    tests = find_drift([*_part("train", 0, 200), *_part("test", 1002, 80)])
    assert {test.quantity for test in tests} == {*QUANTITIES, "class shares", "all features"}
    assert not any(test.is_significant for test in tests)
    sentences = drift_sentences(tests)
    assert sentences == ["train and test: none of 8 tests finds a difference at 0.05."]


@pytest.mark.parametrize(
    ("brightness", "height", "quantity"), [(40, 300, "brightness"), (0, 350, "shorter side")]
)
def test_differing_quantity_is_named(brightness: float, height: int, quantity: str) -> None:
    other = _part("validation", 1002, 80, brightness, height)
    tests = find_drift([*_part("train", 0, 200), *other])
    significant = {test.quantity for test in tests if test.is_significant}
    assert {quantity, "all features"} <= significant and "class shares" not in significant
    assert quantity in drift_sentences(tests)[0]


def test_differing_class_shares_are_detected() -> None:
    test = _part("test", 1002, 80)
    dresses = [replace(image, file=replace(image.file, label="dress")) for image in test]
    tests = find_drift([*_part("train", 0, 200), *dresses])
    assert {test.quantity for test in tests if test.is_significant} == {"class shares"}


def test_copies_count_once() -> None:
    train, test = _part("train", 0, 30), _part("test", 1002, 20)
    assert find_drift([*train, *test, *test * 5]) == find_drift([*train, *test])


def test_one_part_is_not_compared() -> None:
    assert find_drift(_part("train", 0, 30)) == []
    assert "no two official parts" in drift_sentences([])[0]


def test_three_parts_are_compared_pairwise() -> None:
    tests = find_drift(
        [*_part("train", 0, 30), *_part("validation", 1002, 20), *_part("test", 2001, 20)]
    )
    assert len({test.parts for test in tests}) == len(drift_sentences(tests)) == 3
