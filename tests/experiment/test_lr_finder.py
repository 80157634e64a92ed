"""The learning-rate finder repeats, sees training photos only, and suggests a rate that learns."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import fashion_exp as fx
from fashion_exp.experiment.lr_finder import smooth, valley
from tests.command_line import call_command, call_successfully

FROZEN = ("model.weights=none", "model.freeze=backbone")


def options(photos: Path, tmp_path: Path) -> list[str]:
    return [
        "dataset=folder", f"dataset.root={photos}", "dataset.image_size=16", "repeats=2",
        "training.batch_size=12", "training.threads=1", f"outputs={tmp_path / 'outputs'}",
    ]  # fmt: skip


def test_valley_is_in_the_middle_of_the_longest_fall() -> None:
    falls_from_20_to_60 = np.r_[np.full(20, 2.0), np.linspace(2, 1, 41), np.linspace(1.1, 5, 20)]
    assert 30 <= valley(falls_from_20_to_60) <= 45


def test_smoothed_constant_is_the_constant() -> None:
    assert np.allclose(smooth([3.0] * 7), 3)


@pytest.mark.parametrize("frozen", [(), FROZEN], ids=["images", "features"])
@pytest.mark.slow
def test_the_same_command_gives_the_same_curve(
    frozen: tuple[str, ...], photos: Path, tmp_path: Path
) -> None:
    common = options(photos, tmp_path)
    first, second = (fx.find_lr(*common, *frozen, updates=40) for _ in range(2))
    assert first.table.equals(second.table) and first.figure.exists()
    assert first.table["lr"].iloc[0] == 1e-7 and first.table["lr"].is_monotonic_increasing
    assert 1e-6 < first.suggested < 10
    assert first.curve.images == 45  # not the photos of validation and test


@pytest.mark.slow
def test_rates_reach_the_optimizer_also_with_a_schedule_and_another_lr(
    photos: Path, tmp_path: Path
) -> None:
    common = options(photos, tmp_path)
    plain = fx.find_lr(*common, updates=12, lowest=1e-4, highest=1e-2)
    other = fx.find_lr(
        *common, "optim.lr=0.5", "schedule=cosine", "schedule.warmup_epochs=1", updates=12,
        lowest=1e-4, highest=1e-2,
    )  # fmt: skip
    assert np.allclose(plain.table, other.table, rtol=1e-5)
    summed = fx.find_lr(*common, "training.accumulate=2", updates=12, lowest=1e-4, highest=1e-2)
    single = fx.find_lr(*common, "training.batch_size=64", updates=12, lowest=1e-4, highest=1e-2)
    assert len(single.table) == 12  # an update is an epoch, and none follows the last one
    assert len(summed.table) == 12 and not np.allclose(summed.table, plain.table)


@pytest.mark.slow
def test_command_prints_a_value_to_sweep_around(photos: Path, tmp_path: Path) -> None:
    common = options(photos, tmp_path)
    text = call_successfully("find_lr", *common, "--updates", "20", "--into", str(tmp_path))
    assert text.startswith("optim.lr=") and "--multirun optim.lr=" in text
    assert (tmp_path / "lr.png").exists()
    assert not (tmp_path / "outputs" / "runs").exists()
    result = json.loads(call_successfully("find_lr", *common, "--updates", "20", "--json"))
    assert len(result["updates"]) <= 20 and result["suggested"] > 0


@pytest.mark.slow
def test_what_has_no_rate_is_refused(photos: Path, tmp_path: Path) -> None:
    common = options(photos, tmp_path)
    for arguments, message in {
        (*FROZEN, "model.head=prototype", "training.batch_size=32"): "has no learning rate",
        ("optim.lr=1e-3,1e-2",): "several values need --multirun",
        ("--updates", "3"): "3 updates are too few",
        ("--lowest", "1", "--highest", "0.1"): "the lowest rate (1) must be below (0.1)",
        ("model.nmae=x",): "no such option",
        ("recipe=best",): "takes the options of one experiment",
    }.items():
        done = call_command("find_lr", *common, *arguments)
        assert done.returncode == 2 and message in done.stderr, done.stderr
