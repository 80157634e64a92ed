"""A placebo is the baseline under other seeds, compared with itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fashion_exp.api.comparison import compare
from fashion_exp.commands import compare as command
from fashion_exp.comparison.differences import Differences
from fashion_exp.comparison.find_runs import all_runs
from fashion_exp.comparison.metrics import METRICS
from fashion_exp.comparison.pairs import compare_pairs
from fashion_exp.comparison.settings import ComparisonSettings
from fashion_exp.errors import InputError
from fashion_exp.evaluation.run_dir import RunDir
from fashion_exp.racing.looks import visible_difference
from fashion_exp.racing.placebo import PLACEBOS, Placebo, PlaceboPlan
from tests.comparison.synthetic_runs import make_run, random_correctness
from tests.conftest import TinyRun


@pytest.mark.slow
def test_placebo_compares_the_baseline_with_itself_under_other_seeds(
    tiny: Callable[..., TinyRun], tmp_path: Path
) -> None:
    outputs = tmp_path / "outputs"
    run = tiny("repeats=4", "optim.lr=1e-4", "split.train_ratio=0.5").output
    plans: list[int] = []
    result = compare(run, placebo=3, outputs=outputs,
                    approve=lambda plan: plans.append(plan.trainings)).placebo  # fmt: skip
    assert result is not None and len(result.pairs) == 3 and plans == [12]
    runs = [RunDir(result.folder / f"{number:03}") for number in (1, 2, 3)]
    assert result.folder == outputs / PLACEBOS / run.name
    seeds = [run.options()["seeds.order"] for run in runs]
    assert len({*seeds, 0}) == 4 and all(run.is_finished for run in runs)
    assert result.sentence.startswith(f"Placebo: {result.different} of 3 identical pairs called")
    assert "smallest difference that this design can see" in result.sentence
    # Pairs that share a baseline are no independent trials, so their share has no interval.
    assert "Clopper" not in result.sentence and "regression to the mean" in result.sentence
    assert not list(all_runs(outputs))  # no run of a leaderboard
    changed = [run.result_file.stat().st_mtime_ns for run in runs]
    more = compare(run, placebo=4, outputs=outputs,
                   approve=lambda plan: plans.append(plan.trainings)).placebo  # fmt: skip
    assert more is not None and len(more.pairs) == 4 and plans == [12, 4]
    assert changed == [run.result_file.stat().st_mtime_ns for run in runs]
    assert [pair.p_holm for pair in more.pairs[:3]] == [pair.p_holm for pair in result.pairs]


def test_placebo_of_a_recipe_without_seeds_says_nothing(tmp_path: Path) -> None:
    scores = random_correctness(0, 4, 60, 0.8)
    runs = [make_run(tmp_path / name, name, scores, scores) for name in "ab"]
    pairs = compare_pairs(runs, [(1, 0)], "test", ComparisonSettings(baseline=0))
    result = Placebo(tmp_path, "a", METRICS["accuracy"], pairs)
    assert result.different == 0 and result.visible is None
    assert result.sentence.endswith(
        "seeds change nothing in a, so this says nothing about the test."
    )


def test_visible_difference_of_equal_recipes_is_found_with_a_power_of_80_percent() -> None:
    rng = np.random.default_rng(0)
    # Each row shares the part of the error that the correction for 80:20 splits is for.
    shared = rng.normal(size=(1000, 1)) * 0.02 * np.sqrt(20 / 80)
    values = shared + rng.normal(size=(1000, 10)) * 0.02
    size = visible_difference(redrawn(values[0]), 0.05)
    sizes = np.array([visible_difference(redrawn(row), 0.05) for row in values])
    assert sizes[0] == size
    shift = np.sqrt(np.mean(sizes**2))  # of the mean variance
    result = [redrawn(row + shift).test(0.95).p for row in values]
    assert 0.76 < np.mean(np.array(result) < 0.05) < 0.84  # three standard errors


def redrawn(values: np.ndarray) -> Differences:
    metric = METRICS["accuracy"]
    return Differences("redrawn", values, 100, metric, n_train=80, n_test=20)


@pytest.mark.slow
def test_long_placebo_is_asked_for_and_what_it_cannot_do_is_refused(
    tiny: Callable[..., TinyRun], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    outputs = str(tmp_path / "outputs")
    run = str(tiny("repeats=4").output)
    monkeypatch.setattr(PlaceboPlan, "seconds", 7200.0)
    with pytest.raises(InputError, match=r"8 trainings for .*, about 2 h.*--yes"):
        command.run([run, "--placebo", "2", "--outputs", outputs])
    assert not (tmp_path / "outputs" / PLACEBOS).exists()
    capsys.readouterr()
    assert command.run([run, "--placebo", "1", "--yes", "--json", "--outputs", outputs]) == 0
    placebo = json.loads(capsys.readouterr().out)["placebo"]
    assert placebo["pairs"] == 1 and len(placebo["p"]) == 1
    with pytest.raises(InputError, match="--yes: has no effect"):
        command.run([run, "--yes", "--outputs", outputs])
    with pytest.raises(InputError, match="must be from 1 to"):
        command.run([run, "--placebo", "0", "--outputs", outputs])
    other = str(tiny("repeats=4", "optim.lr=0.5").output)
    with pytest.raises(InputError, match="needs --baseline"):
        command.run([run, other, "--placebo", "2", "--outputs", outputs])
