"""Counts how often the same recipes were compared on growing data.

Runs are extended because a comparison was undecided. Each look at a growing amount of data is
another chance to find a difference that is not there. Look k therefore tests at alpha / k^2: over
any number of looks the error rate is at most pi^2 / 6 = 1.64 times alpha (Bonferroni). Simulated at
.05: .054 for 17 looks at 4 to 20 trainings (.21 with alpha at each), .062 for 10 batches of images
(.19), .056 for one tenfold extension (.09).
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from contextlib import suppress
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from fashion_exp.atomic_io import append_json_line, file_lock, read_json_lines
from fashion_exp.configuration.schema import RESULT_NEUTRAL_OPTIONS

if TYPE_CHECKING:
    from fashion_exp.comparison.run_data import RunData

JOURNAL = "comparisons.jsonl"
AMOUNT_OPTIONS = ("repeats", "seed", "confidence", "split.seed")
"""Options by which a recipe is trained again, besides `seeds.*`."""


def count_looks(runs: Sequence[RunData], part: str, metric: str, outputs: Path) -> int:
    """Records a comparison in `outputs`, and returns which look at these recipes it is.

    Looks at the same data are one look. Of several pairs of recipes the one with most looks counts.
    Where nothing can be written, the comparison is counted but not recorded.
    """
    state = {recipe(run): [len(run.trainings), run.summary(part).images] for run in runs}
    entry, entries = {"part": part, "metric": metric, "runs": state}, []
    with suppress(OSError), file_lock(outputs / ".comparisons.lock"):
        entries = read_json_lines(outputs / JOURNAL)
        if len(state) > 1 and not any(entry.items() <= known.items() for known in entries):
            now = time.strftime("%Y-%m-%dT%H:%M:%S%z")
            append_json_line(outputs / JOURNAL, {"time": now} | entry)
    known = [e["runs"] for e in entries if (e.get("part"), e.get("metric")) == (part, metric)]
    looks = 1
    for pair in combinations(state, 2):
        amounts = [[runs[r] for r in pair] for runs in known if {*pair} <= {*runs}]
        own = [state[name] for name in pair]
        distinct = [seen for i, seen in enumerate([*amounts, own]) if seen not in amounts[:i]]
        looks = max(looks, distinct.index(own) + 1)
    return looks


def recipe(run: RunData) -> str:
    """Hash of the options without those that only add data."""
    excluded = {*RESULT_NEUTRAL_OPTIONS, *AMOUNT_OPTIONS}
    options = {
        name: value
        for name, value in sorted(run.options.items())
        if name not in excluded and not name.startswith("seeds.")
    }
    return hashlib.sha256(json.dumps(options, default=str).encode()).hexdigest()[:16]
