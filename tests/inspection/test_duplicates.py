"""Copies are grouped however they were made, and nothing else is."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter, ImageOps

from fashion_exp.inspection.duplicates import (
    MIRRORED_COPY,
    NEAR_COPY,
    SAME_FILE,
    SAME_PIXELS,
    DuplicatePair,
    Group,
    find_groups,
    find_pairs,
    possible_duplicates,
)
from fashion_exp.inspection.near_duplicates import MAX_HASH_DISTANCE
from tests.inspection.conftest import SaveImage, load_images, no_tick, scene


def _groups(root: Path, excluded: Collection[str] = (), **manual: str) -> list[Group]:
    """`manual`: {file stem: group name}."""
    images = load_images(root, excluded)
    stems = {Path(image.path).stem: image.path for image in images}
    manual_groups = {stems[stem]: group for stem, group in manual.items()}
    return find_groups(images, find_pairs(images, no_tick), manual_groups)


def _paths(groups: list[Group]) -> list[list[str]]:
    return [[member.path for member in group.members] for group in groups]


def test_copies_of_all_kinds_form_one_group(save: SaveImage, tmp_path: Path) -> None:
    original = save("dress/a.png", 1)
    for seed in range(2, 12):
        save(f"dress/other{seed}.png", seed)
    shutil.copy(original, original.with_name("b.png"))
    save("dress/c.bmp", 1)
    save("dress/d.jpg", scene(1).resize((100, 75)), quality=25)
    save("dress/e.jpg", ImageOps.mirror(scene(1)), quality=60)
    (group,) = _groups(tmp_path / "photos")
    assert [Path(member.path).stem for member in group.members] == list("abcde")
    assert group.kinds == [SAME_FILE, SAME_PIXELS, NEAR_COPY, MIRRORED_COPY]
    assert group.max_distance <= MAX_HASH_DISTANCE
    assert group.name == min(member.image_id for member in group.members)


def test_different_objects_on_same_background_are_not_grouped(
    save: SaveImage, tmp_path: Path
) -> None:
    """Their hashes agree because of the background, but their prints differ."""
    background = np.asarray(scene(1).filter(ImageFilter.GaussianBlur(12)), np.int64)
    rng = np.random.default_rng(0)
    for number in range(6):
        print_pattern = np.kron(rng.integers(-12, 13, (16, 12)), np.ones((5, 5), int))
        pixels = background.copy()
        pixels[20:100, 50:110] += print_pattern[..., None]
        save(f"shirt/{number}.png", Image.fromarray(pixels.clip(0, 255).astype(np.uint8)))
    hashes = [image.stats.phash for image in load_images(tmp_path / "photos")]
    assert sorted((hashes[0] ^ other).bit_count() for other in hashes)[3] <= MAX_HASH_DISTANCE
    assert _groups(tmp_path / "photos") == []


def test_blank_images_are_not_grouped(save: SaveImage, tmp_path: Path) -> None:
    for number in range(4):
        save(f"dress/{number}.png", Image.new("RGB", (60 + number, 40), "white"))
        save(f"dress/{number}.jpg", Image.new("RGB", (60, 40), (0, 60 * number, 9)))
    save("dress/again.png", Image.new("RGB", (60, 40), "white"))
    assert _groups(tmp_path / "photos") == []


def test_detects_label_conflicts_and_groups_across_parts(save: SaveImage, tmp_path: Path) -> None:
    save("train/dress/a.png", 1)
    save("train/shirt/a.jpg", 1, quality=70)
    save("train/dress/b.png", 2)
    save("test/dress/b.jpg", 2, quality=70)
    groups = _groups(tmp_path / "photos")
    assert [g.labels for g in groups if g.has_label_conflict] == [["dress", "shirt"]]
    assert [g.parts for g in groups if g.spans_parts] == [["test", "train"]]


def test_grouping_is_transitive_and_detects_chains(save: SaveImage, tmp_path: Path) -> None:
    for number in range(3):
        save(f"dress/{number}.png", number)
    a, b, c = images = load_images(tmp_path / "photos")
    pairs = [DuplicatePair(a, b, NEAR_COPY, 8, 0.9), DuplicatePair(b, c, NEAR_COPY, 8, 0.9)]
    (group,) = find_groups(images, pairs, {})
    assert len(group.members) == 3 and group.may_be_chain


def test_manual_groups_take_precedence(save: SaveImage, tmp_path: Path) -> None:
    save("dress/a.png", 1)
    save("dress/b.jpg", 1, quality=70)
    save("dress/c.png", 3)
    root = tmp_path / "photos"
    assert _paths(_groups(root)) == [["dress/a.png", "dress/b.jpg"]]
    assert _groups(root, excluded=["dress/b.jpg"]) == []
    (group,) = _groups(root, a="mine", c="mine")
    assert group.name == "mine" and len(group.members) == 3 and not group.may_be_chain
    assert _groups(root, a="one", b="two") == []


def test_third_image_does_not_join_two_manual_groups(save: SaveImage, tmp_path: Path) -> None:
    save("dress/a.png", 1)
    save("dress/b.jpg", 1, quality=70)
    save("dress/c.jpg", 1, quality=60)
    (group,) = _groups(tmp_path / "photos", a="one", c="two")
    assert group.name in ("one", "two") and "dress/b.jpg" in _paths([group])[0]
    assert len(group.members) == 2


def test_excluded_image_does_not_separate_its_copies(save: SaveImage, tmp_path: Path) -> None:
    for name in ("a.png", "b.bmp", "c.png"):
        save(f"dress/{name}", 1)
    groups = _groups(tmp_path / "photos", excluded=["dress/a.png"])
    assert _paths(groups) == [["dress/b.bmp", "dress/c.png"]]


def test_possible_duplicates_are_best_pairs_outside_groups(save: SaveImage, tmp_path: Path) -> None:
    for number in range(4):
        save(f"dress/{number}.png", number)
    images = load_images(tmp_path / "photos")
    uncertain = [
        DuplicatePair(images[i], images[j], NEAR_COPY, 8, similarity, is_certain=False)
        for i, j, similarity in ((0, 1, 0.8), (0, 2, 0.66), (1, 2, 0.7), (2, 3, 0.8))
    ]
    pairs = [DuplicatePair(images[0], images[1], NEAR_COPY, 2, 0.99), *uncertain]
    groups = find_groups(images, pairs, {})
    assert [len(group.members) for group in groups] == [2]
    assert [pair.similarity for pair in possible_duplicates(pairs, groups)] == [0.8, 0.7]


def test_group_name_is_independent_of_file_order(save: SaveImage, tmp_path: Path) -> None:
    save("a/1.png", 1)
    save("b/2.jpg", 1, quality=70)
    before = _groups(tmp_path / "photos")[0].name
    (tmp_path / "photos/b/2.jpg").rename(tmp_path / "photos/a/0.jpg")
    assert _groups(tmp_path / "photos")[0].name == before
