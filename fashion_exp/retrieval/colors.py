"""Colors and pattern of the garment in a photo, with the background put aside."""

from __future__ import annotations

import cv2
import numpy as np

from fashion_exp.data.geometry import Geometry

GEOMETRY = Geometry(96, "stretch", "bilinear", 3)
"""In which photos are measured: whole, and small, since colors need no detail."""

SHADES: dict[str, tuple[int, int, int]] = {
    "black": (45, 45, 45), "dark gray": (85, 85, 85), "gray": (135, 135, 135),
    "light gray": (150, 150, 150), "white": (195, 195, 195), "beige": (200, 175, 145),
    "brown": (105, 70, 45), "red": (190, 28, 36), "dark red": (105, 22, 34),
    "pink": (215, 150, 155), "magenta": (205, 50, 120), "orange": (232, 120, 40),
    "yellow": (238, 205, 70), "olive": (95, 95, 70), "green": (50, 130, 65),
    "light green": (150, 200, 135), "dark green": (30, 68, 45), "turquoise": (60, 165, 165),
    "light blue": (150, 170, 195), "blue": (45, 90, 180), "navy": (45, 52, 70),
    "purple": (105, 58, 135), "lavender": (188, 165, 212),
}  # fmt: skip
"""Names of colors and a typical sRGB value of each in photos taken indoors, where white is light
gray. They were chosen on 100 photos of tests/retrieval/clothing_colors.csv; on the other 100 the
main color is one of those listed for 77 %."""

COLORS: dict[str, tuple[str, ...]] = {
    "black": ("black",), "gray": ("dark gray", "gray", "light gray"), "white": ("white",),
    "beige": ("beige",), "brown": ("brown",), "red": ("red", "dark red"),
    "pink": ("pink", "magenta"), "orange": ("orange",), "yellow": ("yellow",),
    "green": ("olive", "green", "light green", "dark green"), "turquoise": ("turquoise",),
    "blue": ("light blue", "blue", "navy"), "purple": ("purple", "lavender"),
}  # fmt: skip
"""The shades of each basic color, by which photos are filtered."""

PATTERNS = ("plain", "striped", "patterned")

_WEIGHTS = np.array([0.4, 1, 1], np.float32)
"""Of lightness, which light and shade change, and of the two color axes."""
_MARGIN = 0.08
"""Share of each edge that is background at the start."""
_ITERATIONS = 3
_CLOSING = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (11, 11))
_MIN_SHARE, _MAX_SHARE = 0.05, 0.9
"""Share of the photo that a garment covers; otherwise the middle of the photo counts."""
_PLAIN_CONTRAST = 9.0
"""Standard deviation of lightness inside the garment, after its shading is removed, L* units."""


def measure_garment(image: np.ndarray) -> dict[str, float]:
    """For a photo, uint8 (size, size, 3): shade_<name>, the share of the garment's pixels whose
    nearest shade in CIELAB it is, and pattern_<pattern>, shares that sum to one."""
    inside = garment_mask(image)
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    difference = (lab[inside][:, None] - _SHADES_LAB) * _WEIGHTS
    distances = np.linalg.norm(difference, axis=2)
    counts = np.bincount(distances.argmin(1), minlength=len(SHADES))
    shares = counts / counts.sum()
    colors = {f"shade_{name}": float(x) for name, x in zip(SHADES, shares, strict=True)}
    return colors | _pattern(lab[..., 0], inside)


def garment_mask(image: np.ndarray) -> np.ndarray:
    """bool (size, size): the garment by GrabCut (Rother, Kolmogorov and Blake 2004), which starts
    from a frame of background around the photo; the middle of the photo if that fails."""
    size = len(image)
    edge = round(size * _MARGIN)
    mask = np.zeros((size, size), np.uint8)
    state = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(0)
    try:
        frame = (edge, edge, size - 2 * edge, size - 2 * edge)
        cv2.grabCut(image, mask, frame, *state, _ITERATIONS, cv2.GC_INIT_WITH_RECT)
    except cv2.error:  # one color only
        mask[:] = cv2.GC_BGD
    inside = (mask == cv2.GC_FGD) | (mask == cv2.GC_PR_FGD)
    closed = cv2.morphologyEx(inside.astype(np.uint8), cv2.MORPH_CLOSE, _CLOSING)
    inside = closed.astype(bool)  # stripes of the background's color belong to the garment
    if not _MIN_SHARE <= inside.mean() <= _MAX_SHARE:
        inside = np.zeros((size, size), bool)
        inside[size // 4 : -size // 4, size // 4 : -size // 4] = True
    return inside


def _pattern(lightness: np.ndarray, inside: np.ndarray) -> dict[str, float]:
    """Contrast inside the garment, and whether its edges share one direction: the coherence of the
    structure tensor."""
    weights = cv2.erode(inside.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(np.float32)
    if weights.sum() < 50:
        weights = inside.astype(np.float32)
    blurred = cv2.GaussianBlur(lightness * weights, (0, 0), 6)
    shading = blurred / np.maximum(cv2.GaussianBlur(weights, (0, 0), 6), 1e-6)
    detail = (lightness - shading) * weights
    contrast = float(np.sqrt((detail**2).sum() / weights.sum()))
    dx = cv2.Sobel(lightness, cv2.CV_32F, 1, 0) * weights
    dy = cv2.Sobel(lightness, cv2.CV_32F, 0, 1) * weights
    xx, yy, xy = float((dx * dx).sum()), float((dy * dy).sum()), float((dx * dy).sum())
    coherence = float(np.hypot(xx - yy, 2 * xy) / max(xx + yy, 1e-6))
    busy = float(1 / (1 + np.exp(-(contrast - _PLAIN_CONTRAST) / 2)))
    striped = busy * float(1 / (1 + np.exp(-(coherence - 0.45) / 0.08)))
    return {"pattern_plain": 1 - busy, "pattern_striped": striped,
            "pattern_patterned": busy - striped}  # fmt: skip


def _to_lab(values: np.ndarray) -> np.ndarray:
    """(n, 3) of sRGB, 0 to 255, as CIELAB."""
    pixels = (values.astype(np.float32) / 255)[None]
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB)[0])


_SHADES_LAB = _to_lab(np.array(list(SHADES.values())))
