"""A source whose photos look different is worse when it is left out; others are not."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fashion_exp.errors import InputError
from fashion_exp.evaluation.run_dir import RunDir
from fashion_exp.inference import source_control
from fashion_exp.reporting.console import plain_console
from fashion_exp.reporting.progress import Progress
from tests.comparison.synthetic_runs import make_run

N = 240


def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, pd.Series]:
    """A run that is right everywhere. Source c has the classes the other way round."""
    data = make_run(tmp_path / "runs" / "a", "a", np.ones((1, N)), np.ones((1, 10)))
    run = RunDir(data.result.output)
    trainings = pd.read_csv(run.trainings_file).assign(c=0.1)
    trainings.to_csv(run.trainings_file, index=False)
    split = pd.read_csv(run.split_file)
    labels = np.arange(len(split)) % 2
    split.assign(label=labels).to_csv(run.split_file, index=False)
    names = np.array(["a", "b", "c", "few"])[np.where(np.arange(N) < 10, 3, np.arange(N) // 2 % 3)]
    sources = pd.Series(names, index=split["image_id"][:N])
    rng = np.random.default_rng(0)
    sign = np.where(names == "c", -1, 1) * (2 * labels[:N] - 1)
    features = rng.normal(size=(N, 3)) + 3 * sign[:, None]
    monkeypatch.setattr(source_control, "own_features", lambda run, ids, progress: features)
    trained = SimpleNamespace(run=run, shares_backbone=True, classes=data.classes,
                              predictions=data.predictions, result=data.result)  # fmt: skip
    return trained, sources


def test_source_with_other_looks_is_worse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, sources = make(tmp_path, monkeypatch)
    with Progress(plain_console(stderr=True)) as progress:
        results = {r.source: r for r in source_control.leave_one_source_out(run, sources, progress)}
    assert results["c"].verdict == "worse" and results["few"].verdict == "too few images"
    accuracy, difference = results["c"].accuracy, results["c"].difference
    assert accuracy is not None and accuracy.estimate is not None and accuracy.estimate < 0.1
    assert difference is not None and difference.estimate == pytest.approx(accuracy.estimate - 1)
    assert difference.high is not None and -1 < difference.high < -0.8
    assert sum(result.images for result in results.values()) == N


def test_only_photos_that_the_models_predicted_count_for_a_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, sources = make(tmp_path, monkeypatch)
    frame = run.predictions("validation")
    some = sources.index[sources == "a"][10:]  # ten of its photos are predicted
    stored = frame[~frame["image_id"].isin(some)]
    run.predictions = lambda part: stored
    for size in (10, 10_000):  # of the training part of the run's models
        run.result = SimpleNamespace(train_sizes={"r0f0": size})
        with Progress(plain_console(stderr=True)) as progress:
            actual = source_control.leave_one_source_out(run, sources, progress)
        results = {result.source: result for result in actual}
        assert results["a"].accuracy is not None and results["a"].difference is None
        assert results["a"].verdict == "too few images" and results["c"].verdict == "worse"
        assert results["b"].has_more_training == (size == 10)


def test_cost_is_told_where_a_head_is_not_solved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, sources = make(tmp_path, monkeypatch)
    run.shares_backbone = False
    with (
        Progress(plain_console(stderr=True)) as progress,
        pytest.raises(InputError, match=r"logistic head .* would train it 4 times, about 4"),
    ):
        source_control.leave_one_source_out(run, sources, progress)
    with (
        Progress(plain_console(stderr=True)) as progress,
        pytest.raises(InputError, match="1 sources; it takes 2"),
    ):
        source_control.leave_one_source_out(run, sources.map(lambda _: "a"), progress)
