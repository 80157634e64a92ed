"""A side signal that tells the classes apart is alarming; one that does not is no signal."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fashion_exp.api.shortcuts import shortcuts
from fashion_exp.data.decode import ImageHeader
from fashion_exp.errors import InputError
from fashion_exp.evaluation.run_dir import RunDir
from fashion_exp.inspection.image import ImageInspection, PixelStats
from fashion_exp.judging import shortcuts as module
from tests.comparison.synthetic_runs import make_run

TRAIN, TEST = 120, 120


def inspection(rng: np.random.Generator, image: str, label: int) -> ImageInspection:
    """Red if the label is 1; everything else is noise."""
    gray = rng.integers(100, 120, (32, 32)).astype(np.uint8)
    red = float(rng.normal(90 + 60 * label, 20))
    stats = PixelStats(
        int(rng.integers(200, 300)), 240, image, 0, 0, b64encode(gray.tobytes()).decode(),
        (red, 100.0, 100.0), float(rng.normal(40, 5)),
    )  # fmt: skip
    header = ImageHeader("JPEG", "RGB", 240, 240, 1, 1)
    return ImageInspection(image, int(rng.integers(9000, 20_000)), header, stats)


@pytest.fixture
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run of three trainings that is right on 95 % of the test."""
    right = (np.arange(TEST) % 20 > 0).astype(float)
    folder = tmp_path / "runs" / "a"
    make_run(folder, "a", np.ones((3, TEST)), np.tile(right, (3, 1)), redrawn=False)
    run = RunDir(folder)
    split = pd.read_csv(run.split_file, dtype=str)
    split["label"] = (np.arange(len(split)) % TEST % 2).astype(str)
    trained = split.head(TRAIN).assign(image_id=[f"n{i:04d}" for i in range(TRAIN)])
    trained["group_id"] = trained["image_id"]
    trained[["r0f0", "r1f0", "r2f0"]] = "train"
    split = pd.concat([split, trained])
    split.to_csv(run.split_file, index=False)
    (folder / "config" / "config.yaml").write_text("{}")
    rng = np.random.default_rng(0)
    result = {
        image: inspection(rng, image, int(label))
        for image, label in zip(split["image_id"], split["label"], strict=True)
    }
    monkeypatch.setattr(module, "inspect_run", lambda run, cache: result)
    return tmp_path


def test_color_that_goes_with_the_class_is_alarming(outputs: Path) -> None:
    control = shortcuts("a", outputs=outputs)
    verdicts = {item.name: item.verdict for item in control.shortcuts}
    assert verdicts == {"color": "alarming", "size": "no signal shown",
                        "background": "no signal shown", "file": "no signal shown"}  # fmt: skip
    assert control.chance == 0.5 and control.network.estimate == pytest.approx(0.95)
    color = control.shortcuts[0]
    assert color.accuracy.estimate is not None and color.accuracy.estimate > 0.85
    gain = (color.accuracy.estimate - 0.5) / 0.45
    assert color.share == pytest.approx(gain)
    assert color.network_minus == pytest.approx(0.95 - color.accuracy.estimate)
    assert color.low is not None and color.low <= color.network_minus


def test_photos_must_be_there(outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "inspect_run", lambda run, cache: {})
    with pytest.raises(InputError, match="360 of its 360 photos are not there"):
        shortcuts("a", outputs=outputs)


def test_head_is_that_of_scikit_learn() -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    rng = np.random.default_rng(0)
    features, labels = rng.normal(5, 3, (150, 4)), rng.integers(0, 3, 150)
    scaler = StandardScaler().fit(features)
    reference = LogisticRegression(C=0.1, tol=1e-8).fit(scaler.transform(features), labels)
    p = module.fit_and_predict(features, labels, features[:20], 3, 0.1, squares=False)
    np.testing.assert_allclose(
        p, reference.predict_proba(scaler.transform(features[:20])), atol=1e-3
    )
