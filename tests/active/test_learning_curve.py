"""Learning curves: nested subsets of the training part, judged on validation photos."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable

import numpy as np
import pytest

from fashion_exp.active.learning_curve import SHARES, _Subsets
from fashion_exp.data.split import Fold
from tests.command_line import call_command, call_successfully
from tests.conftest import TinyRun

FROZEN = ("model.weights=none", "model.freeze=backbone", "training.precision=fp32")


def subsets(varied: int | None) -> _Subsets:
    labels = np.repeat([0, 1, 2], [40, 40, 80])
    return _Subsets(np.zeros((160, 2), np.float32), labels, np.arange(160), 3, varied, 0)


@pytest.mark.parametrize("varied", [None, 2])
def test_subsets_are_nested_and_keep_the_shares_of_classes(varied: int | None) -> None:
    result = subsets(varied)
    drawn = result.units(Fold(0, 0, np.arange(160), np.arange(0)))
    for (units, smaller), (_, larger) in itertools.pairwise(drawn):
        assert set(smaller) < set(larger) and len(set(larger)) == len(larger)
        counts = np.bincount(units.labels[smaller])
        assert counts[0] == counts[1] == (40 if varied else counts[2] // 2)
    assert len(drawn[-1][1]) == 160
    assert [result.size(subset) for subset in drawn] == [
        round(share * (80 if varied else 40)) * (1 if varied else 4) if varied else
        round(share * 40) * 2 + round(share * 80) for share in SHARES
    ]  # fmt: skip


@pytest.mark.slow
def test_command_tells_what_more_photos_gain(
    tiny: Callable[..., TinyRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fashion_exp.active.learning_curve.MIN_UNITS", 1)
    monkeypatch.setattr("fashion_exp.active.learning_curve.MIN_REPEATS", 3)
    solved = ("model.head=logistic", "model.c=0.1", "training.epochs=8", "training.batch_size=32")
    run = tiny(*FROZEN, *solved, "repeats=2")
    text = call_successfully("learning_curve", str(run.output), "--more", "20", "--workers", "1")
    assert "20 more photos: " in text and "points of accuracy" in text and "Check " in text
    folder = run.output / "learning_curve"
    assert (folder / "learning_curve.png").exists()
    first = json.loads((folder / "learning_curve.json").read_text())
    files = sorted(folder.glob("repeats/*/*.npz"))
    assert len(files) == 3 * len(SHARES)
    for file in files[::2]:  # as if it had been killed after the others
        file.unlink()
    times = {file: file.stat().st_mtime_ns for file in files[1::2]}
    again = json.loads(
        call_successfully("learning_curve", str(run.output), "--more", "20", "--json")
    )
    assert again == {**first, "figure": again["figure"]}
    assert times == {file: file.stat().st_mtime_ns for file in times}
    result = json.loads(
        call_successfully("learning_curve", str(run.output), "--class", "shirt", "--json")
    )
    assert result["class"] == "shirt" and len(result["sizes"]) == len(SHARES)
    assert np.array(result["accuracies"]).shape == (3, len(SHARES))
    for arguments, message in {
        ("--class", "shrit"): "did you mean shirt?",
        ("--more", "0"): "--more 0: must be at least 1",
    }.items():
        done = call_command("learning_curve", str(run.output), *arguments)
        assert done.returncode == 2 and message in done.stderr, done.stderr
    by_epochs = tiny(*FROZEN, "repeats=2")
    text = call_successfully("learning_curve", str(by_epochs.output))
    choices = by_epochs.output.glob("learning_curve/repeats/*/c-*.npz")
    assert len(list(choices)) == len(SHARES)  # C is chosen for each size, and kept
    assert "its own head is model.head=own" in " ".join(text.split())
    trained = tiny("repeats=1")
    done = call_command("learning_curve", str(trained.output))
    assert done.returncode == 2 and "trains its backbone" in done.stderr
