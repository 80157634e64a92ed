"""Which photos of an unlabeled folder to label next, as a review page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from fashion_exp.active.strategies import STRATEGIES, Pool, Query
from fashion_exp.data.image_files import printable_path
from fashion_exp.data.label_decisions import read_decisions, resolve_decisions
from fashion_exp.data.label_shares import SEPARATOR, format_shares
from fashion_exp.data.label_versions import Labels
from fashion_exp.data.table import ImageTable
from fashion_exp.errors import InputError
from fashion_exp.inference.new_photos import NewPhotos
from fashion_exp.inference.own_features import own_features
from fashion_exp.inference.predict import predict_batches
from fashion_exp.inference.trained_run import TrainedRun
from fashion_exp.inspection.duplicates import find_groups, find_pairs, usable_images
from fashion_exp.inspection.image_tree import ImageFile
from fashion_exp.inspection.run_photos import MAX_MEGAPIXELS, inspect_table_files
from fashion_exp.reporting.formats import percent, pluralize
from fashion_exp.reporting.photo_page import thumbnail
from fashion_exp.reporting.progress import Progress
from fashion_exp.reporting.review_page import ReviewCase, ReviewPage
from fashion_exp.seeding import derive_seed

BY_FEATURES = ("badge", "coreset", "usdm")
"""Strategies that need features."""
MAX_CANDIDATES = 4000
"""Photos that a strategy chooses from; of more, the least sure ones. `usdm` compares all pairs."""
UNLABELED = "unlabeled"
THUMBNAIL_SIZE = 320
"""Longer side in px: a person decides by the image."""


@dataclass(frozen=True)
class Predicted:
    """What a run predicts for new photos."""

    image_ids: Sequence[str]
    paths: Sequence[str]
    probabilities: np.ndarray
    """(models, n, classes)"""
    features: np.ndarray | None
    """(n, width) of a backbone that the models share."""
    undecodable: int

    def files(self, positions: Sequence[int]) -> list[tuple[str, str]]:
        """(image id, path) of some photos."""
        return [(self.image_ids[position], self.paths[position]) for position in positions]


def predict_photos(run: TrainedRun, photos: NewPhotos, progress: Progress) -> Predicted:
    """Raises `InputError` if no photo can be decoded."""
    ids = {path: image for image, path in photos.paths.items()}
    tick = progress.stage("predicting", len(ids))
    paths, outputs = list[str](), []
    for chunk, reasons, output in predict_batches(run, list(ids), on_progress=tick):
        paths += [path for path, reason in zip(chunk, reasons, strict=True) if not reason]
        outputs.append(output)
    if not paths:
        raise InputError(f"{next(iter(ids))}: no photo can be decoded")
    features = [output.features for output in outputs if output.features is not None]
    return Predicted(
        [ids[path] for path in paths], paths,
        np.concatenate([output.probabilities for output in outputs], axis=1),
        np.concatenate(features) if features else None, len(ids) - len(paths),
    )  # fmt: skip


def read_decided(
    files: Sequence[Path], photos: NewPhotos, classes: Sequence[str], source: str
) -> dict[str, Labels]:
    """{image id: labels} of the photos that a person has decided on; no labels if excluded.

    Raises `InputError` for an invalid file, a photo that is not there, and a class that the run
    does not have.
    """
    decisions = [decision for file in files for decision in read_decisions(file)]
    unlabeled: dict[str, Labels] = dict.fromkeys(photos.all_ids, ("",))
    resolved = resolve_decisions(decisions, unlabeled, classes, source)
    return {image: labels for image, labels in resolved.items() if labels != ("",)}


def group_copies(
    paths: Sequence[str], own: Sequence[ImageFile], cache: Path, progress: Progress
) -> list[list[int]]:
    """Positions of photos that show the same, by pixels and near copies; each photo once, without
    those that show the same as one of the runs' `own`."""
    files = [
        ImageFile(f"{n:09}", str(Path(path).resolve()), "", "") for n, path in enumerate(paths)
    ]
    files += [replace(file, path=f"own {n:09}") for n, file in enumerate(own)]
    tick = progress.stage("looking for copies", len(files))
    inspections = inspect_table_files(files, cache, MAX_MEGAPIXELS, tick)
    images = usable_images(files, inspections)
    copies, single = list[list[int]](), set(range(len(paths)))
    for group in find_groups(images, find_pairs(images, lambda done, total=None: None), {}):
        new = [int(member.path) for member in group.members if member.path.isdecimal()]
        single -= set(new)
        copies += [new] if len(new) == len(group.members) else []
    return sorted([*copies, *([number] for number in single)])


def development_ids(run: TrainedRun) -> list[str]:
    """Image ids of the run's photos that are neither in its test nor copies of such photos."""
    split = pd.read_csv(run.run.split_file, dtype=str, keep_default_na=False)
    parts = split[list(run.model_names)]
    return split["image_id"][parts.isin(["train", "validation"]).any(axis=1)].to_list()


