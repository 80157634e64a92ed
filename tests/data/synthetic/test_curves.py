"""Curves pass through their points; transformations have the documented orientation."""

from __future__ import annotations

import numpy as np
import pytest

from fashion_exp.data.synthetic.curves import (
    band,
    direction,
    join,
    mirror,
    offset,
    project,
    rotation,
    spline,
)

CORNERS = [(0.0, 0.0), (1.0, 0.5), (1.5, 2.0), (0.5, 3.0)]


@pytest.mark.parametrize("count", [2, 3, 4])
def test_spline_interpolates_its_points(count: int) -> None:
    curve = spline(CORNERS[:count], samples=5)
    assert len(curve) == 5 * (count - 1) + 1
    assert np.allclose(curve[::5], CORNERS[:count])


def test_spline_through_points_on_a_line_is_that_line() -> None:
    curve = spline([(0, 1), (1, 3), (2, 5), (3, 7)])
    assert np.allclose(curve[:, 1], 2 * curve[:, 0] + 1)
    assert (np.diff(curve[:, 0]) > 0).all()


def test_half_and_its_mirror_image_join() -> None:
    half = spline(CORNERS)
    outline = join(half, mirror(half))
    assert np.allclose(outline, mirror(outline))
    assert np.allclose(outline[len(half)], half[-1] * (-1, 1))


def test_offset_is_to_the_right_of_the_direction() -> None:
    down = np.array([(0.0, 0.0), (0.0, 1.0), (0.0, 2.0)])
    assert np.allclose(offset(down, 0.5), down - (0.5, 0))
    assert np.allclose(offset(down, -0.5), down - (-0.5, 0))
    assert len(band(down, 0.5)) == 6


def test_direction_and_rotation_follow_the_documented_angles() -> None:
    assert np.allclose(direction(0), (0, 1)) and np.allclose(direction(90), (1, 0))
    assert np.allclose(rotation(90) @ (1, 0), (0, 1))


def test_homography_without_perspective_is_affine() -> None:
    matrix = np.array([[2.0, 0, 1], [0, 3, -1], [0, 0, 1]])
    assert np.allclose(project(np.array([(1.0, 1.0)]), matrix), (3, 2))
    perspective = matrix + np.array([[0, 0, 0], [0, 0, 0], [0, 1, 0]])
    assert np.allclose(project(np.array([(1.0, 1.0)]), perspective), (1.5, 1))
