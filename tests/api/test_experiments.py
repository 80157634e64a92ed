"""`fashion_exp.run`, `sweep` and `compare` in a process that goes on, such as a notebook."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

import fashion_exp as fx
from fashion_exp.evaluation.run_dir import RunDir
from fashion_exp.paths import conf_dir
from fashion_exp.stats.metrics import per_image_correct
from tests.cheap_runs import leave_out_figures

HEAVY = ("torch", "pandas", "hydra", "mlflow", "numpy", "pydantic")


def test_import_loads_nothing_else() -> None:
    code = f"import sys, fashion_exp; print(*(n for n in {HEAVY} if n in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"


def test_every_public_name_exists() -> None:
    assert all(callable(getattr(fx, name)) for name in fx.__all__)
    assert {*fx.__all__} <= {*dir(fx)}
    with pytest.raises(AttributeError, match="no attribute 'runn'"):
        fx.runn  # noqa: B018


@dataclass(frozen=True)
class Session:
    arguments: tuple[str, ...]
    run: fx.Run
    sweep: fx.Sweep


@pytest.fixture(scope="module")
def session(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Session:
    """A run and a sweep one after the other, within another program's Hydra."""
    outputs = tmp_path_factory.mktemp("outputs")
    arguments = (
        "dataset=folder", f"dataset.root={photos}", "dataset.image_size=16", "training.epochs=2",
        "training.batch_size=12", "repeats=2", "training.threads=1", "tracking=none",
        f"outputs={outputs}",
    )  # fmt: skip
    before = _global_state()
    with (
        pytest.MonkeyPatch.context() as patch,
        initialize_config_dir(str(conf_dir()), version_base="1.3"),
    ):
        leave_out_figures(patch)
        run = fx.run(*arguments)
        sweep = fx.sweep(*arguments, "optim.lr=1e-3,1e-4")
        assert compose("config", ["optim.lr=0.5"]).optim.lr == 0.5
    assert not GlobalHydra.instance().is_initialized()
    assert _global_state() == before
    return Session(arguments, run, sweep)


def _global_state() -> list[object]:
    loggers = [logging.getLogger(name) for name in (None, "fashion_exp")]
    signals = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    return [signals, *((logger.level, list(logger.handlers)) for logger in loggers)]


pytestmark = pytest.mark.slow


def test_metrics_are_those_of_the_predictions(session: Session) -> None:
    run = session.run
    frame = run.data.predictions("validation")
    from fashion_exp.evaluation.predictions import labels_and_probabilities

    correct = per_image_correct(*labels_and_probabilities(frame))
    by_image = frame.assign(correct=correct).groupby("image_id")["correct"].mean()
    assert run.metrics["val_acc"] == pytest.approx(by_image.mean())
    assert "test_acc" in run.metrics and len(run.history) == 2 * 2 * 2
    assert "accuracy (95 % Wilson)" in run._repr_html_()
    assert RunDir(run.folder).is_finished and run.id == ""


def test_sweep_has_its_runs_best_first(session: Session) -> None:
    scores = [run.metrics["val_acc"] for run in session.sweep.runs]
    assert len(scores) == 2 and scores == sorted(scores, reverse=True)
    assert session.sweep.winner == session.sweep.runs[0]
    assert list(session.sweep.leaderboard["lr"]) in ([1e-3, 1e-4], [1e-4, 1e-3])
    assert "test_acc" in session.sweep.winner.metrics
    assert "test_acc" not in session.sweep.runs[1].metrics


def test_comparison_has_a_row_per_run_and_per_pair(session: Session) -> None:
    comparison = fx.compare([session.run, session.sweep], baseline=session.run.folder)
    assert list(comparison.table["optim.lr"].sort_values()) == [1e-4, 1e-3, 1e-3]
    verdicts = comparison.verdicts
    assert len(verdicts) == 2 and set(verdicts["b"]) == {comparison.names[0]}
    shown = verdicts.dropna(subset=["low"])
    assert (shown["low"] <= shown["difference"]).all()
    assert comparison.conclusions[0] in comparison._repr_html_()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["optim.lrr=3"], "did you mean optim.lr"),
        (["optim.lr=1,2"], "several values"),
        (["--cfg", "job"], "one experiment only"),
        (["dataset=folder", "dataset.root=/nowhere"], "there is no folder"),
    ],
)
def test_mistakes_are_raised(overrides: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(fx.InputError, match=message):
        fx.run(*overrides, *([] if "--cfg" in overrides else [f"outputs={tmp_path / 'out'}"]))
    assert not list(tmp_path.iterdir())


def test_failed_training_raises_and_is_recorded(session: Session, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="loss became") as caught:
        fx.run(*session.arguments, "optim.lr=1e30", f"outputs={tmp_path}")
    assert type(caught.value).__name__ == "Diverged"
    (folder,) = (tmp_path / "runs").iterdir()
    assert RunDir(folder).has_diverged


def test_setting_out_of_range_is_named(session: Session) -> None:
    with pytest.raises(fx.InputError, match=r"alpha=0.7: must be between"):
        fx.compare(session.sweep, alpha=0.7)
