"""Set sizes of each model: as its own calibration gives them, and as a metric of `compare`."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fashion_exp.comparison.metrics import METRICS
from fashion_exp.comparison.set_sizes import set_sizes
from fashion_exp.evaluation.predictions import predictions_frame
from tests.stats.test_calibration import draw


def frame_of(n: int, part: str, repeat: int, sharpness: float, seed: int) -> pd.DataFrame:
    labels, probabilities = draw(n, sharpness, seed)
    ids = [f"{part}{seed}-{row}" for row in range(n)]
    rows = pd.DataFrame({"image_id": ids, "path": ids, "group_id": ids, "label": labels})
    return predictions_frame(
        rows, list("abcd"), probabilities, part=part, fold=0, repeat=repeat, seed=0
    )


def test_sizes_follow_the_probabilities_and_not_their_temperature() -> None:
    """Overconfidence is corrected, so that sharper copies of a model have equal sets."""
    validation, test = (
        pd.concat([frame_of(600, part, repeat, sharp, seed) for repeat, sharp in enumerate((1, 3))])
        for part, seed in (("validation", 1), ("test", 2))
    )
    sizes = set_sizes(validation, test).reshape(2, 600)
    assert (sizes[0] == sizes[1]).mean() > 0.98
    probability = test.filter(regex="^p_").max(axis=1).to_numpy()[:600]
    assert sizes[0][probability > 0.99].max() == 1
    assert sizes[0][probability < 0.5].mean() > 2


def test_validation_sets_cover_photos_that_did_not_calibrate_them() -> None:
    validation = frame_of(800, "validation", 0, 2.0, 3)
    sizes = set_sizes(validation, validation)
    assert sizes.min() == 1 and sizes.max() <= 4
    assert sizes.mean() == pytest.approx(
        set_sizes(validation, frame_of(800, "test", 0, 2.0, 4)).mean(), abs=0.2
    )


def test_temperatures_are_one_where_scaling_does_not_help(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As in `calibrate`, where other photos would not gain by them."""
    validation, test = (
        frame_of(30, part, 0, 1.0, seed) for part, seed in (("validation", 5), ("test", 6))
    )
    expected = set_sizes(validation, test)
    monkeypatch.setattr("fashion_exp.stats.calibration.fit_temperature", lambda *_: 20.0)
    monkeypatch.setattr("fashion_exp.comparison.set_sizes.fit_temperature", lambda *_: 1 / 0)
    unscaled = set_sizes(validation, test)
    monkeypatch.undo()
    assert unscaled.tolist() == expected.tolist()


def test_smaller_sets_are_better() -> None:
    metric = METRICS["set_size"]
    assert metric.favors_first(-0.1) and metric.format_difference(-0.1) == "−0.100 classes"
    assert np.isclose(metric.scale, 1.0)
