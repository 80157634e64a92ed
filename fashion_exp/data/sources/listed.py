"""From the files that a source lists to an experiment's table, as people have decided on them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from fashion_exp.configuration.schema import DatasetConfig
from fashion_exp.data.image_files import table_of_files
from fashion_exp.data.labels import labelled
from fashion_exp.data.sources.classes import choose_classes, labels
from fashion_exp.data.sources.curation_lists import read_curated
from fashion_exp.data.table import ImageTable


def table_of_listed(
    cfg: DatasetConfig,
    listed: pd.DataFrame,
    root: Path,
    data: Path,
    left_out: Iterable[tuple[str, str]] = (),
    notes: Sequence[str] = (),
) -> ImageTable:
    """The images (`LISTED_COLUMNS`) under the labels in force, of the classes asked for.

    Without those in quarantine, and in the groups that are known. Paths start at `root`; versions
    of the labels stand beside `data`, a folder or a list. `left_out` has (path, reason) of other
    files that were found. Raises `InputError` where a list or the classes do not fit.
    """
    assert cfg.max_megapixels is not None
    found = labelled(listed, cfg.labels, data)
    names = choose_classes(found.classes, cfg.classes, cfg.rename)
    taken = found.taken(names)
    curated = read_curated(cfg, root)
    kept, quarantined = curated.applied(taken.listed)
    aside = [*taken.aside, *quarantined]
    table = table_of_files(
        cfg.name,
        kept,
        labels(names),
        cfg.max_megapixels,
        [*left_out, *aside],
        [*notes, *taken.notes, *curated.notes],
    )
    return replace(table, facts=found.facts, set_aside=frozenset(path for path, _ in aside))
