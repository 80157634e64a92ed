"""Searches with Optuna: interrupted, resumed, pruned."""

from __future__ import annotations

import json
import shutil
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fashion_exp.configuration.composition import parse_command_line
from fashion_exp.errors import InputError
from fashion_exp.evaluation.run_dir import RunDir
from fashion_exp.experiment.compat import attach_trial
from fashion_exp.experiment.pruning import open_epoch_report, open_storage
from fashion_exp.sweeps.jobs import JobFactory, SweepJob
from fashion_exp.sweeps.search import TRIALS_FILE, SearchTrials, make_search
from tests.comparison.synthetic_runs import make_run, random_correctness
from tests.sweeps.drill import TINY, SweepCommand
from tests.sweeps.in_process import run_in_process

pytestmark = pytest.mark.slow

optuna = pytest.importorskip("optuna", reason="Optuna is not installed")

LR_RANGE = "optim.lr=tag(log,interval(1e-4,1e-3))"


def make_trials(outputs: Path, *overrides: str, trials: int = 6) -> SearchTrials:
    line = parse_command_line(
        ["-m", "hydra/sweeper=optuna", f"hydra.sweeper.trials={trials}", *TINY, *overrides]
    )
    assert line.search is not None
    factory = JobFactory(line, outputs / "sweeps" / "s", outputs / "cache", {}, 1, None)
    return SearchTrials(make_search(line.search), factory)


def open_trials(outputs: Path, *overrides: str, trials: int = 6) -> SearchTrials:
    search = make_trials(outputs, *overrides, trials=trials)
    search.open_study("s")
    return search


def load_study(outputs: Path) -> Any:
    storage = open_storage(str(outputs / "sweeps" / "s" / TRIALS_FILE))
    return optuna.load_study(study_name="s", storage=storage)


def states(outputs: Path) -> list[str]:
    return [trial.state.name for trial in load_study(outputs).trials]


def ignore(job: SweepJob) -> None:
    pass


def fail(job: SweepJob) -> None:
    RunDir(job.folder).save_failure("OSError", "no")


def finish(job: SweepJob) -> None:
    scores = random_correctness(0, 2, 20, 0.8)
    shutil.rmtree(job.folder, ignore_errors=True)
    make_run(job.folder, "one", scores, scores)


def prune(outputs: Path, search: SearchTrials, job: SweepJob, accuracies: list[float]) -> None:
    """What the process of a pruned job leaves: reported epochs and a file."""
    number = search.job_options(job)["trial"]
    trial = attach_trial(load_study(outputs), number)
    for epoch, accuracy in enumerate(accuracies, start=1):
        trial.report(accuracy, epoch)
    RunDir(job.folder).save_pruned(len(accuracies))


def test_killed_and_resumed_search_equals_uninterrupted_one(tmp_path: Path) -> None:
    overrides = [*TINY, "sweep=search", "tracking=none", "training.epochs=9", "repeats=1",
                 "hydra.sweeper.trials=4", "hydra.sweeper.pruner=median"]  # fmt: skip
    reference = SweepCommand(overrides, tmp_path / "reference")
    code, output = run_in_process(reference)
    assert code == 0 and "4 trials: 0 completed before, 4 to run" in output, output
    killed = SweepCommand(overrides, tmp_path / "killed")
    assert killed.kill_when(lambda: killed.has_begun_after(1), signal.SIGKILL)
    code, output = run_in_process(killed)
    assert code == 0, output
    assert killed.outcome() == reference.outcome() and not killed.rewritten
    killed.overrides = [*overrides, "sweep.dry_run=true"]
    assert "4 trials: 4 completed before, 0 to run" in run_in_process(killed)[1]


