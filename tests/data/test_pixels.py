"""Every picture at one size: decoded once, kept, shared, and made again where it is damaged."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from fashion_exp.configuration.schema import DatasetConfig
from fashion_exp.data.geometry import Geometry, resize
from fashion_exp.data.pixels import Pixels, load_pixels
from fashion_exp.data.sources.folder import load_folder
from fashion_exp.data.table import (
    COLUMNS,
    ImageTable,
    OutOfReach,
    Reader,
    UnreadableImage,
    left_out_table,
)
from fashion_exp.errors import InputError

SQUARE = Geometry(size=8, fit="crop", interpolation="bilinear", channels=3)


class Pictures:
    """Reads pictures of any shape; counts how often; fails for the rows in `broken`."""

    def __init__(self, broken: dict[int, str] | None = None) -> None:
        self.broken, self.reads = broken or {}, 0

    def __call__(self, row: int) -> np.ndarray:
        self.reads += 1
        if row in self.broken:
            raise UnreadableImage(self.broken[row])
        return np.random.default_rng(row).integers(0, 256, (9 + row % 5, 12, 3), dtype=np.uint8)


def table(n: int, read: Reader, left_out: int = 0, copies: int = 1) -> ImageTable:
    rows = [(f"i{k}", f"i{k}", f"photo {k}", k % 2, "", copies) for k in range(n)]
    left = left_out_table((f"left {k}", "label conflict") for k in range(left_out))
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return ImageTable("test", frame, ("dress", "shirt"), read, 8, left)


Load = Callable[..., tuple[ImageTable, Pixels]]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """`load_pixels` with one cache for all calls of a test."""

    def loaded(
        images: ImageTable,
        max_left_out: float | None = 0,
        processes: int = 1,
        geometry: Geometry = SQUARE,
        progress: Callable[[int, int], None] = lambda done, total: None,
        cache: str = "cache",
    ) -> tuple[ImageTable, Pixels]:
        return load_pixels(images, geometry, max_left_out, processes, progress, tmp_path / cache)

    return loaded


def everything(pixels: Pixels) -> np.ndarray:
    return np.stack([pixels[row] for row in range(len(pixels))])


def test_each_row_has_its_own_picture_whatever_the_number_of_processes(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fashion_exp.data.pixels._BYTES_PER_TASK", 1)  # tasks of 16 pictures
    images = table(50, Pictures())
    one, four = (load(images, 0, n, cache=f"{n}")[1] for n in (1, 4))
    assert len(one) == 50 and one.reused == four.reused == 0
    assert np.array_equal(everything(one), everything(four))
    for row in (0, 17, 49):
        assert np.array_equal(one[row], resize(images.read(row), SQUARE))


def test_pictures_are_decoded_once_for_all_runs_and_are_the_caller_s_to_change(load: Load) -> None:
    read = Pictures()
    _, first = load(table(20, read))
    before = first[3]
    first[3][:] = 0
    _, second = load(table(20, read))
    assert np.array_equal(second[3], before) and before.any()
    assert (first.reused, second.reused, read.reads) == (0, 20, 20)


def test_what_a_larger_table_adds_is_decoded_alone(load: Load) -> None:
    read = Pictures()
    load(table(20, read))
    _, more = load(table(30, read))
    assert (more.reused, read.reads) == (20, 30)
    assert np.array_equal(everything(more), everything(load(table(30, read), cache="cold")[1]))


@pytest.mark.parametrize("change", ["size", "fit", "interpolation", "channels", "reading"])
def test_pictures_made_otherwise_are_others(load: Load, change: str) -> None:
    """A drawing's id tells neither its size nor how ambiguous it is: `reading` does."""
    images, geometry = table(4, Pictures()), SQUARE
    load(images)
    if change == "reading":
        images = replace(images, reading="drawn_size=7")
    else:
        other = {"size": 9, "fit": "pad", "interpolation": "nearest", "channels": 1}
        geometry = replace(SQUARE, **{change: other[change]})
    _, pixels = load(images, geometry=geometry)
    assert pixels.reused == 0
    assert np.array_equal(pixels[2], resize(images.read(2), geometry))


