"""Curves and outlines: float arrays of points (n, 2), x to the right, y downwards."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]


@cache
def _catmull_rom(points: int, samples: int) -> NDArray[np.float64]:
    """Weight of each control point (columns) for each sample of the curve (rows)."""
    t = np.arange(samples)[:, None] / samples
    basis = np.array([[0, 2, 0, 0], [-1, 0, 1, 0], [2, -5, 4, -1], [-1, 3, -3, 1]]) / 2
    local = np.hstack([np.ones_like(t), t, t**2, t**3]) @ basis
    weights = np.zeros(((points - 1) * samples + 1, points + 2))
    for k in range(points - 1):
        weights[k * samples : (k + 1) * samples, k : k + 4] = local
    weights[-1, points] = 1
    # The point beyond each end is the second point reflected in the first.
    weights[:, 1] += 2 * weights[:, 0]
    weights[:, 2] -= weights[:, 0]
    weights[:, -2] += 2 * weights[:, -1]
    weights[:, -3] -= weights[:, -1]
    return weights[:, 1:-1]


def spline(points: Sequence[Sequence[float]] | Points, samples: int = 6) -> Points:
    """Smooth open curve through the points, ends included (Catmull and Rom, 1974)."""
    p = np.array(points, dtype=float)
    return _catmull_rom(len(p), samples) @ p


def join(*curves: Points) -> Points:
    """The outline that follows each curve in turn."""
    return np.concatenate(curves)


def shift(points: Points, x: float, y: float) -> Points:
    return points + np.array([x, y])


def box(x: float, y: float, half_width: float, half_height: float) -> Points:
    """Corners of an upright rectangle centered at (x, y), clockwise from the top left."""
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    return shift(corners * (half_width, half_height), x, y)


def mirror(points: Points) -> Points:
    """The points reflected in x = 0 and reversed, so that two halves join."""
    return points[::-1] * (-1.0, 1.0)


def offset(curve: Points, distance: float) -> Points:
    """A parallel curve, on the right side in the curve's direction."""
    tangent = np.gradient(curve, axis=0)
    length = np.linalg.norm(tangent, axis=1, keepdims=True)
    return curve + tangent[:, ::-1] * (-distance, distance) / length


def band(curve: Points, width: float) -> Points:
    """Outline of a band of that width on the right side of a curve."""
    return join(curve, offset(curve, width)[::-1])


def direction(degrees: float) -> Points:
    """Unit vector (2,): 0 points down, 90 to the right."""
    a = np.deg2rad(degrees)
    return np.array([np.sin(a), np.cos(a)])


def rotation(degrees: float) -> NDArray[np.float64]:
    """2×2 matrix M such that `M @ point` is rotated clockwise on screen."""
    a = np.deg2rad(degrees)
    return np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])


def project(points: Points, homography: NDArray[np.float64]) -> Points:
    """The points mapped by a 3×3 homography."""
    p = points @ homography[:, :2].T + homography[:, 2]
    return p[:, :2] / p[:, 2:]
