"""The summary of a sweep, and its tracked parent run."""

from __future__ import annotations

from pathlib import Path

import pytest
from mlflow import MlflowClient

from fashion_exp.configuration.composition import CommandLine, parse_command_line
from fashion_exp.configuration.schema import TrackingConfig
from fashion_exp.reporting.tables import PlainTable
from fashion_exp.sweeps.jobs import SweepJob, swept_options
from fashion_exp.sweeps.session import SweepContext, open_parent_run
from fashion_exp.sweeps.state import SweepState
from fashion_exp.sweeps.summary import _record_summary, failure_table, summarize_sweep
from fashion_exp.tracking import NullTracker, open_tracker
from fashion_exp.tracking.connection import experiment_id_of
from fashion_exp.training.device import choose_compute
from tests.comparison.synthetic_runs import make_run, random_correctness

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def line() -> CommandLine:
    return parse_command_line(["-m", "optim.lr=1e-3,1e-4"])


def make_jobs(line: CommandLine, folder: Path) -> list[SweepJob]:
    compute = choose_compute("cpu", "fp32", 1)
    return [
        SweepJob(cfg, overrides, folder / f"{index}", overrides[-1], compute)
        for index, (cfg, overrides) in enumerate(zip(line.jobs, line.job_overrides, strict=True))
    ]


def make_context(folder: Path, tracker: NullTracker | None = None) -> SweepContext:
    tracker = tracker or NullTracker()
    line = parse_command_line(["-m", "optim.lr=1e-3,1e-4"])
    return SweepContext(folder, folder, tracker, "", ("optim.lr",), {}, {}, line)


def test_summary_lists_jobs_without_results(line: CommandLine, tmp_path: Path) -> None:
    jobs = make_jobs(line, tmp_path)
    jobs[0].folder.mkdir()
    (jobs[0].folder / "failure.json").write_text('{"kind": "LostProcess", "reason": "SIGKILL"}')
    summary = summarize_sweep(make_context(tmp_path), jobs, evaluate_all=False)
    assert {row[1] for row in summary.board.rows} == {"0.001", "0.0001"}
    assert summary.winner is None
    reasons = [row[1] for row in failure_table(jobs).rows]
    assert reasons == ["LostProcess: SIGKILL", "did not finish"]


def test_report_of_a_large_sweep_computes_from_all_runs_and_shows_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fashion_exp.reporting.report_content.MAX_RUNS", 2)
    line = parse_command_line(["-m", "optim.lr=1e-3,1e-4,1e-5"])
    jobs = make_jobs(line, tmp_path)
    for seed, (job, accuracy) in enumerate(zip(jobs, (0.9, 0.8, 0.6), strict=True)):
        scores = random_correctness(seed, 2, 60, accuracy)
        options = {"optim.lr": job.cfg.optim.lr}
        make_run(job.folder, job.name, scores, scores, is_test_evaluated=False, options=options)
    page = summarize_sweep(make_context(tmp_path), jobs, evaluate_all=False).page
    assert page is not None
    text = page.with_name("report.md").read_text()
    assert "lr 0.0001 against 0.001" in text and "lr 1e-05 against 0.001" in text
    assert "as the best of 3" in text
    assert text.count("show the first 2 of 3;") == 1 and "first 2 of 3;" in page.read_text()
    assert len((page.parent / "runs.csv").read_text().splitlines()) == 4


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["model=basic_cnn,resnet50", "optim.lr=1e-3,1e-4"], ("model.name", "optim.lr")),
        (["split.train_ratio=0.5,0.8", "optim=adam,sgd"], ("split.train_ratio", "optim.name")),
        (
            ["sweep.points=['model.depth=1','model.depth=2 optim.lr=0.1']"],
            ("model.depth", "optim.lr"),
        ),
    ],
)
def test_swept_options_are_those_given_on_the_command_line(
    overrides: list[str], expected: tuple[str, ...]
) -> None:
    assert swept_options(parse_command_line(["-m", *overrides])) == expected


def test_choices_with_the_same_name_are_distinguished_by_their_options(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    for name, depth in (("shallow", 1), ("deep", 2)):
        content = f"defaults: [basic_cnn]\ndepth: {depth}\n"
        (tmp_path / "model" / f"{name}.yaml").write_text(content)
    line = parse_command_line(["-m", "model=shallow,deep", f"--config-dir={tmp_path}"])
    assert swept_options(line) == ("model.depth",)


class NoteTracker(NullTracker):
    def set_description(self, run: str, markdown: str) -> None:
        self.markdown = markdown


def test_note_starts_with_the_winner_and_is_truncated(line: CommandLine, tmp_path: Path) -> None:
    winner = make_jobs(line, tmp_path)[0]
    scores = random_correctness(0, 2, 20, 0.8)
    make_run(winner.folder, "best", scores, scores)
    tracker = NoteTracker()
    rows = [[str(rank), 100 * "x"] for rank in range(1, 126)]
    board = PlainTable(["", "lr"], rows)
    _record_summary(make_context(tmp_path, tracker), board, winner, jobs=125, failed=0)
    assert tracker.markdown.splitlines()[:4] == [
        f"- winner: `{winner.folder} (optim.lr=0.001)`",
        f"- to train the winner again: `{winner.command}`",
        f"- to report it: `scripts/run report {winner.folder} --outputs {tmp_path}`",
        f"- to open it: `scripts/run ui {winner.folder} --outputs {tmp_path}`",
    ]
    assert "| 40 |" in tracker.markdown and "| 41 |" not in tracker.markdown
    assert str(tmp_path / "leaderboard.csv") in tracker.markdown
    assert "\n125," in (tmp_path / "leaderboard.csv").read_text()


def test_parent_run_is_replaced_when_the_experiment_changes_or_it_is_deleted(
    line: CommandLine, tmp_path: Path
) -> None:
    state, parents = SweepState([]), []
    for experiment in ("first", "second", "second", "second"):
        tracker = open_tracker(TrackingConfig("mlflow", experiment=experiment), tmp_path)
        open_parent_run(state, line, tmp_path / "sweep", tracker, {})
        parents.append(state.parent)
        assert experiment_id_of(tracker.uri, state.parent) == tracker.experiment_id
        tracker.end(state.parent, "FINISHED")
        if len(parents) == 3:
            MlflowClient(tracker.uri).delete_run(state.parent)  # as a user in the UI
    assert parents[0] != parents[1] == parents[2] != parents[3]
