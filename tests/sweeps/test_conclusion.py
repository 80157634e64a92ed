"""The end of a sweep, whatever its jobs left."""

from __future__ import annotations

from pathlib import Path

from fashion_exp.compose import read_command_line
from fashion_exp.sweeps.conclusion import Sweep, conclude, failures
from fashion_exp.sweeps.jobs import SweepJob, swept_knobs
from fashion_exp.tracking.tracker import NullTracker
from fashion_exp.training.device import choose_compute


def test_a_job_that_died_before_it_wrote_anything_is_a_row_too(tmp_path: Path) -> None:
    line = read_command_line(["-m", "optim.lr=1e-3,1e-4"])
    jobs = [
        SweepJob(cfg, words, tmp_path / f"{place}", words[-1], choose_compute("cpu", "fp32", 1))
        for place, (cfg, words) in enumerate(zip(line.jobs, line.lines, strict=True))
    ]
    jobs[0].folder.mkdir()
    (jobs[0].folder / "failure.json").write_text('{"kind": "LostProcess", "reason": "SIGKILL"}')
    sweep = Sweep(tmp_path, "", swept_knobs(line.jobs), tmp_path, NullTracker())
    end = conclude(sweep, jobs, open_all=False)
    assert end.failed == 2 and {row[1] for row in end.board.rows} == {"0.001", "0.0001"}
    assert end.winner is None
    told = [row[1] for row in failures(jobs).rows]
    assert told == ["LostProcess: SIGKILL", "did not finish"]
