"""Every picture at one size, decoded once."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from fashion_exp.config import DatasetConfig
from fashion_exp.data.folder import load_folder
from fashion_exp.data.pixels import Geometry, load_pixels, resize
from fashion_exp.data.table import COLUMNS, ImageTable, UnreadableImage, left_out_table
from fashion_exp.errors import InputError

SQUARE = Geometry(size=8, fit="crop", interpolation="bilinear", channels=3)
NOISE = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)


def smooth(height: int, width: int) -> np.ndarray:
    """A picture without detail that a coarser one would lose: red grows down, green right."""
    down, right = np.mgrid[0:height, 0:width]
    blue = np.full((height, width), 60)
    return np.stack([down * 255 / height, right * 255 / width, blue], axis=2).astype(np.uint8)


class Pictures:
    """Reads pictures of any shape; counts how often; fails for the rows in `broken`."""

    def __init__(self, broken: dict[int, str] | None = None) -> None:
        self.broken, self.reads = broken or {}, 0

    def __call__(self, row: int) -> np.ndarray:
        self.reads += 1
        if row in self.broken:
            raise UnreadableImage(self.broken[row])
        return np.random.default_rng(row).integers(0, 256, (9 + row % 5, 12, 3), dtype=np.uint8)


def table(n: int, read: Pictures, left_out: int = 0, copies: int = 1) -> ImageTable:
    rows = [(f"i{k}", f"i{k}", f"photo {k}", k % 2, "", copies) for k in range(n)]
    left = left_out_table((f"left {k}", "label conflict") for k in range(left_out))
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return ImageTable("test", frame, ("dress", "shirt"), read, 8, left)


def silent(done: int, total: int) -> None:
    """No progress is shown."""


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_a_picture_of_the_right_size_keeps_its_values(fit: str) -> None:
    assert np.array_equal(resize(NOISE, replace(SQUARE, fit=fit)), NOISE)


@pytest.mark.parametrize("shape", [(40, 8), (8, 40), (41, 8), (1, 30), (100, 100), (3, 2)])
@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("channels", [1, 3])
def test_any_picture_comes_out_square_with_the_channels_asked(
    shape: tuple[int, int], fit: str, channels: int
) -> None:
    geometry = Geometry(8, fit, "bicubic", channels)
    for picture in (smooth(*shape), smooth(*shape)[..., 0]):
        out = resize(picture, geometry)
        assert out.shape == (8, 8, channels) and out.dtype == np.uint8


def test_crop_keeps_the_middle_of_the_longer_side() -> None:
    tall = np.zeros((24, 8, 3), np.uint8)
    tall[8:16] = NOISE
    assert np.array_equal(resize(tall, SQUARE), NOISE)
    assert np.array_equal(resize(tall.transpose(1, 0, 2), SQUARE), NOISE.transpose(1, 0, 2))
    assert np.array_equal(resize(tall[:23], SQUARE), tall[7:15])  # no half pixels


def test_pad_keeps_all_on_the_mean_colour() -> None:
    wide = np.full((4, 8, 3), (10, 20, 30), np.uint8)
    wide[:, :4] = (20, 20, 30)
    out = resize(wide, replace(SQUARE, fit="pad"))
    assert np.array_equal(out[2:6], wide)
    assert (out[[0, 1, 6, 7]] == (15, 20, 30)).all()


def test_pad_of_a_grey_picture_is_grey() -> None:
    grey = np.full((4, 8), 77, np.uint8)
    assert (resize(grey, Geometry(8, "pad", "bilinear", 1)) == 77).all()


def test_stretch_shows_all_of_it() -> None:
    out = resize(smooth(60, 20), replace(SQUARE, fit="stretch"))
    assert np.abs(out.astype(int) - smooth(8, 8)).max() <= 20
    assert out[-1, 0, 0] > 220 and out[0, -1, 1] > 220


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "lanczos"])
def test_shrinking_averages_over_all_pixels(interpolation: str) -> None:
    fine = np.random.default_rng(1).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    ours = resize(fine, Geometry(8, "stretch", interpolation, 3)).astype(int)
    area = cv2.resize(fine, (8, 8), interpolation=cv2.INTER_AREA).astype(int)
    assert np.abs(ours - area).mean() < 8
    picked = fine[6::12, 6::12].astype(int)
    assert np.abs(picked - area).mean() > 40


def test_nearest_picks_pixels() -> None:
    twice = NOISE.repeat(2, axis=0).repeat(2, axis=1)
    assert np.array_equal(resize(twice, replace(SQUARE, interpolation="nearest")), NOISE)


def test_interpolations_differ() -> None:
    fine = np.random.default_rng(1).integers(0, 256, (50, 50, 3), dtype=np.uint8)
    outs = {
        name: resize(fine, replace(SQUARE, interpolation=name)).tobytes()
        for name in ("nearest", "bilinear", "bicubic", "lanczos")
    }
    assert len(set(outs.values())) == 4


def test_colour_becomes_luma_and_grey_is_repeated() -> None:
    colours = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]], np.uint8)
    out = resize(colours, Geometry(2, "crop", "bilinear", 1))
    assert out[..., 0].tolist() == [[76, 150], [29, 255]]  # 0.299 R + 0.587 G + 0.114 B
    grey = NOISE[..., 0]
    assert np.array_equal(resize(grey, SQUARE), np.repeat(grey[..., None], 3, axis=2))


def test_each_row_has_its_own_picture_whatever_the_number_of_threads() -> None:
    images = table(50, Pictures())
    one, four = (load_pixels(images, SQUARE, 0, threads, silent)[1] for threads in (1, 4))
    assert len(one) == 50 and one.nbytes == 50 * 8 * 8 * 3 and one.geometry == SQUARE
    assert np.array_equal(one[np.arange(50)], four[np.arange(50)])
    for row in (0, 17, 49):
        assert np.array_equal(one[row], resize(images.read(row), SQUARE))


def test_held_pixels_are_decoded_once_and_are_the_caller_s_to_change() -> None:
    read = Pictures()
    _, pixels = load_pixels(table(20, read), SQUARE, 0, 2, silent)
    before = pixels[3]
    pixels[3][:] = 0
    pixels[np.array([3])][:] = 0
    assert np.array_equal(pixels[3], before) and before.any()
    assert read.reads == 20


def test_pixels_above_the_budget_are_read_again_and_are_the_same() -> None:
    read = Pictures({5: "truncated JPEG"})
    images = table(20, read)
    needed = 20 * 8 * 8 * 3
    kept, held = load_pixels(images, SQUARE, 1, 2, silent, memory_budget=needed)
    _, loose = load_pixels(images, SQUARE, 1, 2, silent, memory_budget=needed - 1)
    assert (held.nbytes, loose.nbytes) == (needed - 8 * 8 * 3, 0)
    rows = np.array([18, 0, 5])
    assert np.array_equal(held[rows], loose[rows])
    assert loose[rows].shape == (3, 8, 8, 3) and loose[rows[:0]].shape == (0, 8, 8, 3)
    assert np.array_equal(held[7], loose[7])
    assert np.array_equal(loose[7], resize(kept.read(7), SQUARE))


@pytest.mark.parametrize("budget", [0, 10**6])
def test_pixels_can_be_sent_to_another_process(budget: int) -> None:
    _, pixels = load_pixels(table(4, Pictures()), SQUARE, 0, 1, silent, memory_budget=budget)
    again = pickle.loads(pickle.dumps(pixels))
    assert np.array_equal(again[np.arange(4)], pixels[np.arange(4)])


def test_unreadable_pictures_are_left_out_and_the_others_stay_with_their_rows() -> None:
    read = Pictures({0: "truncated JPEG", 33: "60 megapixels, more than 40"})
    kept, pixels = load_pixels(table(40, read), SQUARE, 0.05, 3, silent)
    assert len(kept) == len(pixels) == 38
    assert kept.left_out.values.tolist() == [
        ["photo 0", "truncated JPEG"],
        ["photo 33", "60 megapixels, more than 40"],
    ]
    for row in range(38):
        assert np.array_equal(pixels[row], resize(kept.read(row), SQUARE))
        assert kept.rows["path"][row] == f"photo {row + 1 + (row >= 32)}"


def test_too_many_left_out_is_an_error_with_counts_names_and_the_knob() -> None:
    read = Pictures({0: "truncated JPEG", 1: "empty file", 2: "broken PNG"})
    images = table(36, read, left_out=4)
    with pytest.raises(InputError) as error:
        load_pixels(images, SQUARE, 0.17, 2, silent)
    assert str(error.value) == (
        "dataset.max_left_out: 7 of 40 files (17.5%) cannot be used, more than 17.0%: "
        "'left 0' (label conflict), 'left 1' (label conflict), 'left 2' (label conflict), …; "
        "mend or remove them, or raise dataset.max_left_out"
    )
    assert len(load_pixels(images, SQUARE, 0.175, 2, silent)[0]) == 33
    assert len(load_pixels(images, SQUARE, None, 2, silent)[0]) == 33


def test_a_broken_picture_counts_with_its_copies() -> None:
    images = table(10, Pictures({1: "truncated JPEG"}), copies=3)
    kept, _ = load_pixels(images, SQUARE, 0.1, 1, silent)
    assert kept.left_out.values.tolist() == [["photo 1", "truncated JPEG (3 copies)"]] * 3
    assert kept.found == images.found == 30
    with pytest.raises(InputError, match=r"3 of 30 files \(10\.0%\)"):
        load_pixels(images, SQUARE, 0.09, 1, silent)


def test_a_class_without_a_picture_left_is_an_error() -> None:
    read = Pictures({row: "truncated JPEG" for row in range(1, 6, 2)})
    with pytest.raises(InputError, match=r"no usable image of shirt \(3 files were left out\)"):
        load_pixels(table(6, read), SQUARE, 1, 1, silent)


def test_progress_tells_pictures_done_up_to_all() -> None:
    told: list[tuple[int, int]] = []
    load_pixels(table(40, Pictures()), SQUARE, 0, 2, lambda *done: told.append(done))
    assert told[-1] == (40, 40) and told == sorted(told) and {total for _, total in told} == {40}


def test_an_error_of_ours_is_not_taken_for_an_unreadable_picture() -> None:
    class Wrong(Pictures):
        def __call__(self, row: int) -> np.ndarray:
            raise KeyError(row)

    with pytest.raises(KeyError):
        load_pixels(table(4, Wrong()), SQUARE, 1, 2, silent)


def test_a_folder_of_good_and_bad_files_loads_with_all_reasons(
    photo: Callable[..., Path], config: Callable[..., DatasetConfig], tmp_path: Path
) -> None:
    for seed in range(4):
        photo(f"dress/{seed}.png", seed)
        photo(f"shirt/{seed}.jpg", 10 + seed, format="JPEG")
    whole = photo("shirt/half.jpg", 30, size=(40, 40), format="JPEG").read_bytes()
    (tmp_path / "shirt/half.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "dress/words.jpg").write_text("not a photo")
    images = load_folder(config())
    kept, pixels = load_pixels(images, SQUARE, 0.2, 2, silent)
    assert len(pixels) == 8 and kept.found == 10
    assert dict(kept.left_out.values) == {
        "dress/words.jpg": "not a JPEG, PNG, WebP, BMP, GIF or TIFF picture",
        "shirt/half.jpg": "truncated JPEG",
    }
