"""Conversion of images to the network's input."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from fashion_exp.data.geometry import Geometry, resize

SQUARE = Geometry(size=8, fit="crop", interpolation="bilinear", channels=3)
NOISE = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
FINE_NOISE = np.random.default_rng(1).integers(0, 256, (96, 96, 3), dtype=np.uint8)


def gradient(height: int, width: int) -> np.ndarray:
    """A smooth image: red increases downwards, green to the right."""
    down, right = np.mgrid[0:height, 0:width]
    blue = np.full((height, width), 60)
    return np.stack([down * 255 / height, right * 255 / width, blue], axis=2).astype(np.uint8)


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_image_of_target_size_keeps_its_values(fit: str) -> None:
    assert np.array_equal(resize(NOISE, replace(SQUARE, fit=fit)), NOISE)


@pytest.mark.parametrize("shape", [(40, 8), (8, 40), (41, 8), (1, 30), (100, 100), (3, 2)])
@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("channels", [1, 3])
def test_any_image_becomes_square_with_requested_channels(
    shape: tuple[int, int], fit: str, channels: int
) -> None:
    for image in (gradient(*shape), gradient(*shape)[..., 0]):
        resized = resize(image, Geometry(8, fit, "bicubic", channels))
        assert resized.shape == (8, 8, channels) and resized.dtype == np.uint8


def test_crop_keeps_center_of_longer_side() -> None:
    tall = np.zeros((24, 8, 3), np.uint8)
    tall[8:16] = NOISE
    assert np.array_equal(resize(tall, SQUARE), NOISE)
    assert np.array_equal(resize(tall.transpose(1, 0, 2), SQUARE), NOISE.transpose(1, 0, 2))
    assert np.array_equal(resize(tall[:23], SQUARE), tall[7:15])  # no half pixels


def test_pad_fills_with_mean_color() -> None:
    wide = np.full((4, 8, 3), (10, 20, 30), np.uint8)
    wide[:, :4] = (20, 20, 30)
    padded = resize(wide, replace(SQUARE, fit="pad"))
    assert np.array_equal(padded[2:6], wide)
    assert (padded[[0, 1, 6, 7]] == (15, 20, 30)).all()
    gray = np.full((4, 8), 77, np.uint8)
    assert (resize(gray, Geometry(8, "pad", "bilinear", 1)) == 77).all()


def test_stretch_shows_whole_image() -> None:
    stretched = resize(gradient(60, 20), replace(SQUARE, fit="stretch"))
    assert np.abs(stretched.astype(int) - gradient(8, 8)).max() <= 20
    assert stretched[-1, 0, 0] > 220 and stretched[0, -1, 1] > 220


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "lanczos"])
def test_shrinking_averages_over_all_pixels(interpolation: str) -> None:
    resized = resize(FINE_NOISE, Geometry(8, "stretch", interpolation, 3)).astype(int)
    area = cv2.resize(FINE_NOISE, (8, 8), interpolation=cv2.INTER_AREA).astype(int)
    assert np.abs(resized - area).mean() < 8
    sampled = FINE_NOISE[6::12, 6::12].astype(int)
    assert np.abs(sampled - area).mean() > 40


def test_nearest_selects_pixels() -> None:
    doubled = NOISE.repeat(2, axis=0).repeat(2, axis=1)
    assert np.array_equal(resize(doubled, replace(SQUARE, interpolation="nearest")), NOISE)


def test_interpolations_differ() -> None:
    resized = {
        resize(FINE_NOISE, replace(SQUARE, interpolation=name)).tobytes()
        for name in ("nearest", "bilinear", "bicubic", "lanczos")
    }
    assert len(resized) == 4


def test_color_becomes_luma_and_grayscale_is_repeated() -> None:
    colors = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]], np.uint8)
    luma = resize(colors, Geometry(2, "crop", "bilinear", 1))
    assert luma[..., 0].tolist() == [[76, 150], [29, 255]]  # 0.299 R + 0.587 G + 0.114 B
    gray = NOISE[..., 0]
    assert np.array_equal(resize(gray, SQUARE), np.repeat(gray[..., None], 3, axis=2))
