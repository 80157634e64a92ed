"""The end of a sweep, whatever its jobs left."""

from __future__ import annotations

from pathlib import Path

import pytest
from mlflow import MlflowClient

from fashion_exp.configuration.composition import parse_command_line
from fashion_exp.configuration.schema import TrackingConfig
from fashion_exp.reporting.tables import PlainTable
from fashion_exp.sweeps.jobs import SweepJob, swept_knobs
from fashion_exp.sweeps.run import _give_parent
from fashion_exp.sweeps.state import Ledger
from fashion_exp.sweeps.summary import Sweep, _record, conclude, failures
from fashion_exp.tracking import NullTracker, open_tracker
from fashion_exp.tracking.connection import experiment_of
from fashion_exp.training.device import choose_compute
from tests.comparison.made_runs import answers, made_run


def test_a_job_that_died_before_it_wrote_anything_is_a_row_too(tmp_path: Path) -> None:
    line = parse_command_line(["-m", "optim.lr=1e-3,1e-4"])
    jobs = [
        SweepJob(cfg, words, tmp_path / f"{place}", words[-1], choose_compute("cpu", "fp32", 1))
        for place, (cfg, words) in enumerate(zip(line.jobs, line.lines, strict=True))
    ]
    jobs[0].folder.mkdir()
    (jobs[0].folder / "failure.json").write_text('{"kind": "LostProcess", "reason": "SIGKILL"}')
    sweep = Sweep(tmp_path, "", swept_knobs(line), tmp_path, NullTracker(), (), "")
    end = conclude(sweep, jobs, open_all=False)
    assert {row[1] for row in end.board.rows} == {"0.001", "0.0001"} and end.winner is None
    told = [row[1] for row in failures(jobs).rows]
    assert told == ["LostProcess: SIGKILL", "did not finish"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["model=basic_cnn,resnet50", "optim.lr=1e-3,1e-4"], ("model.name", "optim.lr")),
        (["split.train_ratio=0.5,0.8", "optim=adam,sgd"], ("split.train_ratio", "optim.name")),
        (
            ["sweep.cells=['model.depth=1','model.depth=2 optim.lr=0.1']"],
            ("model.depth", "optim.lr"),
        ),
    ],
)
def test_a_column_for_what_was_typed_and_none_for_what_comes_with_it(
    words: list[str], told: tuple[str, ...]
) -> None:
    assert swept_knobs(parse_command_line(["-m", *words])) == told


def test_choices_of_one_name_are_told_by_what_they_differ_in(tmp_path: Path) -> None:
    for name, depth in (("shallow", 1), ("deep", 2)):
        (tmp_path / "model").mkdir(exist_ok=True)
        own = f"defaults: [basic_cnn]\ndepth: {depth}\n"
        (tmp_path / "model" / f"{name}.yaml").write_text(own)
    line = parse_command_line(["-m", "model=shallow,deep", f"--config-dir={tmp_path}"])
    assert swept_knobs(line) == ("model.depth",)


class Told(NullTracker):
    def note(self, run: str, markdown: str) -> None:
        self.markdown = markdown


def test_a_long_note_begins_with_the_winner_and_has_the_best_alone(tmp_path: Path) -> None:
    scores = answers(0, 2, 20, 0.8)
    made_run(tmp_path / "best", "best", scores, scores)
    line = parse_command_line(["-m", "optim.lr=1e-3,1e-4"])
    compute = choose_compute("cpu", "fp32", 1)
    winner = SweepJob(line.jobs[0], line.lines[0], tmp_path / "best", "optim.lr=1e-3", compute)
    tracker = Told()
    sweep = Sweep(tmp_path, "", ("optim.lr",), tmp_path, tracker, (), "")
    rows = [[str(place), 100 * "x"] for place in range(1, 126)]
    _record(sweep, PlainTable(["", "lr"], rows), winner, 125, 0)
    first = tracker.markdown.splitlines()[0]
    assert first == f"to train the winner again: `{winner.command}`"
    assert "| 40 |" in tracker.markdown and "| 41 |" not in tracker.markdown
    assert f"and 85 more: {tmp_path / 'leaderboard.csv'}" in tracker.markdown
    assert "\n125," in (tmp_path / "leaderboard.csv").read_text()


def test_a_sweep_that_is_recorded_elsewhere_from_now_on_has_a_parent_there(tmp_path: Path) -> None:
    line = parse_command_line(["-m", "optim.lr=1e-3,1e-4"])
    ledger, parents = Ledger([]), []
    for experiment in ("first", "second", "second", "second"):
        tracker = open_tracker(TrackingConfig("mlflow", experiment=experiment), tmp_path)
        _give_parent(ledger, line, tmp_path / "sweep", tracker, {})
        parents.append(ledger.parent)
        assert experiment_of(tracker.uri, ledger.parent) == tracker.experiment_id
        tracker.end(ledger.parent, "FINISHED")
        if len(parents) == 3:
            MlflowClient(tracker.uri).delete_run(ledger.parent)  # by hand, in the UI
    assert parents[0] != parents[1] == parents[2] != parents[3]
