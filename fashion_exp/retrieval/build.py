"""Builds an index of photos, or brings one up to date."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fashion_exp.cache.provenance import source_hash
from fashion_exp.data.parallel import map_in_threads
from fashion_exp.data.pixels import CachedPixels
from fashion_exp.errors import InputError
from fashion_exp.models.imagenet import imagenet_descriptions
from fashion_exp.process import cpu_count
from fashion_exp.reporting.progress import Progress
from fashion_exp.retrieval.colors import COLORS, GEOMETRY, PATTERNS, SHADES, measure_garment
from fashion_exp.retrieval.embedding import (
    Embedder,
    embedder_of_models,
    embedder_of_run,
)
from fashion_exp.retrieval.index import (
    About,
    PhotoIndex,
    create_index,
    find_index,
    rows_as_arrow,
    unit_vectors,
)
from fashion_exp.retrieval.photos import find_photos, read_attributes, table_of
from fashion_exp.retrieval.text_image import TextImageEmbedder, text_image_embedder
from fashion_exp.retrieval.words import MODEL_PREFIX

if TYPE_CHECKING:
    from fashion_exp.inference.trained_run import TrainedRun

log = logging.getLogger(__name__)

_COLOR_SOURCES = ("retrieval/colors.py", "data/geometry.py", "data/decode.py")
"""The files that determine the colors of a photo."""


@dataclass(frozen=True)
class Built:
    """What a build did."""

    index: PhotoIndex
    added: int
    changed: int
    deleted: int
    unreadable: Mapping[str, str]
    """{path: reason}."""


@dataclass(frozen=True)
class Networks:
    """What turns photos into vectors, and the run that knows classes, if it is one."""

    embedder: Embedder | TextImageEmbedder
    run: TrainedRun | None

    @property
    def classes(self) -> tuple[str, ...]:
        return () if self.run is None else self.run.classes


def find_networks(
    by: Sequence[str], weights: Mapping[str, str], outputs: Path, uri: str | None = None
) -> Networks:
    """A run by its reference, pretrained networks by the names of timm, or clip:MODEL.

    Raises `InputError` if a name is neither.
    """
    from fashion_exp.inference.trained_run import load_run
    from fashion_exp.models.build import check_model_name

    if named := [name for name in by if name.startswith(MODEL_PREFIX)]:
        if len(by) > 1:
            raise InputError(f"--by {named[0]}: a text–image model stands alone")
        return Networks(text_image_embedder(by[0], weights, outputs), None)
    reasons = dict[str, str]()
    for name in by:
        try:
            check_model_name(name)
        except InputError as error:
            reasons[name] = str(error)
    if not reasons:
        return Networks(embedder_of_models(by, weights, outputs), None)
    if len(by) > 1:
        name, reason = next(iter(reasons.items()))
        raise InputError(f"--by {name}: {reason}; several networks are given by their names")
    if weights:
        raise InputError(f"--weights: {by[0]} is a run, which has weights of its own")
    run = load_run(by[0], outputs, uri)
    return Networks(embedder_of_run(run), run)


def build_index(
    sources: Sequence[str], networks: Networks, by: Sequence[str], location: str, outputs: Path,
    progress: Progress, attributes: str | None = None, weights: Mapping[str, str] | None = None,
) -> Built:  # fmt: skip
    """Indexes the photos; an index that is there gets exactly these photos.

    Features, pixels and inspections that are in the cache are not computed again. Raises
    `InputError` if there are no photos, or if the index was built by other networks.
    """
    cache = outputs / "cache"
    existing = find_index(location)
    embedder = networks.embedder
    if existing is not None and existing.about.identity != embedder.identity:
        raise InputError(
            f"--into {location}: built by {', '.join(existing.about.by)}, not by {', '.join(by)}; "
            "choose another name, or delete it with `index delete`"
        )
    if attributes is None and existing is not None and existing.about.attribute_list:
        raise InputError(
            f"--into {location}: has the columns of {existing.about.attribute_list}; repeat "
            "--attributes, or name a new index"
        )
    photos = find_photos(sources, cache, progress)
    extra = None if attributes is None else read_attributes(attributes, photos.rows)
    readable, features, small = embedder.of_table(table_of(photos.rows), GEOMETRY, progress)
    rows = photos.rows.set_index("image_id").loc[readable.rows["image_id"]].reset_index()
    measured = _measured_garments(existing)
    columns = [rows, _garments(small, rows["image_id"].to_list(), measured, progress)]
    if networks.run is not None:
        columns.append(_predictions(networks.run, rows["file"].to_list(), features, progress))
    if extra is not None:
        columns.append(extra.set_index(photos.rows["image_id"]).loc[rows["image_id"]])
    table = pd.concat([part.reset_index(drop=True) for part in columns], axis=1)
    center = _center(features, embedder.is_centered) if existing is None else existing.center
    imagenet = embedder.imagenet(features)
    arrow = rows_as_arrow(table, unit_vectors(features, center), imagenet)
    names = () if extra is None else tuple(map(str, extra.columns))
    about = About(
        tuple(by), embedder.identity, networks.classes, center.tolist(), tuple(sources), names,
        attributes, source_hash(*_COLOR_SOURCES), dict(weights or {}),
        () if imagenet is None else imagenet_descriptions(),
    )  # fmt: skip
    if existing is not None and existing.takes(arrow):
        added, changed, deleted = existing.replace_rows(arrow, about)
        return Built(existing, added, changed, deleted, photos.unreadable)
    before = set() if existing is None else set(existing.rows(["image_id"])["image_id"])
    now = set(table["image_id"])
    index = create_index(location, arrow, about)
    return Built(index, len(now - before), len(now & before), len(before - now), photos.unreadable)


def _center(features: np.ndarray, is_centered: bool) -> np.ndarray:
    """The mean; zero without centering, and for a single photo, whose vector would vanish."""
    mean: np.ndarray = features.mean(0)
    several = is_centered and len(np.unique(features, axis=0)) > 1
    return mean if several else np.zeros_like(mean)


def _measured_garments(index: PhotoIndex | None) -> dict[str, dict[str, float]]:
    """What `measure_garment` gave for the photos of an index, by image id."""
    if index is None or index.about.colors_by != source_hash(*_COLOR_SOURCES):
        return {}
    names = [*(f"shade_{name}" for name in SHADES), *(f"pattern_{name}" for name in PATTERNS)]
    rows = index.rows(["image_id", *names]).set_index("image_id")
    return {
        str(image): {name: float(row[name]) for name in names} for image, row in rows.iterrows()
    }


def _garments(
    small: CachedPixels, image_ids: Sequence[str], measured: Mapping[str, Mapping[str, float]],
    progress: Progress,
) -> pd.DataFrame:  # fmt: skip
    """Colors and pattern of each photo: the shares, and the main ones by name."""
    missing = [row for row, image in enumerate(image_ids) if image not in measured]
    measurements = {image: measured[image] for image in image_ids if image in measured}
    if missing:
        tick = progress.stage("colors", len(missing))
        results = map_in_threads(lambda row: measure_garment(small[row]), missing, cpu_count())
        for done, (row, result) in enumerate(zip(missing, results, strict=True), start=1):
            measurements[image_ids[row]] = result
            tick(done)
    table = pd.DataFrame([measurements[image] for image in image_ids])
    by_shade = table[[f"shade_{name}" for name in SHADES]]
    by_pattern = table[[f"pattern_{name}" for name in PATTERNS]]
    basic = {
        f"color_{name}": by_shade[[f"shade_{shade}" for shade in shades]].sum(axis=1)
        for name, shades in COLORS.items()
    }
    return table.assign(
        **basic,
        color=np.array(list(SHADES))[by_shade.to_numpy().argmax(1)],
        pattern=np.array(PATTERNS)[by_pattern.to_numpy().argmax(1)],
    )


def _predictions(
    run: TrainedRun, files: Sequence[str], features: np.ndarray, progress: Progress
) -> pd.DataFrame:
    """predicted and p_<class> of each photo, calibrated."""
    from fashion_exp.inference.calibration import load_calibration
    from fashion_exp.inference.predict import predict_paths

    if run.shares_backbone:
        by_model = run.predict_features(features).probabilities
        probabilities = load_calibration(run, progress).apply(by_model, run.model_names)
        names = [run.classes[i] for i in probabilities.argmax(1)]
    else:
        tick = progress.stage("classes", len(files))
        table = pd.concat(list(predict_paths(run, files, on_progress=tick)), ignore_index=True)
        probabilities = table[[f"p_{name}" for name in run.classes]].to_numpy()
        names = table["predicted"].to_list()
    table = pd.DataFrame(probabilities, columns=[f"p_{name}" for name in run.classes])
    return table.assign(predicted=names)
