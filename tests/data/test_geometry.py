"""Any picture as the square that a network sees."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from fashion_exp.data.geometry import Geometry, resize

SQUARE = Geometry(size=8, fit="crop", interpolation="bilinear", channels=3)
NOISE = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)


def smooth(height: int, width: int) -> np.ndarray:
    """A picture without detail that a coarser one would lose: red grows down, green right."""
    down, right = np.mgrid[0:height, 0:width]
    blue = np.full((height, width), 60)
    return np.stack([down * 255 / height, right * 255 / width, blue], axis=2).astype(np.uint8)


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
