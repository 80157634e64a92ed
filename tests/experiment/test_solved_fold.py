"""A head that is solved: what it learns from, what the run records, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fashion_exp.configuration.composition import parse_command_line
from fashion_exp.errors import InputError
from fashion_exp.evaluation.run_dir import RunDir
from fashion_exp.experiment import solved_fold
from fashion_exp.experiment.job import run_job
from fashion_exp.experiment.solved_fold import SolvedHead, TrainingRows
from tests.conftest import TinyRun

FROZEN = (
    "model.weights=none", "model.freeze=backbone", "training.epochs=8", "training.batch_size=32",
    "training.precision=fp32", "training.threads=1",
)  # fmt: skip
LOGISTIC = (*FROZEN, "model.head=logistic")

Tiny = Callable[..., TinyRun]


@pytest.fixture
def solved(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, Any, TrainingRows, SolvedHead]]:
    """(context, fold, rows, head) of every head that is solved."""
    calls: list[tuple[Any, Any, TrainingRows, SolvedHead]] = []
    solve = solved_fold.solve_head

    def recorded(context: Any, fold: Any, model: Any, rows: TrainingRows, *args: Any) -> SolvedHead:
        calls.append((context, fold, rows, solve(context, fold, model, rows, *args)))
        return calls[-1][-1]

    monkeypatch.setattr(solved_fold, "solve_head", recorded)
    return calls


@pytest.fixture
def folds(monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """The folds of every cross-validation that chooses C."""
    result: list[np.ndarray] = []
    choose = solved_fold.choose_c

    def recorded(rows: Any, grid: Any, folds: torch.Tensor, *args: Any) -> Any:
        result.append(folds.numpy())
        return choose(rows, grid, folds, *args)

    monkeypatch.setattr(solved_fold, "choose_c", recorded)
    return result


@pytest.mark.parametrize("weights", ["none", "balanced"])
@pytest.mark.slow
def test_predictions_are_those_of_scikit_learn_on_the_training_rows(
    tiny: Tiny, solved: list[Any], weights: str
) -> None:
    """Standardization included: no other row has a part in it."""
    run = tiny(
        *LOGISTIC, f"training.class_weights={weights}", "dataset.rename={shirt:pullover}",
        "split.train_ratio=0.6",
    )  # fmt: skip
    ((context, fold, rows, _),) = solved
    (record,) = pd.read_csv(run.output / "trainings.csv").to_dict("records")
    classifier = LogisticRegression(
        C=record["c"], tol=1e-9, max_iter=10_000,
        class_weight=None if weights == "none" else "balanced",
    )  # fmt: skip
    pipeline = make_pipeline(StandardScaler(), classifier)
    pipeline.fit(rows.features.double().numpy(), rows.labels.numpy())
    assert len(rows.labels) == len(fold.train)
    (features,) = context.features._computed.values()
    expected = pipeline.predict_proba(features(fold.validation).double().numpy())
    columns = [f"p_{name}" for name in context.table.classes]
    actual = run.predictions("validation")[columns].to_numpy()
    assert np.abs(actual - expected).max() < 1e-4


@pytest.mark.slow
def test_run_records_the_chosen_c_and_one_epoch(tiny: Tiny, solved: list[Any]) -> None:
    run = tiny(*LOGISTIC, "model.c_grid=[1e-5,1e-3,1e-1]", "repeats=2")
    trainings = pd.read_csv(run.output / "trainings.csv")
    assert set(trainings["c"]) <= {1e-5, 1e-3, 1e-1} and (trainings["updates"] > 3).all()
    assert run.history["epoch"].eq(1).all() and len(run.history) == 4
    assert run.facts["head"] == (
        "logistic regression, C chosen by 5-fold cross-validation in the training part"
    )
    assert "chosen by 5-fold cross-validation" in solved[0][-1].method
    assert "C = " in RunDir(run.output).log_file.read_text()


@pytest.mark.slow
def test_interrupted_run_ends_with_the_same_numbers(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    options = (*LOGISTIC, "repeats=2")
    whole = tiny(*options)
    solve, calls = solved_fold.solve_head, []

    def interrupted(*args: Any) -> SolvedHead:
        calls.append(args)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return solve(*args)

    monkeypatch.setattr(solved_fold, "solve_head", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tiny(*options)
    folder = RunDir(tmp_path / "runs" / "1")
    assert folder.fold("r0f0").is_finished and not folder.is_finished
    line = parse_command_line(
        [f"dataset.root={calls[0][0].cfg.dataset.root}", "dataset=folder", "dataset.image_size=16",
         "training.threads=1", "cache.trainings=false", "tracking=none",
         f"outputs={tmp_path / 'outputs'}", *options]
    )  # fmt: skip
    assert run_job(line.jobs[0], folder, options) == 0
    assert len(calls) == 3
    for part in ("validation", "test"):
        assert TinyRun(folder.path).predictions(part).equals(whole.predictions(part))


@pytest.mark.slow
def test_group_is_never_divided_by_the_folds_that_choose_c(
    tiny: Tiny, photos: Path, tmp_path: Path, solved: list[Any], folds: list[np.ndarray]
) -> None:
    paths = sorted(path.relative_to(photos).as_posix() for path in photos.rglob("*.png"))
    lines = [f"{path},{Path(path).parent.name}{number // 3}" for number, path in enumerate(paths)]
    (tmp_path / "groups.csv").write_text("\n".join(["path,group", *lines]))
    tiny(*LOGISTIC, f"dataset.groups={tmp_path / 'groups.csv'}")
    ((context, fold, _, _),) = solved
    groups = context.table.rows["group_id"].to_numpy()[fold.train]
    assert len(set(groups)) < len(groups) / 2
    frame = pd.DataFrame({"group": groups, "fold": folds[0]})
    assert (frame.groupby("group")["fold"].nunique() == 1).all() and set(folds[0]) == set(range(5))


@pytest.mark.slow
def test_views_are_rows_that_share_the_weight_and_fold_of_their_image(
    tiny: Tiny, solved: list[Any], folds: list[np.ndarray]
) -> None:
    tiny(*LOGISTIC, "augmentation=light", "augmentation.on_frozen=views", "augmentation.views=3")
    ((_, fold, rows, _),) = solved
    assert len(rows.labels) == 3 * len(fold.train)
    assert torch.allclose(rows.weights, torch.tensor(1 / 3, dtype=torch.float64))
    frame = pd.DataFrame({"image": rows.images, "fold": folds[0]})
    assert (frame.groupby("image")["fold"].nunique() == 1).all()
    assert len(rows.features.unique(dim=0)) > len(fold.train)


@pytest.mark.slow
def test_features_of_a_trained_head_are_reused(tiny: Tiny) -> None:
    tiny(*FROZEN, "training.epochs=1")
    for head in ("logistic", "knn", "prototype"):
        run = tiny(*FROZEN, f"model.head={head}")
        assert run.facts["features"] == "72 of 72 from cache"


@pytest.mark.parametrize("head", ["knn", "prototype"])
def test_baselines_learn_the_color_of_the_photos(tiny: Tiny, head: str) -> None:
    frame = tiny(*FROZEN, f"model.head={head}").predictions("validation")
    columns = ["p_dress", "p_pullover", "p_shirt"]
    right = frame[columns].idxmax(axis=1) == "p_" + frame["label"]
    assert right.mean() > 0.6


@pytest.mark.parametrize("views", [(), ("augmentation=light", "augmentation.on_frozen=views")])
def test_more_neighbors_than_training_images_are_refused_before_the_run(
    tiny: Tiny, capsys: pytest.CaptureFixture[str], tmp_path: Path, views: tuple[str, ...]
) -> None:
    with pytest.raises(AssertionError):
        tiny(*FROZEN, *views, "model.head=knn", "model.neighbors=99")
    assert "model.neighbors=99: r0f0 has 45 training images" in capsys.readouterr().err
    assert not list(tmp_path.rglob("split.csv"))


def test_unfrozen_backbone_is_refused_with_the_remedy(
    tiny: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(AssertionError):
        tiny("model.head=logistic", "training.epochs=8", "training.batch_size=32")
    assert "model.weights=none model.freeze=backbone to use random" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.epochs=20", "training.epochs=20 has no effect here: model.head=logistic is"),
        ("optim.lr=1e-4", "leave it at 0.001, or set model.head=own"),
        ("optim=adamw", "optim.name=AdamW has no effect here"),
        ("schedule=cosine", "schedule.name=cosine has no effect here"),
        ("model.dropout=0.5", "model.dropout=0.5 has no effect here"),
        ("model.unfreeze={1:none}", "model.unfreeze={'1': 'none'} has no effect here"),
        ("training.label_smoothing=0.1", "training.label_smoothing=0.1 has no effect"),
        ("training.keep=best", "training.keep=best has no effect here"),
        ("training.early_stopping=3", "leave it at null"),
        ("training.compile=true", "training.compile=True has no effect here"),
        ("seeds.dropout=4", "seeds.dropout=4 has no effect here"),
        ("model.freeze=none", "model.freeze=none: model.head=logistic is solved on the features"),
        ("augmentation=light", "set augmentation.on_frozen=views for a fixed number of views"),
        ("split.redraw=false", "repeats=5 with split.redraw=false"),
        ("model.hidden=[8]", "model.hidden has no effect here: it needs model.head=new"),
        ("model.neighbors=3", "model.neighbors has no effect here: it needs model.head=knn"),
    ],
)
def test_option_without_effect_is_refused_by_name(override: str, message: str) -> None:
    base = ["model=probe", "model.name=resnet18"]
    assert parse_command_line(base).jobs[0].model.head.is_solved
    with pytest.raises(InputError) as raised:
        parse_command_line([*base, override])
    assert message in str(raised.value)
    option, value = override.split("=")
    if "." in option and not option.startswith("seeds") and not value.startswith("["):
        with pytest.raises(InputError) as raised:
            parse_command_line(["--multirun", *base, f"{option}={value},{value}"])
        assert message in str(raised.value)


def test_options_of_the_cross_validation_need_one() -> None:
    base = ["model=probe", "model.name=resnet18", "model.c=0.1"]
    for option in ("model.c_folds=3", "model.c_grid=[0.1,1]", "seeds.order=3"):
        with pytest.raises(InputError, match="no effect here"):
            parse_command_line([*base, option])
    with pytest.raises(InputError, match=r"training\.class_weights=balanced has no effect"):
        parse_command_line(
            ["model=probe", "model.name=resnet18", "model.head=knn",
             "training.class_weights=balanced"]
        )  # fmt: skip


def test_cached_solution_is_reused(tiny: Tiny) -> None:
    cached = (*LOGISTIC, "model.c=0.1", "cache.trainings=true", "repeats=1")
    first, second = tiny(*cached), tiny(*cached)
    assert second.facts["trainings"] == f"1 of 1 reused from cache: {first.output.name}"
    assert second.text("history.csv") == first.text("history.csv")
