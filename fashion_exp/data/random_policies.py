"""TrivialAugment and RandAugment as transforms of albumentations, with torchvision's operations.

torchvision's own classes draw from PyTorch's global random numbers, which dropout uses too. These
draw from the numbers of the image.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, Literal

import albumentations
import numpy as np
import torch
from albumentations.core.transforms_interface import BaseTransformInitSchema
from PIL import Image
from pydantic import Field

_OPERATIONS = (
    "Identity", "ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate", "Brightness", "Color",
    "Contrast", "Sharpness", "Posterize", "Solarize", "AutoContrast", "Equalize",
)  # fmt: skip
_WITHOUT_MAGNITUDE = frozenset({"Identity", "AutoContrast", "Equalize"})


class _RandomPolicy(albumentations.ImageOnlyTransform):
    """Applies operations that each image draws from the list above, all equally likely."""

    limits: ClassVar[dict[str, float]]
    """The largest magnitude of each kind of operation."""

    class InitSchema(BaseTransformInitSchema):
        num_magnitude_bins: int = Field(ge=2, le=1000)
        interpolation: Literal["nearest", "bilinear", "bicubic"]
        fill: int = Field(ge=0, le=255)

    def __init__(self, num_magnitude_bins: int, interpolation: str, fill: int, p: float) -> None:
        super().__init__(p=p)
        self.num_magnitude_bins, self.interpolation = num_magnitude_bins, interpolation
        self.fill = fill

    def _draw(self, size: int, magnitude: int | None) -> tuple[str, float]:
        """An operation and its magnitude: step `magnitude` of the bins, None for a random step."""
        name = self.py_random.choice(_OPERATIONS)
        if name in _WITHOUT_MAGNITUDE:
            return name, 0.0
        step = self.py_random.randrange(self.num_magnitude_bins) if magnitude is None else magnitude
        if name == "Posterize":
            return name, round(8 - step * self.limits[name] / (self.num_magnitude_bins - 1))
        if name == "Solarize":
            return name, 255 * self._magnitude(1.0, 0.0, step)
        kind = name.removesuffix("X").removesuffix("Y")
        limit = self.limits.get(kind, self.limits["Enhance"])
        largest = limit * size if kind == "Translate" and limit < 1 else limit
        return name, self._magnitude(0.0, largest, step) * self.py_random.choice((-1, 1))

    def _magnitude(self, first: float, last: float, step: int) -> float:
        """In single precision, as in torchvision: whole pixels and thresholds depend on it."""
        return float(torch.linspace(first, last, self.num_magnitude_bins)[step])

    def apply(
        self, img: np.ndarray, drawn: tuple[tuple[str, float], ...] = (), **params: Any
    ) -> np.ndarray:
        image = Image.fromarray(img[..., 0] if img.shape[-1] == 1 else img)
        for name, magnitude in drawn:
            operation = _operation(name, magnitude, self.interpolation, self.fill)
            image = operation(image)
        return np.asarray(image).reshape(img.shape)


class TrivialAugmentWide(_RandomPolicy):
    """One random operation of random strength (Müller and Hutter, 2021), as in torchvision."""

    limits: ClassVar = {
        "Shear": 0.99,
        "Translate": 32.0,
        "Rotate": 135.0,
        "Enhance": 0.99,
        "Posterize": 6.0,
    }

    def __init__(
        self, num_magnitude_bins: int = 31, interpolation: str = "nearest", fill: int = 0,
        p: float = 1.0,
    ) -> None:  # fmt: skip
        super().__init__(num_magnitude_bins, interpolation, fill, p)

    def get_params_dependent_on_data(
        self, params: dict[str, Any], data: dict[str, Any]
    ) -> dict[str, Any]:
        return {"drawn": (self._draw(params["shape"][1], None),)}


class RandAugment(_RandomPolicy):
    """`num_ops` random operations of one strength (Cubuk et al., 2020), as in torchvision."""

    limits: ClassVar = {
        "Shear": 0.3, "Translate": 150 / 331, "Rotate": 30.0, "Enhance": 0.9, "Posterize": 4.0
    }  # fmt: skip

    class InitSchema(_RandomPolicy.InitSchema):
        num_ops: int = Field(ge=1, le=20)
        magnitude: int = Field(ge=0)

    def __init__(
        self, num_ops: int = 2, magnitude: int = 9, num_magnitude_bins: int = 31,
        interpolation: str = "nearest", fill: int = 0, p: float = 1.0,
    ) -> None:  # fmt: skip
        super().__init__(num_magnitude_bins, interpolation, fill, p)
        if magnitude >= num_magnitude_bins:
            raise ValueError(f"magnitude must be below num_magnitude_bins={num_magnitude_bins}")
        self.num_ops, self.magnitude = num_ops, magnitude

    def get_params_dependent_on_data(
        self, params: dict[str, Any], data: dict[str, Any]
    ) -> dict[str, Any]:
        size = params["shape"][1]
        return {"drawn": tuple(self._draw(size, self.magnitude) for _ in range(self.num_ops))}


def _operation(
    name: str, magnitude: float, interpolation: str, fill: int
) -> Callable[[Image.Image], Image.Image]:
    """The named operation on an RGB or gray image."""
    from torchvision.transforms.v2 import InterpolationMode
    from torchvision.transforms.v2 import functional as F  # takes a second

    mode = InterpolationMode(interpolation)
    moved = partial(F.affine, angle=0.0, scale=1.0, interpolation=mode, fill=fill)
    shear, pixels = math.degrees(math.atan(magnitude)), int(magnitude)
    operations: dict[str, Callable[[Image.Image], Image.Image]] = {
        "Identity": lambda image: image,
        "ShearX": partial(moved, translate=[0, 0], shear=[shear, 0.0], center=[0, 0]),
        "ShearY": partial(moved, translate=[0, 0], shear=[0.0, shear], center=[0, 0]),
        "TranslateX": partial(moved, translate=[pixels, 0], shear=[0.0, 0.0]),
        "TranslateY": partial(moved, translate=[0, pixels], shear=[0.0, 0.0]),
        "Rotate": partial(F.rotate, angle=magnitude, interpolation=mode, fill=fill),
        "Brightness": partial(F.adjust_brightness, brightness_factor=1 + magnitude),
        "Color": partial(F.adjust_saturation, saturation_factor=1 + magnitude),
        "Contrast": partial(F.adjust_contrast, contrast_factor=1 + magnitude),
        "Sharpness": partial(F.adjust_sharpness, sharpness_factor=1 + magnitude),
        "Posterize": partial(F.posterize, bits=int(magnitude)),
        "Solarize": partial(F.solarize, threshold=magnitude),
        "AutoContrast": F.autocontrast,
        "Equalize": F.equalize,
    }
    return operations[name]


class OwnTransform(albumentations.ImageOnlyTransform):
    """A function of the user's; its random numbers are those of the image."""

    def __init__(self, function: Callable[..., np.ndarray], p: float) -> None:
        super().__init__(p=p)
        self._function = function

    def apply(self, img: np.ndarray, **params: Any) -> np.ndarray:
        return self._function(img.copy(), self.random_generator)


RANDOM_POLICIES: dict[str, type[albumentations.BasicTransform]] = {
    "TrivialAugmentWide": TrivialAugmentWide,
    "RandAugment": RandAugment,
}
