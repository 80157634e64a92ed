"""Curves do what their names say."""

from __future__ import annotations

import numpy as np
import pytest

from fashion_exp.data.synthetic.curves import (
    closed,
    heading,
    mirror,
    offset,
    project,
    spline,
    strip,
    turn,
)

CORNERS = [(0.0, 0.0), (1.0, 0.5), (1.5, 2.0), (0.5, 3.0)]


@pytest.mark.parametrize("count", [2, 3, 4])
def test_a_spline_goes_through_its_points(count: int) -> None:
    curve = spline(CORNERS[:count], samples=5)
    assert len(curve) == 5 * (count - 1) + 1
    assert np.allclose(curve[::5], CORNERS[:count])


def test_a_spline_through_points_on_a_line_is_that_line() -> None:
    curve = spline([(0, 1), (1, 3), (2, 5), (3, 7)])
    assert np.allclose(curve[:, 1], 2 * curve[:, 0] + 1)
    assert (np.diff(curve[:, 0]) > 0).all()


def test_a_half_and_its_mirror_image_join() -> None:
    half = spline(CORNERS)
    outline = closed(half, mirror(half))
    assert np.allclose(outline, mirror(outline))
    assert np.allclose(outline[len(half)], half[-1] * (-1, 1))


def test_the_parallel_lies_to_the_right_of_who_walks() -> None:
    down = np.array([(0.0, 0.0), (0.0, 1.0), (0.0, 2.0)])
    assert np.allclose(offset(down, 0.5), down - (0.5, 0))
    assert np.allclose(offset(down, -0.5), down - (-0.5, 0))
    assert len(strip(down, 0.5)) == 6


def test_headings_and_turns_are_clockwise_on_screen_or_from_below() -> None:
    assert np.allclose(heading(0), (0, 1)) and np.allclose(heading(90), (1, 0))
    assert np.allclose(turn(90) @ (1, 0), (0, 1))


def test_a_homography_without_perspective_is_affine() -> None:
    matrix = np.array([[2.0, 0, 1], [0, 3, -1], [0, 0, 1]])
    assert np.allclose(project(np.array([(1.0, 1.0)]), matrix), (3, 2))
    far = matrix + np.array([[0, 0, 0], [0, 0, 0], [0, 1, 0]])
    assert np.allclose(project(np.array([(1.0, 1.0)]), far), (1.5, 1))
