"""What a run's networks look at, and whether removing it changes what they predict."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import ndimage

from fashion_exp.configuration.schema import Head
from fashion_exp.errors import InputError, suggest
from fashion_exp.inference.images import Photo, decoded
from fashion_exp.models.activation_map import activation_map, cell_offset
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


@dataclass(frozen=True)
class Explanation:
    """Maps of one photo, for one class."""

    name: str
    label: str
    image: np.ndarray
    """As the networks see it, uint8 (size, size, channels)."""
    predicted: str
    probability: float
    """Of the explained class."""
    explained: str
    maps: Mapping[str, np.ndarray]
    """By method, (rows, columns): positive where the image speaks for the class. "activation": the
    shares of the score (`activation_map`); "occlusion": how much the probability falls when a
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
    methods: Sequence[str] = METHODS,
    check: bool = True,
    seed: int = 0,
) -> Iterator[Explanation]:
    """The maps of photos for their predicted class or for `class_name`.

    A map is the mean over the models. With `check`, the cells of each map are removed in the order
    of their contributions: they get the mean color of the image, and the probability of the class
    is computed anew (deletion curve, Petsiuk et al. 2018, BMVC). Random orders and the map of the
    photo before are controls: a map that merely marks the middle does no better than the latter.

    Raises `InputError` for an unknown class, model or method, a photo that is none, and a network
    that has no activation map.
    """
    _check(run, class_name, methods)
    names = tuple(models or run.model_names)
    rng = np.random.default_rng(seed)
    before: dict[str, np.ndarray] = {}
    offset: tuple[float, float] | None = None
    for source in sources:
        image = run.preprocess(decoded(run, source.photo))
        (shares,) = _probabilities(run, image[None], names)
        predicted = run.classes[int(shares.argmax())]
        explained = class_name or predicted
        index = run.classes.index(explained)
        if offset is None and "activation" in methods:
            offset = cell_offset(run.model(names[0]), image.shape[0], image.shape[2])
        maps = {
            method: _occlusion(run, image, index, names)
            if offset is None or method == "occlusion"
            else _activation(run, image, index, names, offset)
            for method in methods
        }
        curves: dict[str, np.ndarray] = {}
        if check:
            orders = maps | _controls(maps, before, rng)
            curves = _deletion_curves(run, image, index, names, orders)
        before = maps
        probability = float(shares[index])
        label_map = None
        if source.label in run.classes and source.label != explained and offset is not None:
            label = run.classes.index(source.label)
            label_map = _activation(run, image, label, names, offset)
        yield Explanation(
            source.name, source.label, image, predicted, probability, explained, maps, label_map,
            curves,
        )  # fmt: skip


def _check(run: TrainedRun, class_name: str | None, methods: Sequence[str]) -> None:
    for method in methods:
        if method not in METHODS:
            raise InputError(f"method={method}: no such method; {suggest(method, METHODS)}")
    if class_name is not None and class_name not in run.classes:
        raise InputError(f"class {class_name}: not in this run; {suggest(class_name, run.classes)}")
    if run.config.model.head is Head.knn:
        raise InputError(
            f"{run.run.path}: the votes of nearest neighbors have no gradient, which the maps are "
            "made of; explain a run with another model.head"
        )
    if run.plan.reads_features:
        has = [f"{run.config.model.name} has several networks"] if run.plan.beside else []
        if run.plan.test_views != "none":
            has.append(f"model.test_views={run.plan.test_views} takes several views")
        raise InputError(
            f"{run.run.path}: explain draws the maps of one network on one view of a photo, and "
            f"{' and '.join(has)}; explain a run of one network on one view"
        )


def _controls(
    maps: Mapping[str, np.ndarray], before: Mapping[str, np.ndarray], rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """What each map is compared with, by the names in `Explanation.curves`."""
    controls = {f"{name}, random": rng.permuted(map, axis=None) for name, map in maps.items()}
    return controls | {f"{name}, other photo": map for name, map in before.items()}


def heatmap(
    run: TrainedRun, photo: Photo, class_name: str | None = None, method: str = "activation"
) -> bytes:
    """A PNG of the photo, as the networks see it, under its map for the predicted class or for
    `class_name`. Raises `InputError` as `explain`."""
    (found,) = explain(
        run, [Source("photo", photo)], class_name=class_name, methods=[method], check=False
    )
    buffer = io.BytesIO()
    overlay(found.image, found.maps[method]).save(buffer, "png")
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


def _probabilities(run: TrainedRun, images: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """(n, classes), the mean over the models, of images (n, size, size, channels)."""
    models = [run.model(name) for name in names]  # loaded here: a map needs tensors with gradients
    parts = []
    for batch in torch.from_numpy(images).permute(0, 3, 1, 2).split(BATCH):
        with torch.inference_mode():
            if run.shares_backbone:
                features = models[0].features(batch)
                logits = [model.head(features) for model in models]
            else:
                logits = [model(batch) for model in models]
            parts.append(torch.stack(logits).softmax(dim=2).mean(dim=0))
    return torch.cat(parts).numpy()


def _activation(
    run: TrainedRun, image: np.ndarray, index: int, names: Sequence[str],
    offset: tuple[float, float],
) -> np.ndarray:  # fmt: skip
    """The mean over the models, moved to where the cells' content lies in the image."""
    batch, target = torch.from_numpy(image).permute(2, 0, 1)[None], torch.tensor([index])
    maps = [activation_map(run.model(name), batch, target)[0].numpy() for name in names]
    return ndimage.shift(np.mean(maps, axis=0), offset, order=1, mode="nearest")


def _occlusion(run: TrainedRun, image: np.ndarray, index: int, names: Sequence[str]) -> np.ndarray:
    size, side = len(image), max(1, round(SQUARE * len(image)))
    starts = np.linspace(0, size - side, GRID).round().astype(int)
    covered = np.repeat(image[None], GRID * GRID + 1, axis=0)
    for copy, (top, left) in zip(
        covered[1:], ((y, x) for y in starts for x in starts), strict=True
    ):
        copy[top : top + side, left : left + side] = _fill(image)
    first, *others = _probabilities(run, covered, names)[:, index]
    return (first - np.array(others)).reshape(GRID, GRID)


def _deletion_curves(
    run: TrainedRun, image: np.ndarray, index: int, names: Sequence[str],
    orders: Mapping[str, np.ndarray],
) -> dict[str, np.ndarray]:  # fmt: skip
    changed = [_removed(image, values) for values in orders.values()]
    first, *others = _probabilities(run, np.concatenate([image[None], *changed]), names)[:, index]
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
