"""A search by Optuna: stopped and resumed, pruned, and never told the test."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from fashion_exp.compose import read_command_line
from fashion_exp.errors import InputError
from fashion_exp.sweeps.search import make_search
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
    code, said = killed.run()
    assert code == 0 and "4 trials: 4 done before, 0 to run" in said and not killed.repeated


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
        (["seed=int(interval(0,9))"], "a seed is no setting to choose by"),
        (["optim.lr=1,2", "sweep.zip=[optim.lr]"], "act in grids"),
        (["optim.lr=1e-3"], "nothing to search"),
        (["hydra.sweeper.trils=3"], "hydra.sweeper.trils: no such knob; did you mean trials"),
    ],
)
def test_what_cannot_be_searched_is_refused(words: list[str], told: str) -> None:
    with pytest.raises(InputError) as refusal:
        read_command_line(["-m", "hydra/sweeper=optuna", *words])
    assert told in str(refusal.value)


def test_its_knobs_are_checked() -> None:
    line = read_command_line(["-m", "sweep=search", "hydra.sweeper.trials=0"])
    assert line.search is not None
    with pytest.raises(InputError, match=r"hydra\.sweeper\.trials=0: input should be greater"):
        make_search(line.search)
