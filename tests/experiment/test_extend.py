"""A finished run can be trained for more epochs."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fashion_exp.comparison.run_data import load_run as load_run_data
from fashion_exp.data.sources import load
from fashion_exp.experiment.checkpoints import StateFile, TrainingState
from fashion_exp.inference.refit import refit
from fashion_exp.inference.trained_run import load_run
from fashion_exp.reporting.progress import quiet_progress
from tests.command_line import call_command
from tests.conftest import TinyRun

pytestmark = pytest.mark.slow

FROZEN = ("model.weights=none", "model.freeze=backbone")


def extend(run: TinyRun, tmp_path: Path, *options: str) -> TinyRun:
    """The extended run, in a folder of its own."""
    runs = tmp_path / "outputs" / "runs"
    before = {*runs.glob("*")}
    arguments = [f"extend={run.output}", f"outputs={tmp_path / 'outputs'}", *options]
    done = call_command(*arguments)
    assert done.returncode == 0, done.stderr
    (folder,) = {*runs.glob("*")} - before
    return TinyRun(folder)


def assert_equal(first: TinyRun, second: TinyRun) -> None:
    assert first.text("history.csv") == second.text("history.csv")
    for part in ("validation", "test"):
        assert first.predictions(part).equals(second.predictions(part))
    assert first.facts["job_hash"] == second.facts["job_hash"]


@pytest.mark.parametrize(
    "options",
    [
        ("model.dropout=0.5", "optim=sgd", "repeats=2"),
        (*FROZEN, "model.head=new", "augmentation.mixup_alpha=1"),
        ("training.ema_decay=0.9", "training.keep=best", "schedule=exponential"),
        (*FROZEN, "model.unfreeze={1:none}", "schedule.warmup_epochs=1"),
        ("training.early_stopping=1", "optim.lr=1"),
    ],
    ids=["dropout", "features", "average", "unfreeze", "early stopping"],
)
def test_extended_run_equals_the_longer_run(
    options: tuple[str, ...], tiny: Callable[..., TinyRun], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    short, longer = tiny(*options), tiny(*options, "training.epochs=4")
    continued: list[int] = []
    load_state = StateFile.load

    def load(file: StateFile) -> TrainingState:
        state = load_state(file)
        continued.extend([state.epochs_done] if state.epochs_done else [])
        return state

    monkeypatch.setattr(StateFile, "load", load)
    extended = extend(short, tmp_path, "training.epochs=4")
    assert continued == [2] * (2 if "repeats=2" in options else 1)
    assert_equal(extended, longer)
    assert short.history["epoch"].max() == 2  # it is left as it was


def test_training_starts_over_where_its_state_cannot_be_used(
    tiny: Callable[..., TinyRun], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setattr("fashion_exp.experiment.checkpoints.MAX_KEPT_BYTES", 0)
    short, longer = tiny(), tiny("training.epochs=3")
    assert_equal(extend(short, tmp_path, "training.epochs=3"), longer)
    assert "r0f0 starts over: its state was not kept" in caplog.text


def test_other_images_are_not_continued_on(
    tiny: Callable[..., TinyRun], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = tmp_path / "photos"
    rng = np.random.default_rng(0)
    for number in range(30):
        folder = root / ("dress" if number % 2 else "shirt")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8)).save(folder / f"{number}.png")
    data = ("dataset=folder", f"dataset.root={root}", "dataset.image_size=16")
    short = tiny(*data)
    (root / "dress" / "1.png").unlink()
    load._cached.clear()
    longer = tiny(*data, "training.epochs=3")
    load._cached.clear()
    assert_equal(extend(short, tmp_path, "training.epochs=3"), longer)
    assert "starts over: images, code, libraries or hardware are not those" in caplog.text


def test_extended_run_is_used_without_the_run_that_it_extended(
    tiny: Callable[..., TinyRun], tmp_path: Path
) -> None:
    short = tiny("model.width=4", "model.depth=1", "schedule=exponential")
    extended = extend(short, tmp_path, "training.epochs=3")
    shutil.rmtree(short.output)
    with quiet_progress() as progress:
        made = refit(load_run(extended.output, tmp_path / "outputs"), progress)
    assert made.config.training.epochs == 3
    assert load_run_data(extended.output).config.extend is None


def test_what_cannot_be_extended_is_refused(tiny: Callable[..., TinyRun], tmp_path: Path) -> None:
    plain, cosine = tiny(), tiny("schedule=cosine")
    solved = tiny(*FROZEN, "model.head=prototype", "training.epochs=8", "training.batch_size=32")
    before = sorted((tmp_path / "outputs" / "runs").glob("*"))
    for run, arguments, message in [
        (plain, [], "add a larger number, such as training.epochs=4"),
        (plain, ["training.epochs=2"], "was trained for 2 epochs"),
        (plain, ["training.epochs=4", "optim.lr=1"], "optim.lr was 0.001, is now 1.0"),
        (plain, ["training.epochs=4", "-m"], "for single runs"),
        (plain, ["training.epochs=4", f"resume={plain.output}"], "no effect beside resume"),
        (cosine, ["training.epochs=4"], "schedule=cosine the learning rate depends on"),
        (solved, ["training.epochs=9"], "model.head=prototype is solved"),
    ]:
        at = f"outputs={tmp_path / 'outputs'}"
        done = call_command(f"extend={run.output}", at, *arguments)
        assert done.returncode == 2 and message in done.stderr, done.stderr
    done = call_command(f"extend={tmp_path}", "training.epochs=4")
    assert done.returncode == 2 and "not the folder of a run" in done.stderr
    done = call_command(f"resume={plain.output}")
    assert "with a larger training.epochs trains it further" in done.stderr
    assert sorted((tmp_path / "outputs" / "runs").glob("*")) == before
