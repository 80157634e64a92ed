"""What a run's networks look at, and whether removing it changes what they predict."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import ndimage
from torch.nn import functional

from fashion_exp.configuration.schema import Head
from fashion_exp.data.geometry import pack, unpack
from fashion_exp.errors import InputError, suggest
from fashion_exp.inference.images import Photo, decoded
from fashion_exp.models.activation_map import activation_maps, cell_offset
from fashion_exp.reporting.heatmap import overlay
from fashion_exp.stats.interval import Interval
from fashion_exp.stats.paired_t import paired_grouped

if TYPE_CHECKING:
    from fashion_exp.inference.trained_run import TrainedRun

METHODS = ("activation", "occlusion")
STEPS = 10
"""Points of a deletion curve after its first: 10 %, 20 %, …, 100 % of the image are removed."""
GRID = 7
"""Positions of the occluding square in each direction."""
SQUARE = 1 / 4
"""Side of the occluding square as a share of the image's side."""
BATCH = 64
"""Changed copies of an image that are computed at a time."""


@dataclass(frozen=True)
class Source:
    """A photo to explain."""

    name: str
    photo: Photo
    label: str = ""
    """Its true class, if known."""
    models: Sequence[str] = ()
    """Those that explain it, such as those that were not trained on it; default: all."""


