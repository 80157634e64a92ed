"""Random operations on training images; each view is a function of (seed, epoch, image)."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from random import Random
from typing import Any, Protocol

import numpy as np
from pydantic import ValidationError

from fashion_exp.data.batches import View
from fashion_exp.data.compat import import_albumentations
from fashion_exp.data.geometry import AnyGeometry, pack, unpack
from fashion_exp.errors import InputError, suggest
from fashion_exp.extensions.registry import own_pieces
from fashion_exp.seeding import derive_seed

_PROBES = 8
_WITHOUT_EFFECT = frozenset(
    {"Lambda", "NoOp", "ToRGB", "ToTensor3D", "ConstrainedCoarseDropout"}  # need functions, masks
    | {"BasicTransform", "DualTransform", "ImageOnlyTransform", "Transform3D"}  # base classes
)
"""Transforms of albumentations that do nothing with arguments that a config can hold."""


class Augmentation:
    """A list of transforms of albumentations and `RANDOM_POLICIES`, given by name and arguments.

    Calling it gives an image of the same shape and dtype. `option` names the list in messages.
    Raises `InputError` for an unknown transform or argument, and for a transform that changes shape
    or dtype.
    """

    def __init__(
        self, option: str, operations: Sequence[dict[str, Any]], shape: tuple[int, ...]
    ) -> None:
        transforms = [_transform(f"{option}[{i}]", spec) for i, spec in enumerate(operations)]
        self._compose = import_albumentations().Compose(transforms) if transforms else None
        _check_output(option, self, shape)

    def __call__(self, image: np.ndarray, seed: int) -> np.ndarray:
        """Transform a uint8 image (size, size, channels) with the random numbers of `seed`."""
        if self._compose is None:
            return image
        # Without this, every process and epoch would draw the same numbers. Its set_random_seed
        # would make all operations of the list draw the same numbers.
        self._compose.set_random_state(np.random.default_rng(seed), Random(seed))
        return self._compose(image=image)["image"]


def deterministic_augmentation(
    option: str, operations: Sequence[dict[str, Any]], shape: tuple[int, ...]
) -> Augmentation:
    """An augmentation for all images, evaluated ones included.

    Raises `InputError` if its result depends on the seed.
    """
    augmentation = Augmentation(option, operations, shape)
    probe = _probe(shape)
    results = [augmentation(probe, seed) for seed in range(_PROBES)]
    if any(not np.array_equal(results[0], other) for other in results[1:]):
        raise InputError(
            f"{option}: a random operation would change evaluated images from call to call; "
            "move it to augmentation.operations, or give it p: 1.0 and fixed limits"
        )
    return augmentation


def augment_packed(
    operations: Sequence[Augmentation], image: np.ndarray, geometry: AnyGeometry
) -> np.ndarray:
    """Applies to the image in each geometry its own deterministic operations."""
    parts = unpack(image, geometry)
    return pack([apply(part, 0) for apply, part in zip(operations, parts, strict=True)])


def _transform(option: str, spec: dict[str, Any]) -> Any:
    arguments = dict(spec)
    name = arguments.pop("name", None)
    if not isinstance(name, str):
        raise InputError(
            f"{option}: an operation needs a name, e.g. {{name: HorizontalFlip, p: 0.5}}"
        )
    if name in _WITHOUT_EFFECT:
        raise InputError(f"{option}: {name} changes no image here; remove it")
    own = own_pieces("transform").get(name)
    if own is not None:
        return _own_transform(option, name, own, arguments)
    albumentations = import_albumentations()
    from fashion_exp.data.random_policies import RANDOM_POLICIES  # imports albumentations too

    transform: Any = RANDOM_POLICIES.get(name, getattr(albumentations, name, None))
    if not _is_transform(transform):
        names = [name for name, _ in inspect.getmembers(albumentations, _is_transform)]
        names += [*RANDOM_POLICIES, *own_pieces("transform")]
        raise InputError(f"{option}: albumentations has no {name}; {suggest(name, names)}")
    parameters = [p for p in inspect.signature(transform.__init__).parameters if p != "self"]
    for argument in arguments:
        if argument not in parameters:
            hint = suggest(argument, parameters)
            raise InputError(f"{option}: {name} has no argument {argument}; {hint}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return transform(**{key: _as_tuples(value) for key, value in arguments.items()})
    except ValidationError as error:
        problem = error.errors()[0]
        reason = f"{'.'.join(map(str, problem['loc'][:1]))}: {problem['msg'].lower()}"
        raise InputError(f"{option}: {name} rejects its arguments ({reason})") from None
    except (ValueError, TypeError, Warning) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{option}: {name} rejects its arguments: {reason}") from None


def is_built_in(name: str) -> bool:
    """Whether a name is that of a transform of albumentations or of this package."""
    from fashion_exp.data.random_policies import RANDOM_POLICIES  # imports albumentations

    return name in RANDOM_POLICIES or _is_transform(getattr(import_albumentations(), name, None))


def _own_transform(
    option: str, name: str, function: Callable[..., np.ndarray], arguments: dict[str, Any]
) -> Any:
    p = arguments.pop("p", 1.0)
    try:
        inspect.signature(function).bind(None, None, **arguments)
    except TypeError as error:
        raise InputError(f"{option}: {name}: {error}") from None
    if not isinstance(p, int | float) or not 0 <= p <= 1:
        raise InputError(f"{option}: {name} rejects its arguments (p: must be from 0 to 1)")
    from fashion_exp.data.random_policies import OwnTransform  # imports albumentations

    return OwnTransform(partial(function, **arguments), p=float(p))


def _is_transform(member: object) -> bool:
    return inspect.isclass(member) and issubclass(member, import_albumentations().BasicTransform)


def _as_tuples(value: Any) -> Any:
    return tuple(_as_tuples(item) for item in value) if isinstance(value, list) else value


def _probe(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def _check_output(option: str, augmentation: Augmentation, shape: tuple[int, ...]) -> None:
    try:
        image = augmentation(_probe(shape), 0)
    except Exception as error:  # transforms document no set of exceptions
        reason = " ".join(str(error).split())
        raise InputError(f"{option}: does not work on {shape} images: {reason}") from None
    if image.shape != shape or image.dtype != np.uint8:
        raise InputError(
            f"{option}: gives {image.dtype} {image.shape} for uint8 {shape}; use operations that "
            "keep size and type (dataset.image_size sets the input size; the model scales values)"
        )


class PixelSource(Protocol):
    """Gives the image of a row, uint8 (size, size, channels)."""

    @property
    def key(self) -> str:
        """Hash of everything besides the image ids that determines the pixels."""
        ...

    def __getitem__(self, row: int, /) -> np.ndarray: ...


class ImageViews:
    """The network's input images: unaugmented, or augmented for training.

    `fixed` applies to all images, `random` to training views only.
    """

    def __init__(
        self, pixels: PixelSource, image_ids: Sequence[str], fixed: Augmentation,
        random: Augmentation,
    ) -> None:  # fmt: skip
        self._pixels, self._image_ids = pixels, image_ids
        self._fixed, self._random = fixed, random

    @property
    def key(self) -> str:
        """The key of the pixel source."""
        return self._pixels.key

    def plain(self, view: View) -> np.ndarray:
        """The unaugmented image of a view."""
        return self._fixed(self._pixels[view[1]], 0)

    def augmented(self, seed: int) -> Callable[[View], np.ndarray]:
        """The reader of training views under a seed."""
        return partial(self._augment, seed)

    def _augment(self, seed: int, view: View) -> np.ndarray:
        epoch, row, copy = view
        view_seed = derive_seed("augmentation", seed, epoch, self._image_ids[row], copy)
        return self._random(self.plain(view), view_seed)
