"""The folder of the one run that a reference means."""

from __future__ import annotations

import logging
from pathlib import Path

from fashion_exp.comparison.find_runs import common_sweep, find_runs
from fashion_exp.errors import InputError

log = logging.getLogger(__name__)


def single_run(reference: str, outputs: Path, uri: str | None) -> Path:
    """The folder of the run, or of the winner if several jobs of one sweep match."""
    folders = find_runs([reference], outputs, uri)
    if len(folders) == 1:
        return folders[0]
    if common_sweep(folders) is None:
        raise InputError(f"{reference}: {len(folders)} runs match; name one run or a sweep")
    # Only a sweep needs these.
    from fashion_exp.comparison.best_run import rank_runs
    from fashion_exp.comparison.run_data import load_run as load_run_data
    from fashion_exp.comparison.training_share import winner_candidates

    jobs = [load_run_data(folder) for folder in folders]
    candidates = [jobs[index] for index in winner_candidates([job.options for job in jobs])]
    winner = candidates[rank_runs(candidates)[0]].result
    log.info("%s: the best of %d jobs is %s (%s)", reference, len(jobs), winner.output, winner.name)
    return winner.output