@dataclass(frozen=True)
class Explanation:
    """Maps of one photo, for one class."""

    name: str
    label: str
    image: np.ndarray
    """As the first network sees it, uint8 (size, size, channels)."""
    predicted: str
    probability: float
    """Of the explained class."""
    explained: str
    maps: Mapping[str, np.ndarray]
    """By method, (rows, columns): positive where the image speaks for the class. "activation": the
    shares of the score (`activation_maps`); "occlusion": how much the probability falls when a
    square there is covered."""
    label_map: np.ndarray | None = None
    """The activation map for the true class, if that is another one."""
    curves: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Probability of the class, (STEPS + 1,), when the cells are removed from the highest on: of
    each map ("occlusion"), of random orders of its cells ("occlusion, random"), and of the map of
    the photo before ("occlusion, other photo")."""

    def area(self, curve: str) -> float:
        """Under a deletion curve, in [0, 1]; small if what is removed first matters."""
        return float(np.trapezoid(self.curves[curve], dx=1 / STEPS))


def explain(
    run: TrainedRun,
    sources: Iterable[Source],
    *,
    class_name: str | None = None,
    models: Sequence[str] | None = None,
    methods: Sequence[str] | None = None,
    check: bool = True,
    seed: int = 0,
) -> Iterator[Explanation]:
    """The maps of photos for their predicted class or for `class_name`.

    A map is the mean over the models, and the sum over their backbones. By default `methods` are
    those of `methods_of`. With `check`, the cells of each map are removed in the order of their
    contributions: they get the mean color of the image, and the probability of the class
    is computed anew (deletion curve, Petsiuk et al. 2018, BMVC). Random orders and the map of the
    photo before are controls: a map that merely marks the middle does no better than the latter.

    Raises `InputError` for an unknown class, model or method, a photo that is none, and a network
    that has no activation map.
    """
    methods = tuple(methods or methods_of(run))
    _check(run, class_name, methods)
    offsets = _offsets(run) if "activation" in methods else None
    rng = np.random.default_rng(seed)
    before: dict[str, np.ndarray] = {}
    for source in sources:
        names = tuple(models or source.models or run.model_names)
        parts = unpack(run.preprocess(decoded(run, source.photo)), run.geometry)
        (shares,) = _probabilities(run, [part[None] for part in parts], names)
        predicted = run.classes[int(shares.argmax())]
        explained = class_name or predicted
        index = run.classes.index(explained)
        maps = {
            method: _occlusion(run, parts, index, names)
            if offsets is None or method == "occlusion"
            else _activation(run, parts, index, names, offsets)
            for method in methods
        }
        curves: dict[str, np.ndarray] = {}
        if check:
            orders = maps | _controls(maps, before, rng)
            curves = _deletion_curves(run, parts, index, names, orders)
        before = maps
        probability = float(shares[index])
        label_map = None
        if source.label in run.classes and source.label != explained and offsets is not None:
            label = run.classes.index(source.label)
            label_map = _activation(run, parts, label, names, offsets)
        yield Explanation(
            source.name, source.label, parts[0], predicted, probability, explained, maps, label_map,
            curves,
        )  # fmt: skip


def methods_of(run: TrainedRun) -> tuple[str, ...]:
    """The kinds of maps that a run can have."""
    return ("occlusion",) if _why_no_activation(run) else METHODS


def _why_no_activation(run: TrainedRun) -> str:
    """Why a run has no activation maps; empty if it can have them."""
    if run.config.model.head is Head.knn:
        return "the votes of nearest neighbors have no gradient, which activation maps are made of"
    if run.plan.test_views != "none":
        return f"model.test_views={run.plan.test_views} adds up views of different places"
    return ""


def _check(run: TrainedRun, class_name: str | None, methods: Sequence[str]) -> None:
    for method in methods:
        if method not in METHODS:
            raise InputError(f"method={method}: no such method; {suggest(method, METHODS)}")
    if class_name is not None and class_name not in run.classes:
        raise InputError(f"class {class_name}: not in this run; {suggest(class_name, run.classes)}")
    if "activation" in methods and (reason := _why_no_activation(run)):
        raise InputError(f"{run.run.path}: {reason}; use method=occlusion")


def _controls(
    maps: Mapping[str, np.ndarray], before: Mapping[str, np.ndarray], rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """What each map is compared with, by the names in `Explanation.curves`."""
    controls = {f"{name}, random": rng.permuted(map, axis=None) for name, map in maps.items()}
    return controls | {f"{name}, other photo": map for name, map in before.items()}


@dataclass(frozen=True)
class QuickMaps:
    """One map of an image, for the predicted class and without a check."""

    run: TrainedRun

    def __call__(self, image: np.ndarray, source: Source) -> Explanation:
        """`image` is as `TrainedRun.preprocess` gives it. Raises `InputError` for a network without
        a map."""
        run, parts = self.run, unpack(image, self.run.geometry)
        names = tuple(source.models or run.model_names)
        (shares,) = _probabilities(run, [part[None] for part in parts], names)
        index, (method, *_) = int(shares.argmax()), methods_of(run)
        maps = (
            _occlusion(run, parts, index, names)
            if method == "occlusion"
            else _activation(run, parts, index, names, self._offsets)
        )
        name = run.classes[index]
        return Explanation(
            source.name, source.label, parts[0], name, float(shares[index]), name, {method: maps}
        )

    @cached_property
    def _offsets(self) -> list[tuple[float, float]]:
        return _offsets(self.run)

    def png(self, image: np.ndarray) -> bytes:
        """The image under its map."""
        item = self(image, Source("photo", image))
        (activation_map,) = item.maps.values()
        buffer = io.BytesIO()
        overlay(item.image, activation_map).save(buffer, "png")
        return buffer.getvalue()


def compare_with_control(
    explanations: Sequence[Explanation], method: str, control: str, level: float = 0.95
) -> Interval:
    """Mean over the photos of the area under the control's deletion curve minus the map's own.

    Above 0, the map finds what the networks use better than the control ("random", "other photo").
    The photos are the sampling unit: a paired t-interval. Undefined for fewer than two photos.
    """
    other = f"{method}, {control}"
    pairs = [(item.area(other), item.area(method)) for item in explanations if other in item.curves]
    differences = [area - own for area, own in pairs]
    return paired_grouped(differences, range(len(differences)), level).interval


def _probabilities(
    run: TrainedRun, images: Sequence[np.ndarray], names: Sequence[str]
) -> np.ndarray:
    """(n, classes), the mean over the models, of n images of each part, (n, size, size,
    channels)."""
    models = [run.model(name) for name in names]  # loaded here: a map needs tensors with gradients
    parts = []
    for batch in torch.from_numpy(pack(images)).permute(0, 3, 1, 2).split(BATCH):
        with torch.inference_mode():
            if run.shares_backbone:
                features = models[0].features(batch)
                logits = [model.evaluation_head(features) for model in models]
            else:
                logits = [model(batch) for model in models]
            parts.append(torch.stack(logits).softmax(dim=2).mean(dim=0))
    return torch.cat(parts).numpy()


def _offsets(run: TrainedRun) -> list[tuple[float, float]]:
    """Where the content of a cell lies, for each backbone."""
    backbones = run.model(run.model_names[0]).backbones
    return [
        cell_offset(backbone, plan.size, plan.channels)
        for backbone, plan in zip(backbones, run.plan.networks, strict=True)
    ]


def _activation(
    run: TrainedRun, parts: Sequence[np.ndarray], index: int, names: Sequence[str],
    offsets: Sequence[tuple[float, float]],
) -> np.ndarray:  # fmt: skip
    """The mean over the models, moved to where the cells' content lies in the image. Maps of
    several backbones are added in the cells of the finest."""
    batch, target = torch.from_numpy(pack(parts)).permute(2, 0, 1)[None], torch.tensor([index])
    maps_of_models = [activation_maps(run.model(name), batch, target) for name in names]
    moved = []
    for maps, offset in zip(zip(*maps_of_models, strict=True), offsets, strict=True):
        mean = torch.stack(maps).mean(dim=0)[0].numpy()
        moved.append(ndimage.shift(mean, offset, order=1, mode="nearest"))
    finest = max((map.shape for map in moved), key=math.prod)
    return np.asarray(sum(_in_cells(map, finest) for map in moved))


def _in_cells(map: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The map in other cells, with about the same sum."""
    cells = torch.from_numpy(map)[None, None]
    resized = functional.interpolate(cells, list(shape), mode="bilinear")[0, 0].numpy()
    return np.asarray(resized * (map.size / math.prod(shape)))