def test_a_damaged_picture_is_made_again_and_never_used(load: Load) -> None:
    images = table(20, Pictures())
    _, sound = load(images)
    expected = everything(sound)
    data = sound.store.folder / "records.bin"
    spoilt = bytearray(data.read_bytes())
    spoilt[5 * 192 + 7] ^= 1
    data.write_bytes(spoilt)
    _, mended = load(images)
    assert np.array_equal(everything(mended), expected)
    read = Pictures()
    _, later = load(table(20, read))
    assert np.array_equal(everything(later), expected) and read.reads == 0


def test_files_cut_off_anywhere_cost_only_what_they_lost(load: Load) -> None:
    images = table(20, Pictures())
    _, sound = load(images)
    expected = everything(sound)
    index, data = (sound.store.folder / name for name in ("index.jsonl", "records.bin"))
    lines = index.read_bytes()
    index.write_bytes(lines[: len(lines) // 2])
    _, mended = load(images)
    assert np.array_equal(everything(mended), expected) and 5 < mended.reused < 12
    with open(data, "r+b") as file:
        file.truncate(10 * 192 + 5)
    assert np.array_equal(everything(load(images)[1]), expected)
    data.unlink()
    assert np.array_equal(everything(load(images)[1]), expected)


def slow_picture(row: int) -> np.ndarray:
    time.sleep(0.002)
    return np.random.default_rng(row).integers(0, 256, (9 + row % 5, 12, 3), dtype=np.uint8)


def fill(cache: Path) -> None:
    load_pixels(table(300, slow_picture), SQUARE, 0, 1, lambda *done: None, cache)


def test_processes_that_fill_one_store_at_once_and_are_killed_lose_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    fillers = [context.Process(target=partial(fill, tmp_path)) for _ in range(3)]
    for filler in fillers:
        filler.start()
    while not (found := list(tmp_path.glob("pixels/*/index.jsonl"))):
        time.sleep(0.01)
    os.kill(fillers[0].pid or 0, signal.SIGKILL)
    for filler in fillers:
        filler.join()
    assert [filler.exitcode for filler in fillers[1:]] == [0, 0]
    _, pixels = load_pixels(table(300, Pictures()), SQUARE, 0, 1, lambda *done: None, tmp_path)
    assert pixels.reused == 300
    assert len(found[0].read_bytes().splitlines()) == 300, "no picture twice"
    assert all(np.array_equal(pixels[r], resize(Pictures()(r), SQUARE)) for r in range(300))


def test_a_store_larger_than_the_disk_is_refused_before_anything_is_decoded(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Pictures()
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=20 * 192 - 1))
    with pytest.raises(InputError, match=r"need 0\.0 GB, and 0\.0 are free; `cache clear`"):
        load(table(20, read))
    assert read.reads == 0


def test_pixels_can_be_sent_to_another_process(load: Load) -> None:
    _, pixels = load(table(4, Pictures()))
    again = pickle.loads(pickle.dumps(pixels))
    assert np.array_equal(everything(again), everything(pixels))


def test_unreadable_pictures_are_remembered_with_their_reasons(load: Load) -> None:
    read = Pictures({0: "truncated JPEG"})
    first, _ = load(table(40, read), 0.05)
    second, pixels = load(table(40, read), 0.05)
    assert read.reads == 40 and pixels.reused == 40
    assert second.left_out.equals(first.left_out) and len(second) == 39


def test_a_picture_out_of_reach_is_tried_again(load: Load) -> None:
    class Away(Pictures):
        def __call__(self, row: int) -> np.ndarray:
            if row in self.broken:
                raise OutOfReach("stale file handle")
            return super().__call__(row)

    images = table(40, Away({3: ""}))
    assert load(images, 1)[0].left_out.values.tolist() == [["photo 3", "stale file handle"]]
    assert len(load(table(40, Pictures()), 0)[0]) == 40


def test_unreadable_pictures_are_left_out_and_the_others_stay_with_their_rows(load: Load) -> None:
    read = Pictures({0: "truncated JPEG", 33: "60 megapixels, more than 40"})
    kept, pixels = load(table(40, read), 0.05, 3)
    assert len(kept) == len(pixels) == 38
    assert kept.left_out.values.tolist() == [
        ["photo 0", "truncated JPEG"],
        ["photo 33", "60 megapixels, more than 40"],
    ]
    for row in range(38):
        assert np.array_equal(pixels[row], resize(kept.read(row), SQUARE))
        assert kept.rows["path"][row] == f"photo {row + 1 + (row >= 32)}"


def test_too_many_left_out_is_an_error_with_counts_names_and_the_knob(load: Load) -> None:
    read = Pictures({0: "truncated JPEG", 1: "empty file", 2: "broken PNG"})
    images = table(36, read, left_out=4)
    with pytest.raises(InputError) as error:
        load(images, 0.17, 2)
    assert str(error.value) == (
        "dataset.max_left_out: 7 of 40 files (17.5%) cannot be used, more than 17.0%: "
        "'left 0' (label conflict), 'left 1' (label conflict), 'left 2' (label conflict), …; "
        "mend or remove them, or raise dataset.max_left_out"
    )
    assert len(load(images, 0.175, 2)[0]) == 33
    assert len(load(images, None, 2)[0]) == 33


def test_a_broken_picture_counts_with_its_copies(load: Load) -> None:
    images = table(10, Pictures({1: "truncated JPEG"}), copies=3)
    kept, _ = load(images, 0.1, 1)
    assert kept.left_out.values.tolist() == [["photo 1", "truncated JPEG (3 copies)"]] * 3
    assert kept.found == images.found == 30
    with pytest.raises(InputError, match=r"3 of 30 files \(10\.0%\)"):
        load(images, 0.09, 1)


def test_a_class_without_a_picture_left_is_an_error(load: Load) -> None:
    read = Pictures({row: "truncated JPEG" for row in range(1, 6, 2)})
    with pytest.raises(InputError, match=r"no usable image of shirt \(3 files were left out\)"):
        load(table(6, read), 1)


def test_progress_tells_pictures_done_up_to_all(load: Load) -> None:
    told: list[tuple[int, int]] = []
    load(table(40, Pictures()), 0, 2, progress=lambda *done: told.append(done))
    assert told[-1] == (40, 40) and told == sorted(told) and {total for _, total in told} == {40}


def test_an_error_of_ours_is_not_taken_for_an_unreadable_picture(load: Load) -> None:
    class Wrong(Pictures):
        def __call__(self, row: int) -> np.ndarray:
            raise KeyError(row)

    with pytest.raises(KeyError):
        load(table(4, Wrong()), 1, 2)


def test_a_folder_of_good_and_bad_files_loads_with_all_reasons(
    photo: Callable[..., Path], config: Callable[..., DatasetConfig], tmp_path: Path, load: Load
) -> None:
    for seed in range(4):
        photo(f"dress/{seed}.png", seed)
        photo(f"shirt/{seed}.jpg", 10 + seed, format="JPEG")
    whole = photo("shirt/half.jpg", 30, size=(40, 40), format="JPEG").read_bytes()
    (tmp_path / "shirt/half.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "dress/words.jpg").write_text("not a photo")
    images = load_folder(config())
    kept, pixels = load(images, 0.2, 2)
    assert len(pixels) == 8 and kept.found == 10
    assert dict(kept.left_out.values) == {
        "dress/words.jpg": "not a JPEG, PNG, WebP, BMP, GIF or TIFF picture",
        "shirt/half.jpg": "truncated JPEG",
    }
