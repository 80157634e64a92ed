"""Each check of the audit finds its problem, and passes a sound run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fashion_exp.comparison.audit import CHECKS, audit, find_problems
from fashion_exp.comparison.run_data import load_run
from fashion_exp.evaluation.predictions import read_predictions, write_predictions
from fashion_exp.evaluation.run_dir import PART_FILES
from tests.comparison.synthetic_runs import make_run, random_correctness

SOUND = random_correctness(0, 5, 200, 0.9)


def severities(folder: Path) -> dict[str, str]:
    return {finding.title: finding.severity for finding in audit([load_run(folder)], ["run"])}


def write(tmp_path: Path, scores: np.ndarray = SOUND, **settings: Any) -> Path:
    make_run(tmp_path / "run", "run", scores, scores, **settings)
    return tmp_path / "run"


def test_sound_run_passes_every_check(tmp_path: Path) -> None:
    folder = write(tmp_path)
    assert severities(folder) == {check.title: "fine" for check in CHECKS}
    assert find_problems(load_run(folder)) == []


def test_finds_copies_of_test_images_in_training(tmp_path: Path) -> None:
    folder = write(tmp_path)
    split = pd.read_csv(folder / "split.csv")
    copy = split.tail(1).assign(image_id="copy", r0f0="train")
    pd.concat([split, copy]).to_csv(folder / "split.csv", index=False)
    assert severities(folder)["Test or validation images seen in training"] == "wrong"
    (problem,) = find_problems(load_run(folder))
    assert problem.startswith("Test or validation images") and problem.endswith("(1 image).")


def test_finds_constant_prediction_at_chance_level(tmp_path: Path) -> None:
    constant = np.tile((np.arange(200) % 2 == 0).astype(float), (5, 1))
    by_title = severities(write(tmp_path, constant))
    assert by_title["Constant prediction"] == "wrong" and by_title["Chance level"] == "doubtful"


def test_finds_validation_accuracy_above_training_accuracy(tmp_path: Path) -> None:
    folder = write(tmp_path)
    trainings = pd.read_csv(folder / "trainings.csv").assign(plain_accuracy=0.7)
    trainings.to_csv(folder / "trainings.csv", index=False)
    assert severities(folder)["Validation better than training"] == "doubtful"


def test_finds_best_loss_in_last_epoch(tmp_path: Path) -> None:
    folder = write(tmp_path)
    history = pd.read_csv(folder / "history.csv")
    history.assign(loss=1 / history["epoch"]).to_csv(folder / "history.csv", index=False)
    assert severities(folder)["Still learning at the last epoch"] == "doubtful"
    (problem,) = find_problems(load_run(folder))
    assert problem.endswith("train longer (5 of 5 trainings).")


def test_most_trainings_are_not_said_of_one(tmp_path: Path) -> None:
    folder = write(tmp_path, SOUND[:1])
    history = pd.read_csv(folder / "history.csv")
    history.assign(loss=1 / history["epoch"]).to_csv(folder / "history.csv", index=False)
    (problem,) = find_problems(load_run(folder))
    assert problem == (
        "Still learning at the last epoch: the last epoch has the lowest validation loss; train "
        "longer."
    )


@pytest.mark.parametrize(
    ("train_loss", "expected"), [(4.5, ["Chance level", "Learning rate too high"]),
                                 (0.1, ["Chance level"])],
)  # fmt: skip
def test_high_loss_at_chance_is_no_reason_to_train_longer(
    train_loss: float, expected: list[str], tmp_path: Path
) -> None:
    """A loss of 4.5 where chance has 0.69: the rate is too high unless training fits."""
    folder = write(tmp_path, random_correctness(3, 5, 200, 0.5))
    history = pd.read_csv(folder / "history.csv")
    loss = np.where(history["part"] == "train", train_loss, 5) / history["epoch"] ** 0.1
    history.assign(loss=loss).to_csv(folder / "history.csv", index=False)
    path = folder / PART_FILES["validation"]
    predictions = read_predictions(path)
    columns = ["p_Dress", "p_Shirt"]
    predictions[columns] = predictions[columns].round().clip(1e-5, 1 - 1e-5)
    write_predictions(predictions, path)
    result = {title for title, severity in severities(folder).items() if severity == "doubtful"}
    assert result == set(expected)
    if len(expected) > 1:
        problem = find_problems(load_run(folder))[1]
        assert "lower the learning rate (loss 5.7" in problem
        assert problem.endswith("chance 0.693; accuracy 50.0 %; optim.lr=0.001, try 0.0001).")


@pytest.mark.parametrize(
    ("facts", "options", "title"),
    [
        ({"left_out": "40"}, {}, "Many unreadable or conflicting files"),
        ({"val_selected": "on these images"}, {}, "Epoch selected on validation"),
        (
            {},
            {"model.name": "resnet50", "model.weights": "auto"},
            "Random instead of pretrained weights",
        ),
    ],
)
def test_finds_doubtful_facts(
    facts: dict[str, str], options: dict[str, Any], title: str, tmp_path: Path
) -> None:
    by_title = severities(write(tmp_path, facts=facts, options=options))
    assert [name for name, severity in by_title.items() if severity == "doubtful"] == [title]


def test_share_of_excluded_files_is_of_all_files_but_the_curated_ones(tmp_path: Path) -> None:
    folder = write(tmp_path, facts={"files": "505", "left_out": "40", "set_aside": "5"})
    (problem,) = find_problems(load_run(folder))
    assert problem.endswith("(35 of 500).")


def test_finds_labels_that_models_confidently_contradict(tmp_path: Path) -> None:
    scores = np.ones((5, 200))
    scores[:, :20] = 0
    folder = write(tmp_path, scores)
    path = folder / PART_FILES["validation"]
    predictions = read_predictions(path)
    columns = ["p_Dress", "p_Shirt"]
    predictions[columns] = predictions[columns].round()
    write_predictions(predictions, path)
    assert severities(folder)["Many labels that look wrong"] == "doubtful"


def test_reports_one_finding_with_the_numbers_of_each_run(tmp_path: Path) -> None:
    runs = []
    for index, accuracy in enumerate((0.5, 0.51)):
        scores = random_correctness(index, 1, 200, accuracy)
        runs.append(make_run(tmp_path / f"{index}", "run", scores, scores))
    (finding,) = (f for f in audit(runs, ["first", "second"]) if f.title == "Chance level")
    names, numbers = zip(*(run.split(":") for run in finding.runs), strict=True)
    assert names == ("first", "second") and numbers[0] != numbers[1]
