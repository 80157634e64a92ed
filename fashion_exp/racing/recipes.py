"""The recipes of finished runs, to be trained again: which runs have one, and with which config."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fashion_exp.comparison.looks import recipe
from fashion_exp.configuration.overrides import split_override
from fashion_exp.configuration.schema import Config
from fashion_exp.errors import InputError
from fashion_exp.evaluation.run_dir import RunDir
from fashion_exp.evaluation.run_paths import was_begun_here

if TYPE_CHECKING:
    from fashion_exp.comparison.run_data import RunData

FIXED = ("split.", "dataset.classes", "dataset.rename")
"""Beginnings of options that two runs must share for their repeats to be pairs."""


def config_to_repeat(run: RunData, outputs: Path) -> Config:
    """The config of a run, as an experiment of its own in `outputs`.

    A run that comes from another machine or folder does not decide which server or database is
    contacted: its repeats are recorded in that of `outputs`. Raises `InputError` for imported
    predictions, refits, and what this version cannot train.
    """
    folder = run.result.output
    if RunDir(folder).is_imported:
        raise InputError(
            f"{run.name}: imported predictions of another tool, which cannot be trained again here"
        )
    if run.is_refit:
        raise InputError(f"{run.name}: a refit, which has no results of its own; name its run")
    cfg = run.config
    sweep = replace(
        cfg.sweep, name=None, zip=[], points=[], fresh=False, dry_run=False, evaluate_test=False,
        parent=None, swept=[], experiment=None, study=None, trial=None, storage=None,
    )  # fmt: skip
    tracking = cfg.tracking
    if tracking.uri and not was_begun_here(RunDir(folder)):
        tracking = replace(tracking, uri=None)
    return replace(
        cfg, sweep=sweep, tracking=tracking, resume=None, extend=None, outputs=str(outputs)
    )


def require_pairs(a: RunData, b: RunData) -> None:
    """Raises `InputError` unless repeats of two runs are pairs on the same splits of the same
    data, and the runs differ in their recipes."""
    if a.result.output == b.result.output or recipe(a) == recipe(b):
        raise InputError(
            f"{a.name} and {b.name}: the same recipe, so there is no change to decide on; "
            "`compare RUN --baseline RUN --placebo 20` tells what seeds alone do"
        )
    if set(a.classes) != set(b.classes):
        raise InputError(
            f"different classes: {', '.join(a.classes)} and {', '.join(b.classes)}; compare runs "
            "of the same classes"
        )
    if a.data_fingerprint != b.data_fingerprint:
        raise InputError(
            f"{a.name} and {b.name}: of different data (photos, labels or groups); train one of "
            "them on the data of the other"
        )
    if different := [
        f"{name}={a.options[name]} and {b.options[name]}"
        for name in a.options
        if name.startswith(FIXED) and name in b.options and a.options[name] != b.options[name]
    ]:
        raise InputError(
            f"{a.name} and {b.name}: of different splits ({'; '.join(different)}), so that their "
            "repeats are no pairs; train one of them on the splits of the other"
        )


def overrides_to_repeat(run: RunData, changed: Mapping[str, object]) -> list[str]:
    """The overrides as typed, with these options set instead."""
    overrides = [text for text in run.overrides if split_override(text)[0] not in changed]
    return [*overrides, *(f"{name}={value}" for name, value in changed.items())]


def title_of(runs: Sequence[RunData]) -> str:
    """A part of a folder's name, from the networks of runs."""
    names = (str(run.options.get("model.name", "run")) for run in runs)
    return "-".join(dict.fromkeys(name.replace("+", "-") for name in names))[:60]
