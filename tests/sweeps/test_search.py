"""A search by Optuna: stopped and resumed, pruned, and never told the test."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest

from fashion_exp.configuration.composition import parse_command_line
from fashion_exp.errors import InputError
from fashion_exp.experiment.job import FAILURE_FILE, PRUNED_FILE
from fashion_exp.experiment.pruning import make_pruner, open_storage, open_watch
from fashion_exp.sweeps.jobs import Planner, SweepJob
from fashion_exp.sweeps.search import TRIALS_FILE, Trials, make_search
from tests.comparison.made_runs import answers, made_run
from tests.sweeps.drill import TINY, Drill

optuna = pytest.importorskip("optuna", reason="Optuna is not installed")

SEARCH = [*TINY, "sweep=search", "training.epochs=9", "repeats=1", "hydra.sweeper.trials=4",
          "hydra.sweeper.pruner=median"]  # fmt: skip


def test_a_search_killed_and_resumed_equals_one_that_was_not(tmp_path: Path) -> None:
    peace, killed = Drill(SEARCH, tmp_path / "peace"), Drill(SEARCH, tmp_path / "killed")
    code, said = peace.run()
    assert code == 0 and "4 trials: 0 done before, 4 to run" in said, said
    killed.kill_after(9, signal.SIGKILL)
    code, said = killed.run()
    assert code == 0, said
    assert killed.outcome() == peace.outcome() and not killed.repeated
    killed.words = [*SEARCH, "sweep.dry_run=true"]
    assert "4 trials: 4 done before, 0 to run" in killed.run()[1]


def trials_of(outputs: Path, *words: str, trials: int = 6) -> Trials:
    line = parse_command_line(
        ["-m", "hydra/sweeper=optuna", f"hydra.sweeper.trials={trials}", *TINY, *words]
    )
    assert line.search is not None
    planner = Planner(line, outputs / "sweeps" / "s", outputs / "cache", {}, 1, None)
    return Trials(make_search(line.search), planner)


def study(outputs: Path) -> optuna.Study:
    return optuna.load_study(
        study_name="s", storage=open_storage(str(outputs / "sweeps" / "s" / TRIALS_FILE))
    )


def ended(job: SweepJob, file: str, **told: object) -> None:
    job.folder.mkdir(parents=True, exist_ok=True)
    (job.folder / file).write_text(json.dumps(told))


def test_trials_of_one_cell_are_one_job_whose_end_is_told_of_all(tmp_path: Path) -> None:
    trials = trials_of(tmp_path, "model.dropout=0,0.5")
    trials.open("s")
    known: list[SweepJob] = []
    # All are asked for while none has ended, as by a launcher that has room for them.
    first, second = trials.ask(6, known.append)
    assert {first.cell, second.cell} == {"model.dropout=0", "model.dropout=0.5"} and not known
    ended(first, FAILURE_FILE, kind="OSError", reason="no")
    number = int(dict(word.split("=") for word in trials.words(second))["sweep.trial"])
    for epochs, accuracy in ((1, 0.4), (2, 0.5)):
        optuna.Trial(study(tmp_path), study(tmp_path).trials[number]._trial_id).report(
            accuracy, epochs
        )
    ended(second, PRUNED_FILE, epochs=2)
    for job in (first, second):
        trials.ended(job)
    assert len(known) == 4
    told = [(one.params["model.dropout"], one.state.name, one.intermediate_values)
            for one in study(tmp_path).trials]  # fmt: skip
    assert set(map(str, told)) == {
        str((first.cell, "FAIL", {})), str((second.cell, "PRUNED", {1: 0.4, 2: 0.5}))
    }  # fmt: skip

    later = trials_of(tmp_path, "model.dropout=0,0.5", trials=12)
    later.open("s")
    asked = list(later.ask(12 - later.done("s"), known.append))
    assert [job.cell for job in asked] == [first.cell]  # the failed one again, the pruned one not


def test_a_search_grows_and_is_not_taken_for_another(tmp_path: Path) -> None:
    first = trials_of(tmp_path, "optim.lr=tag(log,interval(1e-4,1e-3))")
    first.open("s")
    (job, *_) = first.ask(1, lambda job: None)
    ended(job, FAILURE_FILE, kind="OSError", reason="no")
    first.ended(job)
    wider = trials_of(tmp_path, "optim.lr=tag(log,interval(1e-4,1e-1))")
    assert [found.hash for found in wider.open("s")] == [job.hash]
    for words, told in [
        (["optim.lr=interval(1e-4,1e-3)"], "optim.lr was a logarithmic range, is a range"),
        (["optim.lr=1e-4,1e-3"], "is one of 0.0001, 0.001"),
        (["optim.lr=tag(log,interval(1e-4,1e-3))", "model.dropout=0,0.5"], "dropout was fixed"),
        (["optim.lr=tag(log,interval(1e-4,1e-3))", "seed=8"], "trial 0 was of other photos"),
    ]:
        with pytest.raises(InputError, match=r"sweep\.fresh=true starts over") as refusal:
            trials_of(tmp_path, *words).open("s")
        assert told in str(refusal.value)
    assert trials_of(tmp_path, "optim.lr=1e-4,1e-3").done("another") == 0


def finish(job: SweepJob) -> None:
    scores = answers(0, 2, 20, 0.8)
    shutil.rmtree(job.folder, ignore_errors=True)
    made_run(job.folder, "one", scores, scores)


def test_a_job_whose_files_are_gone_is_run_again_and_its_trial_is_not(tmp_path: Path) -> None:
    first = trials_of(tmp_path, "optim.lr=tag(log,interval(1e-4,1e-3))")
    first.open("s")
    done, pruned = first.ask(2, lambda job: None)
    finish(done)
    own = first._under_way[pruned.hash][0]
    optuna.Trial(study(tmp_path), study(tmp_path).trials[own]._trial_id).report(0.5, 3)
    ended(pruned, PRUNED_FILE, epochs=3)
    for job in (done, pruned):
        first.ended(job)
        shutil.rmtree(job.folder)
    again = trials_of(tmp_path, "optim.lr=tag(log,interval(1e-4,1e-3))")
    again.open("s")
    assert again.lost == [done] and pruned.state == "pruned"
    assert list(again.ask(0, lambda job: None)) == [done] and again.words(done) == ()
    finish(done)
    again.ended(done)
    assert [one.state.name for one in study(tmp_path).trials] == ["COMPLETE", "PRUNED"]


def test_values_that_do_not_go_together_are_told_and_another_cell_is_asked_for(
    tmp_path: Path,
) -> None:
    words = ["split=holdout,kfold", "split.folds=null,3", "hydra.sweeper.pruner=none"]
    trials = trials_of(tmp_path, *words)
    trials.open("s")
    asked = list(trials.ask(12, lambda job: None))
    assert {job.cfg.split.folds for job in asked} <= {None, 3} and len(asked) <= 2
    assert "split.folds" in trials.refused[0]
    again = trials_of(tmp_path, *words)
    assert {job.hash for job in again.open("s")} == {job.hash for job in asked}


def test_half_a_line_at_the_end_of_the_trials_is_no_end_of_the_search(tmp_path: Path) -> None:
    """What a power cut or a full disk leaves."""
    trials = trials_of(tmp_path, "optim.lr=tag(log,interval(1e-4,1e-3))")
    trials.open("s")
    list(trials.ask(2, lambda job: None))
    file = tmp_path / "sweeps" / "s" / TRIALS_FILE
    file.write_bytes(file.read_bytes()[:-5])
    again = trials_of(tmp_path, "optim.lr=tag(log,interval(1e-4,1e-3))")
    assert again.open("s") and len(list(again.ask(3, lambda job: None))) == 3


def test_the_bracket_of_a_trial_is_drawn_by_the_seed_alone() -> None:
    def brackets(name: str, seed: int) -> list[int]:
        own = optuna.create_study(study_name=name, direction="maximize")
        pruner = make_pruner("hyperband", 27, seed)
        own.ask().report(1.0, 1)
        pruner.prune(own, own.trials[0])  # which makes the brackets
        return [pruner._get_bracket_id(own, SimpleNamespace(number=n)) for n in range(30)]

    assert brackets("a", 0) == brackets("b", 0) != brackets("a", 1)


def test_a_trial_killed_before_it_had_its_values_is_let_go(tmp_path: Path) -> None:
    trials = trials_of(tmp_path, "optim.lr=tag(log,interval(1e-4,1e-3))")
    trials.open("s")
    study(tmp_path).ask()
    assert len(list(trials.ask(1, lambda job: None))) == 1
    assert [one.state.name for one in study(tmp_path).trials] == ["FAIL", "RUNNING"]


def test_storage_that_cannot_be_reached_is_told_without_its_password(tmp_path: Path) -> None:
    away = "hydra.sweeper.storage='postgresql+psycopg2://me:secret@127.0.0.1:1/x'"
    with pytest.raises(InputError, match="storage=postgresql") as refusal:
        trials_of(tmp_path, "optim.lr=1e-4,1e-3", away).open("s")
    assert "secret" not in str(refusal.value) and "127.0.0.1:1/x" in str(refusal.value)


def test_a_job_where_the_search_cannot_be_seen_says_so(tmp_path: Path) -> None:
    words = [f"sweep.storage={tmp_path}/away/{TRIALS_FILE}", "sweep.study=s", "sweep.trial=0"]
    with pytest.raises(InputError, match=r"trials\.log: the search is not kept here"):
        open_watch(parse_command_line(words).jobs[0].sweep)
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def pruned(tmp_path_factory: pytest.TempPathFactory) -> Drill:
    """A search in which hopeless cells are many, two jobs at once in processes."""
    words = [*TINY, "optim.lr=tag(log,interval(1e-9,1e-2))", "hydra/sweeper=optuna",
             "training.epochs=12", "repeats=1", "hydra.sweeper.trials=6",
             "hydra/launcher=processes", "hydra.launcher.jobs=2"]  # fmt: skip
    drill = Drill(words, tmp_path_factory.mktemp("pruned"))
    code, said = drill.run()
    assert code == 0, said
    return drill


def test_hyperband_spends_few_epochs_on_bad_cells(pruned: Drill) -> None:
    stopped = [json.loads(file.read_text())["epochs"] for file in
               pruned.outputs.glob("sweeps/*/*/pruned.json")]  # fmt: skip
    finished = list(pruned.outputs.glob("sweeps/*/*/result.json"))
    assert len(stopped) + len(finished) == 6 and stopped and all(done < 12 for done in stopped)
    statuses = [status for told in pruned.statuses().values() for status in told]
    assert statuses.count("KILLED") == len(stopped) and "RUNNING" not in statuses


def test_a_search_looks_at_one_test_alone(pruned: Drill) -> None:
    assert len(list(pruned.outputs.glob("sweeps/*/*/test_opened.json"))) == 1
    assert len((pruned.outputs / "test_looks.jsonl").read_text().splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["optim.lr=interval(2,1)"], "the range has to go upwards"),
        (["optim.lr=tag(log,interval(0,1))"], "a logarithmic one starts above 0"),
        (["model.dropout=interval(0,1)"], "model.dropout=1.0: input should be less than 1"),
        (["model.depth=interval(1,3)"], "could not be converted to Integer"),
        (["model.dropout=0,1.5,0.5"], "model.dropout=1.5: input should be less than 1"),
        (["seed=int(interval(0,9))"], "a seed is no setting to choose by"),
        (["optim.lr=1,2", "sweep.zip=[optim.lr]"], "act in grids"),
        (["optim.lr=tag(lgo,interval(1e-5,1))"], "lgo: no such tag"),
        (["optim.lr=1e-3"], "nothing to search"),
        (["hydra.sweeper.trils=3"], "hydra.sweeper.trils: no such knob; did you mean trials"),
    ],
)
def test_what_cannot_be_searched_is_refused(words: list[str], told: str) -> None:
    with pytest.raises(InputError) as refusal:
        parse_command_line(["-m", "hydra/sweeper=optuna", *words])
    assert told in str(refusal.value)


def test_its_knobs_are_checked() -> None:
    line = parse_command_line(["-m", "sweep=search", "hydra.sweeper.trials=0"])
    assert line.search is not None
    with pytest.raises(InputError, match=r"hydra\.sweeper\.trials=0: input should be greater"):
        make_search(line.search)