def choose(
    run: TrainedRun, predicted: Predicted, positions: np.ndarray, strategy: str, count: int,
    seed: int, progress: Progress,
) -> np.ndarray:  # fmt: skip
    """Those of `positions` to label next, at most `count`, the first to be labeled first.

    Raises `InputError` for a strategy that the run does not allow.
    """
    probabilities = predicted.probabilities[:, positions].astype(np.float64)
    mean = probabilities.mean(0)
    if len(positions) > MAX_CANDIDATES and strategy != "random":
        sure = np.partition(mean, -2, axis=1)
        candidates = np.sort(np.argsort(sure[:, -1] - sure[:, -2], kind="stable")[:MAX_CANDIDATES])
        positions, probabilities, mean = (
            positions[candidates],
            probabilities[:, candidates],
            mean[candidates],
        )
    if strategy == "bald" and len(probabilities) < 2:
        raise InputError("strategy=bald: needs a run of several models; choose margin")
    features = np.zeros((len(positions), 1), np.float32)
    labeled = np.arange(0)
    if strategy in BY_FEATURES:
        if predicted.features is None:
            raise InputError(
                f"strategy={strategy}: needs a frozen backbone that the run's models share; choose "
                "margin"
            )
        features = predicted.features[positions]
    if strategy == "coreset":
        own = own_features(run, development_ids(run), progress)
        features, labeled = np.concatenate([features, own]), np.arange(len(own)) + len(positions)
    deviation = features.std(0)
    features = (features - features.mean(0)) / np.where(deviation > 0, deviation, 1)
    query = Query(
        Pool(features.astype(np.float32)), labeled, np.arange(len(positions)), mean,
        lambda: probabilities, min(count, len(positions)),
        np.random.default_rng(derive_seed("next", seed)),
    )  # fmt: skip
    return positions[STRATEGIES[strategy](query)]


Case = tuple[Sequence[tuple[str, str]], str, str]
"""(id, path) of copies of one photo, the suggested class and its explanation."""


def next_cases(
    run: TrainedRun, predicted: Predicted, groups: Sequence[Sequence[int]],
    decided: Mapping[str, Labels], strategy: str | None, count: int, seed: int, progress: Progress,
) -> tuple[list[Case], str]:  # fmt: skip
    """The photos to label next, and a sentence about the choice. `groups` are those of copies.

    A group with a decided photo is left out. Raises `InputError` as `choose`.
    """
    ids = predicted.image_ids
    undecided = {g[0]: g for g in groups if not any(ids[member] in decided for member in g)}
    if not undecided:
        return [], (
            "Nothing is left to label: every photo is decided, or a copy of a photo that is "
            "decided or of the run."
        )
    strategy = strategy or ("margin" if predicted.features is None else "badge")
    first = np.array(sorted(undecided))
    chosen = choose(run, predicted, first, strategy, count, seed, progress)
    mean = predicted.probabilities.mean(0)
    cases: list[Case] = [
        (predicted.files(undecided[position]), *explain(run.classes, mean[position]))
        for position in map(int, chosen)
    ]
    about = f"{len(cases)} of {pluralize(len(undecided), 'unlabeled photo')}, chosen by {strategy}."
    return cases, about


def labeling_page(
    run: TrainedRun, title: str, notes: Sequence[str], data: str,
    cases: Sequence[Case], progress: Progress,
) -> ReviewPage:  # fmt: skip
    """A page that asks for the labels of the cases and suggests one for each."""
    thumbnails: dict[str, bytes] = {}
    tick = progress.stage("thumbnails of the page", len(cases))
    for done, (images, _, _) in enumerate(cases, start=1):
        for image, path in images[:7]:  # as many as the page shows of a case
            thumbnails[image] = thumbnail(run.read(path), THUMBNAIL_SIZE)
        tick(done)
    return ReviewPage(
        title, notes, run.classes, data,
        [
            ReviewCase(
                UNLABELED, "", suggested, explanation, images[0][0],
                [(image, printable_path(path)) for image, path in images], [],
            )
            for images, suggested, explanation in cases
        ],
        thumbnails,
    )  # fmt: skip


def explain(classes: Sequence[str], probabilities: np.ndarray) -> tuple[str, str]:
    """The most probable class of a photo (classes,), and the probabilities of the first three."""
    order = np.argsort(-probabilities, kind="stable")[:3]
    shares = [f"{percent(float(probabilities[i]), 0)} {classes[i]}" for i in order]
    return classes[order[0]], ", ".join(shares)


def label_texts(table: ImageTable) -> list[str]:
    """The label of each image, as a list of images has it: "dress", "dress:0.7|shirt:0.3"."""
    shares = table.shares
    if shares is None:
        return [table.classes[label] for label in table.labels]
    return [
        format_shares({table.classes[i]: float(row[i]) for i in np.flatnonzero(row)})
        for row in shares
    ]


def training_list(
    own: Sequence[Mapping[str, str]], decided: Mapping[str, Labels],
    photos: Mapping[str, tuple[str, str]],
) -> list[dict[str, str]]:  # fmt: skip
    """Rows of a list (path, label, group, part) with the run's photos and the decided ones; a label
    of several classes is "dress|shirt". `photos` are {image id: (path, group of copies)}; others
    are left out.

    The new photos are never in the test: a strategy chose them, so they are no fair sample.
    """
    rows = [dict(row) for row in own]
    for image, labels in decided.items():
        if labels and image in photos:
            path, group = photos[image]
            real = str(Path(path).resolve())
            label = SEPARATOR.join(labels)
            rows.append({"path": real, "label": label, "group": group, "part": "train"})
    return rows
