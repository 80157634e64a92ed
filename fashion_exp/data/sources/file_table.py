"""The image table of listed files: labels, selected classes, quarantine, groups and ids applied."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from fashion_exp.configuration.schema import DatasetConfig, Targets
from fashion_exp.data.image_files import FileReader, content_ids
from fashion_exp.data.labels import read_labels
from fashion_exp.data.sources.build_table import build_table
from fashion_exp.data.sources.classes import choose_classes, class_names, unused_lookalikes
from fashion_exp.data.sources.curation_lists import read_curation
from fashion_exp.data.table import ImageTable

_NATIVE_SIZE = 224
"""Usual input size of pretrained networks, px."""


def build_file_table(
    cfg: DatasetConfig,
    files: pd.DataFrame,
    root: Path,
    data: Path,
    left_out: Iterable[tuple[str, str]] = (),
    notes: Sequence[str] = (),
    targets: Targets = Targets.single,
) -> ImageTable:
    """The image table of a source's files.

    `files` has `FILE_COLUMNS`, with paths relative to `root`; `data` is the folder or manifest that
    label versions belong to; `left_out` has (path, reason) of further files. Files that cannot be
    read are left out. Raises `InputError` if labels, classes or curation lists do not fit the data.
    """
    assert cfg.max_megapixels is not None
    labeled = read_labels(files, cfg.labels, data, targets)
    counts = labeled.class_counts
    names = choose_classes(counts, cfg.classes, cfg.rename)
    selected = labeled.select(names)
    curation = read_curation(cfg, root)
    curated, quarantined = curation.apply(selected.files)
    excluded = [*selected.excluded, *quarantined]

    ids, reasons = content_ids(set(curated["file"]))
    # No Series.map: pandas cannot index by file names that are not UTF-8.
    is_readable = np.array([file in ids for file in curated["file"]], dtype=bool)
    unreadable, readable = curated[~is_readable], curated[is_readable]
    readable = readable.assign(image_id=[ids[file] for file in readable["file"]])
    groups = readable["group_id"].mask(readable["group_id"] == "", readable["image_id"])
    unread = zip(unreadable["path"], (reasons[f] for f in unreadable["file"]), strict=True)
    # First what a person excluded, which does not count as damaged.
    left_out = _distinct_files([*excluded, *left_out, *unread], files, root, {*readable["file"]})
    table = build_table(
        cfg.name,
        readable.assign(group_id=groups),
        class_names(names),
        FileReader(tuple(readable["file"]), tuple(readable["image_id"]), cfg.max_megapixels),
        _NATIVE_SIZE,
        left_out=left_out,
        notes=[*notes, *unused_lookalikes(names, counts), *selected.notes, *curation.notes],
        read_options=f"max_megapixels={cfg.max_megapixels:g}",
    )
    paths = frozenset(path for path, _ in {*excluded} & {*left_out})
    return replace(table, facts=labeled.facts, excluded_paths=paths)


def _distinct_files(
    left_out: Iterable[tuple[str, str]], files: pd.DataFrame, root: Path, used: Collection[str]
) -> list[tuple[str, str]]:
    """The first (path, reason) of each file that is left out and not also used.

    A manifest may list a file several times, in several spellings, and once without a label.
    """
    left_out = list(left_out)
    paths = {path for path, _ in left_out}
    real_paths = {p: f for p, f in zip(files["path"], files["file"], strict=True) if p in paths}
    first: dict[str, tuple[str, str]] = {}
    for path, reason in left_out:
        file = real_paths.get(path) or os.path.realpath(root / path)
        if file not in used:
            first.setdefault(file, (path, reason))
    return list(first.values())
