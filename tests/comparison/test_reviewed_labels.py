"""The accuracy by decided labels, and which way a review of suspicious labels errs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fashion_exp.comparison.comparison import Comparison
from fashion_exp.comparison.conclusions import conclusions
from fashion_exp.comparison.reviewed_labels import ReviewedAccuracy, reviewed_accuracy
from fashion_exp.comparison.settings import ComparisonSettings
from fashion_exp.configuration.composition import parse_command_line
from fashion_exp.data.label_versions import Labels, LabelVersion, journal_path, write_history
from fashion_exp.evaluation.predictions import per_image_correct, predictions_frame
from fashion_exp.evaluation.run_dir import RunDir
from fashion_exp.experiment.job import save_job_config
from fashion_exp.stats.proportions import wilson
from tests.comparison.synthetic_runs import make_run

CLASSES = ("a", "b", "c")


def predictions(labels: np.ndarray, predicted: np.ndarray) -> pd.DataFrame:
    """`predicted` is (models, images)."""
    ids = [f"i{i:03d}" for i in range(labels.size)]
    rows = pd.DataFrame({"image_id": ids, "path": ids, "group_id": ids, "label": labels})
    return pd.concat(
        predictions_frame(
            rows, CLASSES, np.eye(3)[answers], part="validation", fold=0, repeat=repeat, seed=0
        )
        for repeat, answers in enumerate(predicted)
    )


def reviewed(frame: pd.DataFrame, decided: dict[str, str | None]) -> ReviewedAccuracy:
    result = reviewed_accuracy(frame, decided, 0.95)
    assert result is not None
    return result


def test_decided_labels_count_and_the_others_are_taken_as_recorded() -> None:
    labels, predicted = np.array([0, 0, 0, 1, 1, 2]), np.array([[0, 1, 1, 1, 2, 2]])
    frame = predictions(labels, predicted)
    # A wrong one becomes right, a right one wrong, a wrong one is kept; i005 is left out.
    decided = {"i001": "b", "i003": "c", "i002": "a", "i005": None, "elsewhere": "a"}
    result = reviewed(frame, decided)
    assert (result.images, result.reviewed, result.corrected, result.left_out) == (5, 3, 2, 1)
    assert result.accuracy == wilson(2, 5, 0.95, fractional=True, models=1)  # i000, i001
    assert result.highest == pytest.approx(3 / 5)  # and i004, whose label may be wrong
    first, second = result.sentences("validation", wilson(3, 6, 0.95))
    assert "5 validation photos 3 were reviewed (2 labeled otherwise" in first
    assert (
        "1 more left out)." in first
        and "The other 2 labels may be" in second
        and "60.0 %" in second
    )


def test_no_statement_without_a_reviewed_photo() -> None:
    frame = predictions(np.array([0, 1]), np.array([[0, 1]]))
    assert reviewed_accuracy(frame, {"elsewhere": "a"}, 0.95) is None
    assert reviewed_accuracy(frame, {"i000": None, "i001": None}, 0.95) is None


def test_highest_counts_the_class_of_most_trainings() -> None:
    frame = predictions(np.array([0, 1]), np.array([[1, 1], [1, 0], [2, 1]]))
    assert reviewed(frame, {"i001": "a"}).highest == pytest.approx((2 / 3 + 1 / 3) / 2)


def test_a_review_of_disagreements_errs_in_favor_of_the_model() -> None:
    """One label in ten is wrong; a reviewer who is always right sees what the model contradicts."""
    rng = np.random.default_rng(0)
    excess = []
    for _ in range(40):
        truth = rng.integers(3, size=200)
        hard = rng.random(200) < 0.15
        # Wrong labels and wrong answers coincide on hard photos more often than by chance.
        labels = np.where(rng.random(200) < np.where(hard, 0.4, 0.05), (truth + 1) % 3, truth)
        shift = np.where(
            rng.random((2, 200)) < np.where(hard, 0.5, 0.1), 1 + (rng.random(200) < 0.3), 0
        )
        predicted = (truth + shift) % 3
        frame, true_accuracy = predictions(labels, predicted), (predicted == truth).mean()
        suspicious = np.flatnonzero((predicted != labels).any(axis=0))
        all_of_them: dict[str, str | None] = {f"i{i:03d}": CLASSES[truth[i]] for i in suspicious}
        few = dict(list(all_of_them.items())[::3])
        after = reviewed(frame, all_of_them)
        assert after.accuracy.estimate is not None
        assert after.accuracy.estimate >= true_accuracy - 1e-9
        assert after.highest == pytest.approx(after.accuracy.estimate)
        assert reviewed(frame, few).highest >= true_accuracy - 1e-9
        excess.append(
            (
                after.accuracy.estimate - true_accuracy,
                per_image_correct(frame).mean() - true_accuracy,
            )
        )
    decided, recorded = np.mean(excess, axis=0)
    assert decided > 0.01 and recorded < -0.01  # as recorded it is too low here


def conclude(tmp_path: Path, changes: dict[str, Labels | None], tested: bool = False) -> list[str]:
    """The conclusions on a run of the images v0000 (Dress), v0001 (Shirt) …; the first two are
    wrong. Its data set has `changes` of the labels."""
    correct = np.array([[0.0, 0.0] + [1.0] * 38])
    options = {"dataset.name": "folder", "dataset.rename": {"gown": "Dress"}}
    run = make_run(
        tmp_path / "run", "run", correct, correct, is_test_evaluated=tested, options=options
    )
    data = tmp_path / "photos"
    data.mkdir(exist_ok=True)
    typed = ["dataset=folder", f"dataset.root={data}"]
    save_job_config(parse_command_line(typed).jobs[0], RunDir(tmp_path / "run"), typed)
    if changes:
        version = LabelVersion("v1", "none", "f", "2026-01-01T00:00:00", changes, {})
        write_history(journal_path(data), [version])
    return conclusions(Comparison([run], ComparisonSettings()))


@pytest.mark.parametrize("tested", [False, True])
def test_a_report_has_it_beside_the_recorded_accuracy(tmp_path: Path, tested: bool) -> None:
    changes = {"v0000": ("Shirt",), "v0002": ("gown",), "v0003": (), "v0005": ("Dress", "Shirt")}
    recorded, decided, limit, *_ = conclude(tmp_path, dict(changes), tested)
    assert "run is 95.0 %" in recorded
    assert (
        "validation accuracy is 97.4 %" in decided
        and "as recorded 95.0 %" in decided
        and "of 38 validation photos 2 were reviewed" in decided
    )
    assert "(1 labeled otherwise" in decided and "2 more left out" in decided
    assert "The other 36 labels" in limit and "at most 100.0 %" in limit


def test_nothing_is_said_without_a_review(tmp_path: Path) -> None:
    assert not any("review" in sentence for sentence in conclude(tmp_path, {}))


def test_a_damaged_journal_does_not_stop_a_report(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "photos").mkdir()
    journal_path(tmp_path / "photos").write_text("{")
    assert not any("review" in sentence for sentence in conclude(tmp_path, {}))
    assert "reviewed labels are not counted" in caplog.text