def test_trials_of_the_same_point_share_a_job_and_its_result(tmp_path: Path) -> None:
    search = open_trials(tmp_path, "model.dropout=0,0.5")
    reused: list[SweepJob] = []
    # All trials are proposed before any has ended, as with a launcher of unlimited capacity.
    failed, pruned = search.ask(6, reused.append)
    assert {failed.name, pruned.name} == {"model.dropout=0", "model.dropout=0.5"} and not reused
    fail(failed)
    prune(tmp_path, search, pruned, [0.4, 0.5])
    for job in (failed, pruned):
        search.tell(job)
    assert len(reused) == 4
    trials = [
        (trial.params["model.dropout"], trial.state.name, str(trial.intermediate_values))
        for trial in load_study(tmp_path).trials
    ]
    expected = {(failed.name, "FAIL", "{}"), (pruned.name, "PRUNED", "{1: 0.4, 2: 0.5}")}
    assert len(trials) == 6 and set(trials) == expected

    later = open_trials(tmp_path, "model.dropout=0,0.5", trials=12)
    remaining = 12 - later.count_completed("s")
    assert [job.name for job in later.ask(remaining, ignore)] == [failed.name], "pruned: not again"


def test_range_may_grow_but_the_kind_of_search_may_not_change(tmp_path: Path) -> None:
    first = open_trials(tmp_path, LR_RANGE)
    (job,) = first.ask(1, ignore)
    fail(job)
    first.tell(job)
    wider = make_trials(tmp_path, "optim.lr=tag(log,interval(1e-4,1e-1))")
    assert [earlier.hash for earlier in wider.open_study("s")] == [job.hash]
    for overrides, message in [
        (["optim.lr=interval(1e-4,1e-3)"], "optim.lr was a logarithmic range, is now a range"),
        (["optim.lr=1e-4,1e-3"], "is now one of 0.0001, 0.001"),
        ([LR_RANGE, "model.dropout=0,0.5"], "dropout was fixed"),
        ([LR_RANGE, "seed=8"], "trial 0 used other photos"),
    ]:
        with pytest.raises(InputError, match=r"sweep\.fresh=true starts over") as error:
            open_trials(tmp_path, *overrides)
        assert message in str(error.value)
    assert wider.count_completed("another study") == 0


def test_job_with_deleted_files_runs_again_without_a_new_trial(tmp_path: Path) -> None:
    first = open_trials(tmp_path, LR_RANGE)
    finished, pruned = first.ask(2, ignore)
    finish(finished)
    prune(tmp_path, first, pruned, [0.5, 0.5, 0.5])
    for job in (finished, pruned):
        first.tell(job)
        shutil.rmtree(job.folder)
    again = open_trials(tmp_path, LR_RANGE)
    assert again.missing == [finished] and pruned.state == "pruned"
    assert list(again.ask(0, ignore)) == [finished] and again.job_options(finished) == {}
    finish(finished)
    again.tell(finished)
    assert states(tmp_path) == ["COMPLETE", "PRUNED"]


def test_invalid_combinations_are_failed_trials(tmp_path: Path) -> None:
    overrides = ["split=holdout,kfold", "split.folds=null,3", "hydra.sweeper.pruner=none"]
    search = open_trials(tmp_path, *overrides)
    jobs = list(search.ask(8, ignore))
    assert {job.cfg.split.folds for job in jobs} <= {None, 3} and len(jobs) <= 2
    assert "split.folds" in search.invalid[0]
    again = make_trials(tmp_path, *overrides)
    assert {job.hash for job in again.open_study("s")} == {job.hash for job in jobs}


def test_truncated_journal_is_repaired(tmp_path: Path) -> None:
    """As after a power cut or on a full disk."""
    list(open_trials(tmp_path, LR_RANGE).ask(2, ignore))
    file = tmp_path / "sweeps" / "s" / TRIALS_FILE
    file.write_bytes(file.read_bytes()[:-5])
    again = make_trials(tmp_path, LR_RANGE)
    assert again.open_study("s") and len(list(again.ask(3, ignore))) == 3


def test_trial_without_a_point_is_failed(tmp_path: Path) -> None:
    """Its process was killed before the point was saved."""
    search = open_trials(tmp_path, LR_RANGE)
    load_study(tmp_path).ask()
    assert len(list(search.ask(1, ignore))) == 1
    assert states(tmp_path) == ["FAIL", "RUNNING"]


