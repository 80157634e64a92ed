"""Curves and outlines: points are float arrays of shape (n, 2), x to the right, y downwards."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]


@cache
def _catmull_rom(points: int, samples: int) -> NDArray[np.float64]:
    """Weight of each control point (columns) on each sample of the curve (rows)."""
    t = np.arange(samples)[:, None] / samples
    basis = np.array([[0, 2, 0, 0], [-1, 0, 1, 0], [2, -5, 4, -1], [-1, 3, -3, 1]]) / 2
    local = np.hstack([np.ones_like(t), t, t**2, t**3]) @ basis
    weights = np.zeros(((points - 1) * samples + 1, points + 2))
    for k in range(points - 1):
        weights[k * samples : (k + 1) * samples, k : k + 4] = local
    weights[-1, points] = 1
    # Beyond either end the curve goes on as the second point mirrored in the first.
    weights[:, 1] += 2 * weights[:, 0]
    weights[:, 2] -= weights[:, 0]
    weights[:, -2] += 2 * weights[:, -1]
    weights[:, -3] -= weights[:, -1]
    return weights[:, 1:-1]


def spline(points: Sequence[Sequence[float]] | Points, samples: int = 6) -> Points:
    """Smooth open curve through the points, both ends included (Catmull and Rom, 1974)."""
    p = np.array(points, dtype=float)
    return _catmull_rom(len(p), samples) @ p


def closed(one: Points, *others: Points) -> Points:
    """The outline that runs along each edge in turn."""
    return np.concatenate((one, *others))


def moved(points: Points, x: float, y: float) -> Points:
    """The points shifted."""
    return points + np.array([x, y])


def box(x: float, y: float, half_width: float, half_height: float) -> Points:
    """The corners of an upright rectangle around a centre, clockwise from the top left."""
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    return moved(corners * (half_width, half_height), x, y)


def mirror(points: Points) -> Points:
    """The points on the other side of x = 0, in reverse order (so that outlines join up)."""
    return points[::-1] * (-1.0, 1.0)


def offset(curve: Points, width: float) -> Points:
    """The parallel of a curve at a distance, to the right of whoever walks along it."""
    along = np.empty_like(curve)
    along[1:-1] = curve[2:] - curve[:-2]
    along[0], along[-1] = curve[1] - curve[0], curve[-1] - curve[-2]
    length = np.sqrt(along[:, :1] ** 2 + along[:, 1:] ** 2)
    return curve + along[:, ::-1] * (-width, width) / length


def strip(curve: Points, width: float) -> Points:
    """Outline of a band of that width to the right of a curve."""
    return closed(curve, offset(curve, width)[::-1])


def heading(degrees: float) -> Points:
    """Unit vector of shape (2,): 0 points down, 90 to the right."""
    a = np.deg2rad(degrees)
    return np.array([np.sin(a), np.cos(a)])


def turn(degrees: float) -> NDArray[np.float64]:
    """2 x 2 matrix M such that `M @ point` is turned clockwise on screen."""
    a = np.deg2rad(degrees)
    return np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])


def project(points: Points, homography: NDArray[np.float64]) -> Points:
    """The points seen through a 3 x 3 homography."""
    p = points @ homography[:, :2].T + homography[:, 2]
    return p[:, :2] / p[:, 2:]
