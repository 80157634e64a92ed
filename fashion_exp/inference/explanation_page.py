"""Pictures of what a run's networks look at, a page that shows them, and what the check says."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from fashion_exp.comparison.misclassified import load_run_images
from fashion_exp.comparison.run_data import load_run
from fashion_exp.data.table import UnreadableImageError
from fashion_exp.errors import InputError
from fashion_exp.evaluation.predictions import class_names, labels_and_probabilities
from fashion_exp.inference.explain import (
    Explanation,
    QuickMaps,
    Source,
    compare_with_control,
    explain,
)
from fashion_exp.inference.images import Photo, as_list, name_of
from fashion_exp.inference.sources import list_photos
from fashion_exp.reporting.formats import percent, photo_count
from fashion_exp.reporting.heatmap import side_by_side
from fashion_exp.reporting.photo_page import PhotoPage, Section, write_photo_page
from fashion_exp.reporting.report_content import Photo as ShownPhoto
from fashion_exp.reporting.report_content import PhotoGroup
from fashion_exp.reporting.style import save
from fashion_exp.reporting.tables import PlainTable
from fashion_exp.stats.interval import MIN_RELIABLE_SCORES

if TYPE_CHECKING:
    from PIL import Image

    from fashion_exp.inference.trained_run import TrainedRun

CONTROLS = {"random": "cells in random order", "other photo": "the cells that another photo's map "
            "marks"}  # fmt: skip
PAGE = "explain.html"
MAX_ERRORS = 24
"""Misclassified photos that are explained if no number is given."""


@dataclass(frozen=True)
class Explained:
    """What `explain_into` found and wrote."""

    page: Path
    sentences: Sequence[str]
    """What the check says; empty without it."""
    rows: Sequence[dict[str, Any]]
    """Per photo: path, label, predicted, explained, probability (of the explained class), picture,
    and the area under each deletion curve."""
    checks: Sequence[dict[str, Any]]
    """Per map and control: the difference of the areas with its 95 % interval, and n photos. Of
    less than `MIN_RELIABLE_SCORES` photos nothing is concluded."""
    unreadable: Mapping[str, str]
    """Why photos could not be read, by path."""


def explain_into(
    run: TrainedRun,
    sources: Sequence[Source],
    into: Path,
    methods: Sequence[str],
    on_progress: Callable[[int], object] = lambda done: None,
    **options: Any,
) -> Explained:
    """Writes a picture of each photo beside its maps, and a page with all of them, into a folder.

    `options` are those of `explain`. Pictures of an earlier call are removed from the folder.
    Raises `InputError`, before anything is written, if no photo can be explained.
    """
    explanations, photos, rows = [], [], []
    unreadable: dict[str, str] = {}
    readable = _readable(run, sources, unreadable)
    for number, item in enumerate(explain(run, readable, methods=methods, **options), start=1):
        if number == 1:
            _remove_pictures(into)
        picture = side_by_side(item.image, _caption(item), _maps(item), "")
        name = re.sub(r"[^\w.-]+", "-", Path(item.name).stem)[:60]
        file = into / f"{number:03}-{name}.png"
        save(picture, file)
        explanations.append(_without_pixels(item))
        rows.append(_row(item) | {"picture": str(file)})
        shown = item.label or item.predicted
        photos.append(ShownPhoto(_jpeg(picture), item.name, shown, _probability(item)))
        on_progress(number + len(unreadable))
    if not explanations:
        name, reason = next(iter(unreadable.items()))
        raise InputError(f"{name}: {reason}")
    on_progress(len(sources))
    checks = [] if not explanations[0].curves else list(_checks(explanations, methods))
    sentences = [_sentence(check) for check in checks]
    title = f"What {run.result.name} looks at"
    lead = (
        f"{photo_count(len(explanations))} beside maps of what speaks for the class that is named."
    )
    group = PhotoGroup("Photos", len(explanations), photos, wide=True)
    sections = [Section("photos", "Photos", _READING, (), [group])]
    if unreadable:
        table = PlainTable(["photo", "reason"], [list(pair) for pair in unreadable.items()])
        failed = f"Photos that could not be read: {len(unreadable):,}"
        sections.append(Section("unreadable", failed, tables=[table]))
    page = PhotoPage(title, [lead, *sentences], sections, f"Run: {run.run.path.name}")
    write_photo_page(page, into / PAGE)
    return Explained(into / PAGE, sentences, rows, checks, unreadable)


def _jpeg(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "jpeg", quality=88)
    return buffer.getvalue()


def map_drawer(run: TrainedRun, predictions: pd.DataFrame) -> Callable[[str, np.ndarray], bytes]:
    """Draws a photo of these predictions, by its image id, beside the map of the class that it is
    taken for by the models that judged it; a JPEG. Raises `InputError` for a network without maps.
    """
    maps, judged_by = QuickMaps(run), judges(predictions)

    def draw(image_id: str, photo: np.ndarray) -> bytes:
        source = Source(image_id, photo, models=judged_by[image_id])
        item = maps(run.preprocess(photo), source)
        return _jpeg(side_by_side(item.image, _caption(item), _maps(item), ""))

    return draw


def judges(predictions: pd.DataFrame) -> dict[str, list[str]]:
    """The models that predicted each image."""
    models = "r" + predictions["repeat"].astype(str) + "f" + predictions["fold"].astype(str)
    groups = models.groupby(predictions["image_id"])
    return {str(image): list(names) for image, names in groups}


def _readable(
    run: TrainedRun, sources: Iterable[Source], unreadable: dict[str, str]
) -> Iterator[Source]:
    """The sources whose photos can be decoded; the others get a reason in `unreadable`."""
    for source in sources:
        photo = source.photo
        try:
            if isinstance(photo, str | PathLike | bytes):
                photo = run.decode(photo if isinstance(photo, bytes) else fspath(photo))
            yield replace(source, photo=photo)
        except UnreadableImageError as error:
            unreadable[source.name] = str(error)


def _remove_pictures(folder: Path) -> None:
    """Those that an earlier call wrote; other files stay."""
    for file in folder.glob("[0-9][0-9][0-9]*-*.png"):
        if re.fullmatch(r"\d{3,}-[\w.-]*\.png", file.name) and (folder / PAGE).is_file():
            file.unlink()


_READING = (
    "activation: the share of each cell of the last feature map in the score of the class.",
    "occlusion: how much the probability falls when a square there is covered.",
    "Bright: speaks for the class. Unchanged: does not, or speaks against it.",
    "A map shows where the network looked, not what it saw there.",
)


def errors_of(run: TrainedRun, cache: Path, count: int) -> list[Source]:
    """The misclassified photos of a run, of its test if it was evaluated, the most confident first.

    Raises `InputError` if there are none, or if the photos are not where they were.
    """
    _check_count(count)
    if run.run.is_refit:
        raise InputError(
            f"{run.run.path}: a refit has no predictions of its own; name photos to explain"
        )
    data = load_run(run.run.path)
    part = "test" if data.is_test_evaluated else "validation"
    frame = data.predictions(part)
    columns = [f"p_{name}" for name in class_names(frame)]
    means = frame.groupby("image_id", sort=True)[columns].mean()
    rows = frame.drop_duplicates("image_id").set_index("image_id").loc[means.index]
    labels, _ = labels_and_probabilities(rows)
    probabilities = means.to_numpy()
    wrong = probabilities.argmax(axis=1) != labels
    order = np.argsort(-probabilities.max(axis=1), kind="stable")
    chosen = [means.index[i] for i in order if wrong[i]][:count]
    if not chosen:
        raise InputError(f"{run.run.path}: no misclassified {part} photo; name photos to explain")
    table = load_run_images(data, cache)
    if table is None:
        raise InputError(f"{run.run.path}: its photos are not available; name photos to explain")
    positions = {image: row for row, image in enumerate(table.rows["image_id"])}
    judged_by = judges(frame)
    return [
        Source(str(rows["path"][i]), table.read(positions[i]), str(rows["label"][i]), judged_by[i])
        for i in chosen
        if i in positions
    ]


def _check_count(count: int) -> None:
    if count < 1:
        raise InputError(f"count={count}: must be 1 or more")


def named_sources(images: object, count: int | None = None) -> list[Source]:
    """Photos as `Run.predict` takes them, those in memory first, at most `count`. Raises
    `InputError` if there is none."""
    if count is not None:
        _check_count(count)
    given = as_list(images)
    paths = [str(item) for item in given if isinstance(item, str | PathLike)]
    photos: list[Photo] = [item for item in given if not isinstance(item, str | PathLike)]
    photos += list_photos(paths, sys.stdin) if paths or not photos else []
    return [
        Source(name_of(photo, number), photo)
        for number, photo in enumerate(photos[:count], start=1)
    ]


def _caption(item: Explanation) -> str:
    return "\n".join([f"label: {item.label}"] * bool(item.label) + [_probability(item)])


def _probability(item: Explanation) -> str:
    text = f"{percent(item.probability)} {item.explained}"
    return text if item.predicted == item.explained else f"{text}; predicted: {item.predicted}"


def _maps(item: Explanation) -> dict[str, np.ndarray]:
    maps = {f"{method}: {item.explained}": values for method, values in item.maps.items()}
    if item.label_map is not None:
        maps[f"activation: {item.label}"] = item.label_map
    return maps


def _row(item: Explanation) -> dict[str, Any]:
    areas = {f"area, {curve}": item.area(curve) for curve in item.curves}
    names = ("label", "predicted", "explained", "probability")
    return {"path": item.name} | {name: getattr(item, name) for name in names} | areas


def _without_pixels(item: Explanation) -> Explanation:
    """A thousand photos must not be held in memory for their curves."""
    return Explanation(**(vars(item) | {"image": item.image[:0]}))


def _checks(
    explanations: Sequence[Explanation], methods: Sequence[str]
) -> Iterator[dict[str, Any]]:
    for method in methods:
        for control in CONTROLS:
            own = f"{method}, {control}"
            compared = [item for item in explanations if own in item.curves]
            if len(compared) < MIN_RELIABLE_SCORES:
                continue
            interval = compare_with_control(explanations, method, control)
            yield {
                "map": method,
                "control": control,
                "area": float(np.mean([item.area(method) for item in compared])),
                "control_area": float(np.mean([item.area(own) for item in compared])),
                "difference": interval.estimate,
                "low": interval.low,
                "high": interval.high,
                "photos": len(compared),
            }


def _sentence(check: dict[str, Any]) -> str:
    low, high, control = check["low"], check["high"], CONTROLS[check["control"]]
    if low is None or low <= 0:
        verdict = (
            f"The data do not show that removing what the {check['map']} map marks lowers the "
        )
        verdict += f"probability more than removing {control}"
    else:
        verdict = f"Removing what the {check['map']} map marks lowers the probability more than "
        verdict += f"removing {control}"
    limits = "no interval" if low is None else f"95 % interval {low:+.2f} to {high:+.2f}"
    return (
        f"{verdict}: area under the deletion curve {check['area']:.2f} against "
        f"{check['control_area']:.2f}, difference {check['difference']:+.2f} ({limits}, "
        f"{photo_count(check['photos'])})."
    )
