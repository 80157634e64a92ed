"""Counts how often the same recipes were compared on growing data.

Runs are extended because a comparison was undecided. Each look at a growing amount of data is
another chance to find a difference that is not there. Look k therefore tests at alpha / k^2: over
any number of looks the error rate is at most pi^2 / 6 = 1.64 times alpha (Bonferroni). Simulated at
.05: .054 for 17 looks at 4 to 20 trainings (.21 with alpha at each), .062 for 10 batches of images
(.19), .056 for one tenfold extension (.09).

A race fixes beforehand how often it looks. It is one look as a whole: its looks divide its alpha /
k^2 among them (`stats.sequential`), and a comparison of its runs tests at the level that the race
had for them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from fashion_exp.atomic_io import append_json_line, file_lock, read_json_lines, timestamp
from fashion_exp.configuration.schema import RESULT_NEUTRAL_OPTIONS

if TYPE_CHECKING:
    from fashion_exp.comparison.run_data import RunData

JOURNAL = "comparisons.jsonl"
AMOUNT_OPTIONS = ("repeats", "seed", "confidence", "split.seed")
"""Options by which a recipe is trained again, besides `seeds.*`."""


class Look(NamedTuple):
    number: int
    share: float = 1.0
    """Of alpha, at which pairs are tested."""
    race: str = ""
    """The race that it is part of."""


def count_looks(runs: Sequence[RunData], part: str, metric: str, outputs: Path) -> Look:
    """Records a comparison in `outputs`, and returns which look at these recipes it is.

    Looks at the same data are one look, and so are all looks of a race, each with its own share of
    alpha. The share of a race is that of its two runs, compared alone: beside other runs they are a
    look of their own. Of several pairs of recipes the one with the smallest share counts. Where
    nothing can be written, the comparison is counted but not recorded.
    """
    state = _state(runs, part)
    entry, entries = {"part": part, "metric": metric, "runs": state}, []
    with suppress(OSError), file_lock(outputs / ".comparisons.lock"):
        entries = read_json_lines(outputs / JOURNAL)
        if len(state) > 1 and not any(entry.items() <= known.items() for known in entries):
            append_json_line(outputs / JOURNAL, {"time": timestamp()} | entry)
    known = [*_of(entries, part, metric), entry]
    looks = [_look(pair, state, known, len(runs) == 2) for pair in _pairs(state)]
    return min(looks, key=lambda look: look.share, default=Look(1))


def begin_race(recipes: tuple[str, str], part: str, metric: str, outputs: Path, race: str) -> int:
    """Which look at two recipes a race as a whole is. Records it, unless it is recorded already, so
    that no other look has its number."""
    state = {name: [0, 0] for name in recipes}
    entry = {"part": part, "metric": metric, "runs": state, "race": race}
    with file_lock(outputs / ".comparisons.lock"):
        entries = _of(read_json_lines(outputs / JOURNAL), part, metric)
        keys = list(dict.fromkeys(key for key, _ in _known(recipes, entries)))
        if race not in keys:
            append_json_line(outputs / JOURNAL, {"time": timestamp()} | entry)
            keys.append(race)
    return keys.index(race) + 1


def record_race_look(
    runs: Sequence[RunData], part: str, metric: str, outputs: Path, race: str, share: float
) -> None:
    """Records a look of a race, with its share of alpha, unless it is recorded already."""
    state = _state(runs, part)
    entry = {"part": part, "metric": metric, "runs": state, "race": race, "share": share}
    with file_lock(outputs / ".comparisons.lock"):
        entries = read_json_lines(outputs / JOURNAL)
        if not any(entry.items() <= known.items() for known in entries):
            append_json_line(outputs / JOURNAL, {"time": timestamp()} | entry)


def _state(runs: Sequence[RunData], part: str) -> dict[str, list[int]]:
    """By recipe, the number of trainings and of images."""
    return {
        recipe(run): [len(run.train_sizes), run.predictions(part)["image_id"].nunique()]
        for run in runs
    }


def _of(entries: Sequence[dict[str, Any]], part: str, metric: str) -> list[dict[str, Any]]:
    return [e for e in entries if (e.get("part"), e.get("metric")) == (part, metric)]


def _pairs(state: Mapping[str, object]) -> list[tuple[str, str]]:
    return list(combinations(state, 2))


def _known(
    pair: tuple[str, str], entries: Sequence[dict[str, Any]]
) -> list[tuple[str, dict[str, Any]]]:
    """The entries of a pair of recipes, each with a text that is equal for one look: the race or
    the amounts of data."""
    known = [entry for entry in entries if {*pair} <= {*entry["runs"]}]
    return [
        (entry.get("race") or json.dumps([entry["runs"][name] for name in pair]), entry)
        for entry in known
    ]


def _look(
    pair: tuple[str, str],
    state: Mapping[str, list[int]],
    entries: Sequence[dict[str, Any]],
    is_alone: bool,
) -> Look:
    """The look that has these amounts of data; the last of the `entries` has them. A race has it
    only if the pair is compared alone."""
    known = _known(pair, entries)
    key, own = next(
        (key, entry)
        for key, entry in known
        if all(entry["runs"][name] == state[name] for name in pair)
        and (is_alone or "race" not in entry)
    )
    number = list(dict.fromkeys(key for key, _ in known)).index(key) + 1
    return Look(number, own.get("share", 1 / number**2), own.get("race", ""))


def recipe(run: RunData) -> str:
    """Hash of the options without those that only add data; files of code count by their content,
    wherever they are."""
    excluded = {*RESULT_NEUTRAL_OPTIONS, *AMOUNT_OPTIONS}
    options = {
        name: value
        for name, value in sorted(run.options.items())
        if name not in excluded and not name.startswith("seeds.")
    }
    if code := run.result.facts.get("extensions"):  # names of files (hash of their content)
        options["extensions"] = code.rpartition("(")[2]
    return hashlib.sha256(json.dumps(options, default=str).encode()).hexdigest()[:16]
