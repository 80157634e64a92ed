"""Random operations on training images, each a function of (seed, epoch, image) alone."""

from __future__ import annotations

import inspect
import os
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from random import Random
from typing import Any

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it would ask the internet at import

import albumentations
import numpy as np
from pydantic import ValidationError

from fashion_exp.data.batches import View
from fashion_exp.data.pixels import Pixels
from fashion_exp.errors import InputError, suggest
from fashion_exp.seeding import derive_seed

_PROBES = 8


class Augmentation:
    """A list of albumentations transforms, given by name and arguments.

    Calling it gives an image of the same shape and dtype. Raises `InputError` at construction for
    an unknown transform or argument, and for one that changes shape or dtype.
    """

    def __init__(self, knob: str, operations: Sequence[dict[str, Any]], shape: tuple[int, ...]):
        transforms = [_transform(f"{knob}[{i}]", dict(spec)) for i, spec in enumerate(operations)]
        self._compose = albumentations.Compose(transforms) if transforms else None
        _check_output(knob, self, shape)

    def __call__(self, image: np.ndarray, seed: int) -> np.ndarray:
        """The image (size, size, channels) uint8 under the random numbers of `seed`."""
        if self._compose is None:
            return image
        # albumentations gives every process and epoch the same stream unless told each time; told a
        # seed alone, it has each operation draw the same numbers: all are done to an image, or none
        self._compose.set_random_state(np.random.default_rng(seed), Random(seed))
        return self._compose(image=image)["image"]


def fixed_augmentation(
    knob: str, operations: Sequence[dict[str, Any]], shape: tuple[int, ...]
) -> Augmentation:
    """An augmentation for every image, evaluation included.

    Raises `InputError` if it is random: what is evaluated must not be.
    """
    augmentation = Augmentation(knob, operations, shape)
    probe = _probe(shape)
    results = [augmentation(probe, seed) for seed in range(_PROBES)]
    if any(not np.array_equal(results[0], other) for other in results[1:]):
        raise InputError(
            f"{knob}: a random operation would change what is evaluated from call to call; "
            "move it to augmentation.operations, or give it p: 1.0 and fixed limits"
        )
    return augmentation


def image_seed(seed: int, epoch: int, image_id: str, copy: int) -> int:
    """The random numbers of one view of one image."""
    return derive_seed("augmentation", seed, epoch, image_id, copy)


def _transform(where: str, spec: dict[str, Any]) -> Any:
    name = spec.pop("name", None)
    if not isinstance(name, str):
        raise InputError(
            f"{where}: an operation needs a name, e.g. {{name: HorizontalFlip, p: 0.5}}"
        )
    kind = getattr(albumentations, name, None)
    if not (inspect.isclass(kind) and issubclass(kind, albumentations.BasicTransform)):
        raise InputError(f"{where}: albumentations has no {name}; {suggest(name, _names())}")
    arguments = [p for p in inspect.signature(kind.__init__).parameters if p != "self"]
    for argument in spec:
        if argument not in arguments:
            raise InputError(f"{where}: {name} has no {argument}; {suggest(argument, arguments)}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return kind(**{key: _tuples(value) for key, value in spec.items()})
    except ValidationError as error:
        problem = error.errors()[0]
        reason = f"{'.'.join(map(str, problem['loc'][:1]))}: {problem['msg'].lower()}"
        raise InputError(f"{where}: {name} refuses its arguments ({reason})") from None
    except (ValueError, TypeError, Warning) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{where}: {name} refuses its arguments: {reason}") from None


def _names() -> list[str]:
    kinds = inspect.getmembers(albumentations, inspect.isclass)
    return [name for name, kind in kinds if issubclass(kind, albumentations.BasicTransform)]


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def _probe(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def _check_output(knob: str, augmentation: Augmentation, shape: tuple[int, ...]) -> None:
    try:
        image = augmentation(_probe(shape), 0)
    except Exception as error:  # whatever a transform raises, it does not suit these images
        reason = " ".join(str(error).split())
        raise InputError(f"{knob}: does not work on {shape} images: {reason}") from None
    if image.shape != shape or image.dtype != np.uint8:
        raise InputError(
            f"{knob}: gives {image.dtype} {image.shape} for uint8 {shape}; use operations that "
            "keep size and type (input size: dataset.image_size; scaling is the model's)"
        )


class Views:
    """The pixels of a data set as the network sees them: plain, or augmented for training.

    `fixed` is done to every image, `random` to training views only.
    """

    def __init__(
        self, pixels: Pixels, image_ids: Sequence[str], fixed: Augmentation, random: Augmentation
    ) -> None:
        self._pixels, self._image_ids = pixels, image_ids
        self._fixed, self._random = fixed, random

    @property
    def key(self) -> str:
        """What the pixels depend on, beside their images, as a hash."""
        return self._pixels.store.folder.name

    def plain(self, view: View) -> np.ndarray:
        return self._fixed(self._pixels[view[1]], 0)

    def augmented(self, seed: int) -> Callable[[View], np.ndarray]:
        """The reader of training views under a seed."""
        return partial(self._augment, seed)

    def _augment(self, seed: int, view: View) -> np.ndarray:
        epoch, row, copy = view
        return self._random(self.plain(view), image_seed(seed, epoch, self._image_ids[row], copy))