def _occlusion(
    run: TrainedRun, parts: Sequence[np.ndarray], index: int, names: Sequence[str]
) -> np.ndarray:
    covered = [_covered(part) for part in parts]
    first, *others = _probabilities(run, covered, names)[:, index]
    return (first - np.array(others)).reshape(GRID, GRID)


def _covered(image: np.ndarray) -> np.ndarray:
    """(1 + GRID², size, size, channels): the image, and under the square in each position."""
    size, side = len(image), max(1, round(SQUARE * len(image)))
    starts = np.linspace(0, size - side, GRID).round().astype(int)
    covered = np.repeat(image[None], GRID * GRID + 1, axis=0)
    for copy, (top, left) in zip(
        covered[1:], ((y, x) for y in starts for x in starts), strict=True
    ):
        copy[top : top + side, left : left + side] = _fill(image)
    return covered


def _deletion_curves(
    run: TrainedRun, parts: Sequence[np.ndarray], index: int, names: Sequence[str],
    orders: Mapping[str, np.ndarray],
) -> dict[str, np.ndarray]:  # fmt: skip
    changed = [
        np.concatenate([part[None], *(_removed(part, values) for values in orders.values())])
        for part in parts
    ]
    first, *others = _probabilities(run, changed, names)[:, index]
    curves = np.insert(np.reshape(others, (len(orders), STEPS)), 0, first, axis=1)
    return dict(zip(orders, curves, strict=True))


def _removed(image: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(STEPS, size, size, channels): the image without its highest cells, more at each step."""
    ranks = np.empty(values.size, int)
    ranks[np.argsort(-values, axis=None, kind="stable")] = np.arange(values.size)
    rows, columns = (
        (np.arange(size) * cells) // size
        for size, cells in zip(image.shape, values.shape, strict=False)
    )
    rank = ranks.reshape(values.shape)[rows[:, None], columns]
    counts = np.linspace(0, values.size, STEPS + 1).round()[1:]
    gone = rank[None] < counts[:, None, None]
    return np.where(gone[..., None], _fill(image), image[None])


def _fill(image: np.ndarray) -> np.ndarray:
    """The color of removed parts: the mean of the image."""
    return image.mean(axis=(0, 1)).round().astype(np.uint8)