def test_unreachable_storage_is_reported_without_its_password(tmp_path: Path) -> None:
    pytest.importorskip("psycopg2", reason="psycopg2 is not installed")
    url = "hydra.sweeper.storage='postgresql+psycopg2://me:secret@127.0.0.1:1/x'"
    with pytest.raises(InputError, match="storage=postgresql") as error:
        open_trials(tmp_path, "optim.lr=1e-4,1e-3", url)
    assert "secret" not in str(error.value) and "127.0.0.1:1/x" in str(error.value)


def test_job_that_cannot_reach_its_search_is_refused(tmp_path: Path) -> None:
    sweep = replace(
        parse_command_line([]).jobs[0].sweep,
        storage=f"{tmp_path}/x/{TRIALS_FILE}", study="s", trial=0,
    )  # fmt: skip
    with pytest.raises(InputError, match=r"trials\.log"):
        open_epoch_report(sweep)
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def pruned_search(tmp_path_factory: pytest.TempPathFactory) -> SweepCommand:
    """Six trials, most with hopeless learning rates, in two processes."""
    overrides = [*TINY, "optim.lr=tag(log,interval(1e-9,1e-2))", "hydra/sweeper=optuna",
                 "training.epochs=12", "repeats=1", "hydra.sweeper.trials=6",
                 "hydra/launcher=processes", "hydra.launcher.jobs=2"]  # fmt: skip
    sweep = SweepCommand(overrides, tmp_path_factory.mktemp("pruned"))
    code, output = run_in_process(sweep)
    assert code == 0, output
    return sweep


def test_hyperband_stops_bad_trials_early(pruned_search: SweepCommand) -> None:
    files = pruned_search.outputs.glob("sweeps/*/*/pruned.json")
    epochs = [json.loads(file.read_text())["epochs"] for file in files]
    assert epochs and all(count < 12 for count in epochs)
    assert len(epochs) + len(pruned_search.results) == 6
    statuses = [status for run in pruned_search.statuses().values() for status in run]
    assert statuses.count("KILLED") == len(epochs) and "RUNNING" not in statuses


def test_search_evaluates_the_test_set_once(pruned_search: SweepCommand) -> None:
    assert len(list(pruned_search.outputs.glob("sweeps/*/*/test_evaluated.json"))) == 1
    assert len((pruned_search.outputs / "test_evaluations.jsonl").read_text().splitlines()) == 1


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["optim.lr=interval(2,1)"], "optim.lr=interval(2,1)"),
        (["optim.lr=tag(log,interval(0,1))"], "above 0"),
        (["model.dropout=interval(0,1)"], "model.dropout=1.0: input should be less than 1"),
        (["model.depth=interval(1,3)"], "needs a whole number"),
        (["model.dropout=0,1.5,0.5"], "model.dropout=1.5: input should be less than 1"),
        (["seed=int(interval(0,9))"], "repeats=5"),
        (["optim.lr=1,2", "sweep.zip=[optim.lr]"], "sweep.zip"),
        (["optim.lr=tag(lgo,interval(1e-5,1))"], "unknown tag lgo"),
        (["optim.lr=1e-3"], "'optim.lr=tag(log,interval(1e-5,1e-2))'"),
        (["hydra.sweeper.trils=3"], "did you mean trials"),
    ],
)
def test_rejects_invalid_searches(overrides: list[str], message: str) -> None:
    with pytest.raises(InputError) as error:
        parse_command_line(["-m", "hydra/sweeper=optuna", *overrides])
    assert message in str(error.value)


@pytest.mark.parametrize("option", ["trials=0", "pruner=mean"])
def test_rejects_invalid_search_options(option: str) -> None:
    line = parse_command_line(["-m", "sweep=search", f"hydra.sweeper.{option}"])
    assert line.search is not None
    with pytest.raises(InputError, match=rf"hydra\.sweeper\.{option}: input should be"):
        make_search(line.search)


def test_pruned_search_rejects_options_that_change_the_number_of_epochs(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"split\.folds: jobs with different numbers"):
        make_trials(tmp_path, "split=kfold", "split.folds=2,3")


def test_training_share_cannot_be_searched(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"split\.train_ratio: cannot be searched"):
        make_trials(tmp_path, "split.train_ratio=0.5,0.8", LR_RANGE)
