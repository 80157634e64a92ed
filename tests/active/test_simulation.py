"""A simulation of labeling: equal for any number of workers, and after an interruption."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fashion_exp as fx
from fashion_exp.active.features import FrozenFeatures, fit_head
from fashion_exp.active.simulation import Schedule, Simulation, Trajectory, run_trajectory, simulate
from fashion_exp.active.simulation_result import BETTER, WORSE, evaluate
from fashion_exp.data.split import Fold, Split
from fashion_exp.data.table import ImageTable, left_out_table
from fashion_exp.reporting.console import plain_console
from fashion_exp.reporting.progress import Progress
from tests.command_line import call_command, call_successfully
from tests.conftest import REPOSITORY

CLASSES = 3


def data(copies: int = 0, folds: int = 4) -> FrozenFeatures:
    """90 photos of three classes in the plane, the last 30 of them the test; `copies` more photos
    are copies of the first one, in its group."""
    import pandas as pd

    rng = np.random.default_rng(0)
    labels = np.r_[np.tile(np.arange(CLASSES), 30), np.zeros(copies, int)]
    centers = np.array([[0, 0, 0, 0], [2, 0, 0, 0], [0, 2, 0, 0.0]])
    features = centers[labels] + rng.normal(size=(len(labels), 4))
    features[90:] = features[0]
    groups = [f"{number:03}" for number in range(90)] + ["000"] * copies
    rows = pd.DataFrame(
        {"image_id": [f"{i:03}" for i in range(len(labels))], "group_id": groups, "path": "",
         "label": labels, "part": "", "copies": 1}
    )  # fmt: skip
    table = ImageTable("photos", rows, ("a", "b", "c"), None, 16, left_out_table([]))  # type: ignore[arg-type]
    pool = np.r_[np.arange(60), np.arange(90, len(labels))]
    split = Split(
        np.arange(60, 90),
        tuple(Fold(repeat, 0, pool, np.arange(0)) for repeat in range(folds)),
        np.arange(0), True,
    )  # fmt: skip
    return FrozenFeatures(table, split, features.astype(np.float32))


def simulation(schedule: Schedule, **options: int) -> Simulation:
    return Simulation(data(**options), schedule, 0.1, 0, "")


def test_head_is_that_of_scikit_learn() -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    rng = np.random.default_rng(0)
    features, labels = rng.normal(size=(20, 50)).astype(np.float32), np.arange(20) % 3
    weights = rng.random(20) + 0.5
    scaler = StandardScaler().fit(features.astype(np.float64))
    expected = LogisticRegression(C=0.3, tol=1e-10, max_iter=10_000).fit(
        scaler.transform(features), labels, weights
    )
    cold = fit_head(features, labels, weights, 3, 0.3)
    warm = fit_head(features, labels, weights, 3, 0.3, fit_head(features, labels, weights, 3, 9))
    for head in (cold, warm):
        assert np.allclose(
            head.probabilities(features), expected.predict_proba(scaler.transform(features)),
            atol=1e-4,
        )  # fmt: skip


def test_strategies_begin_with_the_same_labels_and_never_repeat_one() -> None:
    schedule = Schedule(initial=2, count=5, rounds=3)
    run = simulation(schedule)
    fold = run.data.split.folds[0]
    result = [run_trajectory(run, name, fold) for name in ("random", "margin", "usdm")]
    for trajectory in result:
        assert trajectory.chosen[:6].tolist() == result[0].chosen[:6].tolist()
        assert len(set(trajectory.chosen.tolist())) == 6 + 15
        assert set(trajectory.chosen.tolist()) <= set(fold.train.tolist())
        assert np.bincount(run.data.table.labels[trajectory.chosen[:6]]).tolist() == [2, 2, 2]
        assert np.array_equal(trajectory.correct[0], result[0].correct[0])
    assert schedule.labels(CLASSES).tolist() == [6, 11, 16, 21]


def test_copies_enter_together_and_count_once() -> None:
    """A group of 31 photos is one label, with the weight of one photo."""
    schedule = Schedule(initial=20, count=1, rounds=0)
    plain, copied = (run_trajectory(s, "random", s.data.split.folds[0]) for s in (
        simulation(schedule), simulation(schedule, copies=30),
    ))  # fmt: skip
    assert len(copied.chosen) == len(plain.chosen) == 60
    assert set(copied.chosen.tolist()) == set(plain.chosen.tolist())


@pytest.mark.slow
def test_workers_and_interruption_change_nothing(tmp_path: Path) -> None:
    """In a process of its own: workers are forked, and a process of pytest may have threads."""
    code = "import sys, pathlib; from tests.active.test_simulation import check_workers as check; "
    code += "check(pathlib.Path(sys.argv[1]))"
    command = [sys.executable, "-c", code, str(tmp_path)]
    subprocess.run(command, cwd=REPOSITORY, check=True, timeout=120)


def check_workers(folder: Path) -> None:
    run = simulation(Schedule(initial=2, count=5, rounds=2))
    names = ["random", "badge", "bald"]
    with Progress(plain_console(stderr=True)) as progress:
        alone = simulate(run, names, folder / "1", 1, progress)
        simulate(run, names[:1], folder / "2", 2, progress)
        (folder / "2" / "repeats" / "random-r1f0.npz").unlink()
        stored = (folder / "2" / "repeats" / "random-r0f0.npz").stat().st_mtime_ns
        continued = simulate(run, names, folder / "2", 2, progress)
    assert (folder / "2" / "repeats" / "random-r0f0.npz").stat().st_mtime_ns == stored
    for name in names:
        for single, other in zip(alone[name], continued[name], strict=True):
            assert np.array_equal(single.chosen, other.chosen)
            assert np.array_equal(single.correct, other.correct)


def trajectories(shift: float, repeats: int = 8) -> list[Trajectory]:
    """Accuracy that rises from 0.4 by `shift` more than 0.1 at each of 4 steps, on 200 photos."""
    result = []
    for repeat in range(repeats):
        rng = np.random.default_rng(repeat)
        draws = rng.random(200)
        rates = 0.4 + (0.1 + shift) * np.arange(5)
        result.append(Trajectory(draws < rates[:, None], np.arange(0)))
    return result


def test_verdicts_savings_and_warning() -> None:
    schedule = Schedule(initial=5, count=10, rounds=4)
    results = evaluate(
        {"random": trajectories(0), "margin": trajectories(0.04), "entropy": trajectories(-0.04),
         "usdm": trajectories(0)}, schedule, 2, np.arange(200), 500, None, 0.95,
    )  # fmt: skip
    by_name = {result.name: result for result in results.strategies}
    assert by_name["margin"].verdict == BETTER and by_name["entropy"].verdict == WORSE
    assert by_name["usdm"].p == 1
    saving = by_name["margin"].saving
    assert saving is not None and saving.saved is not None and 5 < saving.saved < 20
    assert by_name["entropy"].saving is not None and by_name["entropy"].saving.needed is None
    text = " ".join(results.sentences())
    assert "1 of 3 strategies beats a random choice: margin." in text
    assert "Most strategies are not shown to beat a random choice here." in text
    assert json.loads(json.dumps(results.as_json(), allow_nan=False))["target"] == results.target


def test_target_out_of_reach_is_said() -> None:
    schedule = Schedule(initial=5, count=10, rounds=4)
    results = [
        " ".join(evaluate(
            {"random": trajectories(0), "margin": trajectories(0.04)}, schedule, 2,
            np.arange(200), 500, target, 0.95,
        ).sentences())
        for target in (0.9, 0.99)
    ]  # fmt: skip
    needed = "labels to reach 90 %; random does not reach 90 % with these labels."
    assert "margin needs" in results[0] and needed in results[0]
    assert "margin does not reach 99 % with these labels; random does not" in results[1]


def test_half_of_the_strategies_are_not_most() -> None:
    schedule = Schedule(initial=5, count=10, rounds=4)
    results = evaluate(
        {"random": trajectories(0), "margin": trajectories(0.04), "usdm": trajectories(0)},
        schedule, 2, np.arange(200), 500, None, 0.95,
    )  # fmt: skip
    assert "Most" not in " ".join(results.sentences())


@pytest.mark.slow
def test_command_simulates_and_writes_its_files(photos: Path, tmp_path: Path) -> None:
    words = [
        "dataset=folder", f"dataset.root={photos}", "dataset.image_size=16", "model=timm",
        "model.name=test_resnet", "model.weights=none", "model.freeze=backbone", "repeats=4",
        "training.threads=1", f"outputs={tmp_path}",
    ]  # fmt: skip
    switches = ["--initial", "2", "--count", "4", "--rounds", "2", "--workers", "1"]
    text = call_successfully("active", "strategy=margin,coreset", *words, *switches)
    assert "of 2 strategies" in text
    (folder,) = (tmp_path / "active").iterdir()
    assert {"curves.png", "curves.csv", "result.json", "repeats"} <= {
        file.name for file in folder.iterdir()
    }
    same = fx.simulate_labeling(
        *words, strategies=["margin"], initial=2, count=4, rounds=2, workers=2
    )
    assert same.folder == folder and len(list((folder / "repeats").iterdir())) == 12
    for arguments, message in {
        ("--strategy", "margn"): "did you mean margin?",
        ("--rounds", "90"): "rounds of 4 fit",
        ("--initial", "0"): "--initial 0: must be at least 1",
        ("--target", "85"): "--target 85: must be between 0 and 1",
        ("model.head=knn",): "leave model.head out",
        ("split.redraw=false",): "draws a new pool",
    }.items():
        done = call_command("active", *words, *switches, *arguments)
        assert done.returncode == 2 and message in done.stderr, done.stderr
