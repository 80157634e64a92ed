"""What belongs together comes together, and nothing else."""

from __future__ import annotations

import io
import shutil
from collections.abc import Collection
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter, ImageOps

from fashion_exp.tools.curate.duplicates import (
    BYTES,
    MIRRORED,
    NEAR,
    PIXELS,
    Group,
    Link,
    doubtful,
    find_groups,
    find_links,
)
from fashion_exp.tools.curate.duplicates_page import across_parts, as_data, chained, conflicts
from fashion_exp.tools.curate.near_duplicates import MOST_BITS
from tests.tools.curate.conftest import Draw, looked, scene


def _groups(root: Path, alone: Collection[str] = (), **together: str) -> list[Group]:
    """`together`: the group of each file, by the letter before its ending."""
    found = looked(root, alone)
    names = {one.place.path: together.get(Path(one.place.path).stem, "") for one in found}
    by_hand = {path: group for path, group in names.items() if group}
    return find_groups(found, find_links(found, lambda done, total=None, /: None), by_hand)


def _paths(groups: list[Group]) -> list[list[str]]:
    return [[member.place.path for member in group.members] for group in groups]


def test_a_copy_lands_in_its_group_however_it_was_made(draw: Draw, tmp_path: Path) -> None:
    original = draw("dress/a.png", 1)
    for seed in range(2, 12):
        draw(f"dress/other{seed}.png", seed)
    shutil.copy(original, original.with_name("b.png"))
    draw("dress/c.bmp", 1)
    draw("dress/d.jpg", scene(1).resize((80, 60)), quality=60)
    draw("dress/e.jpg", ImageOps.mirror(scene(1)), quality=60)
    (group,) = _groups(tmp_path / "photos")
    assert [m.place.path[6] for m in group.members] == list("abcde")
    assert group.kinds == [BYTES, PIXELS, NEAR, MIRRORED] and group.farthest <= 8
    assert group.name == min(member.look.image_id for member in group.members)
    assert as_data(group)["photos"] == _paths([group])[0]


def test_two_things_on_the_same_ground_do_not(draw: Draw, tmp_path: Path) -> None:
    """Their coarse forms agree, so that their hashes do; their prints differ."""
    ground = np.asarray(scene(1).filter(ImageFilter.GaussianBlur(12)), np.int64)
    rng = np.random.default_rng(0)
    for number in range(6):
        print_ = np.kron(rng.integers(-12, 13, (16, 12)), np.ones((5, 5), int))
        picture = ground.copy()
        picture[20:100, 50:110] += print_[..., None]
        draw(f"shirt/{number}.png", Image.fromarray(picture.clip(0, 255).astype(np.uint8)))
    hashes = [one.sight.phash for one in looked(tmp_path / "photos")]
    assert sorted((hashes[0] ^ other).bit_count() for other in hashes)[3] <= MOST_BITS
    assert _groups(tmp_path / "photos") == []


def test_blank_pictures_are_no_copies_of_each_other(draw: Draw, tmp_path: Path) -> None:
    for number in range(4):
        draw(f"dress/{number}.png", Image.new("RGB", (60 + number, 40), "white"))
        draw(f"dress/{number}.jpg", Image.new("RGB", (60, 40), (0, 60 * number, 9)))
    draw("dress/again.png", Image.new("RGB", (60, 40), "white"))
    assert _groups(tmp_path / "photos") == []


def test_one_picture_under_two_classes_or_in_two_parts_is_told(draw: Draw, tmp_path: Path) -> None:
    draw("train/dress/a.png", 1)
    draw("train/shirt/a.jpg", 1, quality=70)
    draw("train/dress/b.png", 2)
    draw("test/dress/b.jpg", 2, quality=70)
    groups = _groups(tmp_path / "photos")
    assert [group.labels for group in conflicts(groups)] == [["dress", "shirt"]]
    assert [group.parts for group in across_parts(groups)] == [["test", "train"]]


def test_likeness_is_transitive_and_a_chain_shows(draw: Draw, tmp_path: Path) -> None:
    for number in range(3):
        draw(f"dress/{number}.png", number)
    found = looked(tmp_path / "photos")
    links = [Link(0, 1, NEAR, 8, 0.9), Link(1, 2, NEAR, 8, 0.9)]
    (group,) = find_groups(found, links, {})
    assert len(group.members) == 3 and chained([group]) == [group]


def test_a_persons_word_goes_before(draw: Draw, tmp_path: Path) -> None:
    draw("dress/a.png", 1)
    draw("dress/b.jpg", 1, quality=70)
    draw("dress/c.png", 3)
    root = tmp_path / "photos"
    assert _paths(_groups(root)) == [["dress/a.png", "dress/b.jpg"]]
    assert _groups(root, ["dress/b.jpg"]) == []
    (three,) = _groups(root, a="mine", c="mine")
    assert three.name == "mine" and len(three.members) == 3 and chained([three]) == []
    assert _groups(root, a="one", b="two") == []


def test_a_third_photo_does_not_join_what_a_person_has_parted(draw: Draw, tmp_path: Path) -> None:
    draw("dress/a.png", 1)
    draw("dress/b.jpg", 1, quality=70)
    draw("dress/c.jpg", 1, quality=60)
    (group,) = _groups(tmp_path / "photos", a="one", c="two")
    assert group.name in ("one", "two") and "dress/b.jpg" in _paths([group])[0]
    assert len(group.members) == 2


def test_who_stays_alone_does_not_part_the_others(draw: Draw, tmp_path: Path) -> None:
    for name in ("a.png", "b.bmp", "c.png"):
        draw(f"dress/{name}", 1)
    assert _paths(_groups(tmp_path / "photos", ["dress/a.png"])) == [["dress/b.bmp", "dress/c.png"]]


def test_the_doubtful_are_those_in_no_group_together(draw: Draw, tmp_path: Path) -> None:
    for number in range(4):
        draw(f"dress/{number}.png", number)
    found = looked(tmp_path / "photos")
    doubts = [Link(*ends, NEAR, 8, like, False) for *ends, like in
              ((0, 1, 0.8), (1, 2, 0.7), (2, 3, 0.8))]  # fmt: skip
    links = [Link(0, 1, NEAR, 2, 0.99), *doubts]
    groups = find_groups(found, links, {})
    assert [len(group.members) for group in groups] == [2]
    likest = [link.likeness for *_, link in doubtful(found, links, groups)]
    assert likest == [0.8, 0.7]


def test_groups_do_not_depend_on_the_order_of_files(draw: Draw, tmp_path: Path) -> None:
    draw("a/1.png", 1)
    draw("b/2.jpg", 1, quality=70)
    before = _groups(tmp_path / "photos")[0].name
    (tmp_path / "photos/b/2.jpg").rename(tmp_path / "photos/a/0.jpg")
    assert _groups(tmp_path / "photos")[0].name == before


def test_an_encoding_of_low_quality_is_still_the_picture(draw: Draw, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    scene(5).resize((100, 75)).save(buffer, "JPEG", quality=25)
    draw("dress/a.png", 5)
    (tmp_path / "photos/dress/b.jpg").write_bytes(buffer.getvalue())
    assert len(_groups(tmp_path / "photos")) == 1
