"""A sweep trains heads on stored features together, and each job ends as if it were alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from fashion_exp.evaluation.run_dir import PART_FILES, RunDir
from fashion_exp.experiment import head_group
from fashion_exp.training.fit import EpochResult
from tests.sweeps.drill import SweepCommand
from tests.sweeps.in_process import run_in_process

pytestmark = pytest.mark.slow

FROZEN = ("model=timm", "model.name=test_resnet", "model.weights=none", "model.freeze=backbone",
          "dataset.per_class=12", "dataset.image_size=32", "training.epochs=3", "repeats=2",
          "training.threads=1", "training.batch_size=8", "cache.trainings=false")  # fmt: skip

POINTS = (
    "optim=adam model.dropout=0.5",
    "optim=adam model.dropout=0.5 optim.lr=1e-2 training.early_stopping=1 training.keep=best",
    "optim=adamw model.dropout=0.2 optim.weight_decay=0.1",
    "optim=sgd training.clip_norm=0.01 schedule=cosine",
    "optim=rmsprop training.label_smoothing=0.1 training.class_weights=balanced",
    "split.train_ratio=0.5 model.dropout=0.5",
    "split.train_ratio=0.5 training.accumulate=2",
    "split.train_ratio=0.5 training.accumulate=2 optim=sgd",
    "training.loss=bce",
    "training.loss=focal training.focal_gamma=1",
    "model.test_views=flip",
    "model.head=new model.hidden=[8] model.dropout=0.3",
    "model.head=new model.hidden=[8] model.dropout=0.3 optim=sgd",
)
"""Every optimizer, and options that act on a training in a way of their own."""


def head_sweep(outputs: Path, points: Sequence[str], *overrides: str) -> SweepCommand:
    listed = ",".join(f"'{point}'" for point in points)
    return SweepCommand(
        [*FROZEN, "sweep.name=heads", f"sweep.points=[{listed}]", "tracking=none", *overrides],
        outputs,
    )


def assert_same_jobs(sweep: SweepCommand, expected: SweepCommand) -> None:
    """The same jobs with the same predictions, histories and weights, bit for bit."""
    jobs = {job.name: job for job in sweep.finished_jobs()}
    others = {job.name: job for job in expected.finished_jobs()}
    assert jobs and jobs.keys() == others.keys()
    for name, job in jobs.items():
        for file in (*PART_FILES.values(), "history.csv"):
            assert (job / file).read_bytes() == (others[name] / file).read_bytes(), file
        for model in sorted((job / "checkpoints").glob("*.safetensors")):
            weights = load_file(model)
            wanted = load_file(others[name] / "checkpoints" / model.name)
            assert weights.keys() == wanted.keys()
            assert all((weights[key] == wanted[key]).all() for key in wanted)


def logged(sweep: SweepCommand, text: str) -> list[int]:
    """How often each job's log has a text."""
    return [RunDir(job).log_file.read_text().count(text) for job in sweep.finished_jobs()]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> SweepCommand:
    """The jobs of `POINTS`, each of which trained its heads itself."""
    sweep = head_sweep(tmp_path_factory.mktemp("alone"), POINTS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fashion_exp.sweeps.run._train_heads_together", lambda *args: None)
        code, output = run_in_process(sweep)
    assert code == 0, output
    assert logged(sweep, "trained together") == [0] * len(POINTS)
    return sweep


def test_jobs_whose_heads_train_together_equal_jobs_alone(
    alone: SweepCommand, tmp_path: Path
) -> None:
    together = head_sweep(tmp_path, POINTS)
    code, output = run_in_process(together)
    assert code == 0, output
    assert logged(together, "trained together") == [2] * len(POINTS)
    assert sum(logged(together, "set-up: as that of")) == len(POINTS)  # by the group's set-ups
    assert_same_jobs(together, alone)


def test_interrupted_group_continues_with_the_same_numbers(
    alone: SweepCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep, fit_heads = head_sweep(tmp_path, POINTS), head_group.fit_heads

    def interrupt(*args: Any, epoch: int, **options: Any) -> list[EpochResult]:
        if epoch == 2:
            raise KeyboardInterrupt
        return fit_heads(*args, epoch=epoch, **options)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(head_group, "fit_heads", interrupt)
        run_in_process(sweep)
    assert list(tmp_path.glob("sweeps/heads/*/unfinished/*.pt")) and not sweep.finished_jobs()
    code, output = run_in_process(sweep)
    assert code == 0, output
    assert_same_jobs(sweep, alone)


def test_head_that_diverges_fails_alone(tmp_path: Path) -> None:
    sweep = head_sweep(tmp_path, ["optim.lr=1e-3", "optim.lr=2e-3", "optim.lr=1e38"])
    code, output = run_in_process(sweep)
    assert code == 3 and "optim.lr=1e38  Diverged" in output, output
    assert logged(sweep, "trained together") == [2, 2]


def test_cached_trainings_are_reused_and_the_others_trained_together(tmp_path: Path) -> None:
    cached = "cache.trainings=true"
    small = head_sweep(tmp_path, ["optim.lr=1e-3", "optim.lr=2e-3"], cached)
    assert run_in_process(small)[0] == 0
    wide = head_sweep(
        tmp_path, ["optim.lr=1e-3", "optim.lr=2e-3", "optim.lr=3e-3"], cached, "sweep.name=wide",
        "repeats=3",
    )  # fmt: skip
    code, output = run_in_process(wide)
    assert code == 0, output
    assert sorted(logged(wide, "together with 4 other heads")) == [0, 0, 1, 1, 3]
    facts = [json.loads((job / "result.json").read_text())["facts"] for job in wide.finished_jobs()]
    assert sorted(fact["trainings"].partition(" reused")[0] for fact in facts[-3:]) == [
        "0 of 3", "2 of 3", "2 of 3",
    ]  # fmt: skip
