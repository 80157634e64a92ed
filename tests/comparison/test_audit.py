"""Each check finds what it looks for, and nothing in a sound run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fashion_exp.comparison.audit import CHECKS, audit
from fashion_exp.comparison.run_data import load_run
from tests.comparison.made_runs import answers, made_run

GOOD = answers(0, 5, 200, 0.9)


def found(folder: Path) -> dict[str, str]:
    return {f.title: f.severity for f in audit([load_run(folder)], ["run"])}


def sound(tmp_path: Path, **how: Any) -> Path:
    scores = how.pop("scores", GOOD)
    made_run(tmp_path / "run", "run", scores, scores, **how)
    history = pd.read_csv(tmp_path / "run" / "history.csv")
    history.to_csv(tmp_path / "run" / "history.csv", index=False)
    return tmp_path / "run"


def test_a_sound_run_passes_every_check(tmp_path: Path) -> None:
    said = found(sound(tmp_path))
    assert set(said) == set(CHECKS) and set(said.values()) == {"fine"}


def test_trained_test_images_are_found_by_their_source(tmp_path: Path) -> None:
    folder = sound(tmp_path)
    split = pd.read_csv(folder / "split.csv")
    copy = split.iloc[-1].copy()
    copy["image_id"], copy["r0f0"] = "a copy", "train"
    pd.concat([split, copy.to_frame().T]).to_csv(folder / "split.csv", index=False)
    assert found(folder)["Test or validation images seen in training"] == "wrong"


def test_one_class_and_chance(tmp_path: Path) -> None:
    constant = np.tile((np.arange(200) % 2 == 0).astype(float), (5, 1))
    said = found(sound(tmp_path, scores=constant))
    assert said["Constant prediction"] == "wrong" and said["Chance level"] == "doubtful"


def test_validation_above_training(tmp_path: Path) -> None:
    folder = sound(tmp_path)
    trainings = pd.read_csv(folder / "trainings.csv").assign(plain_accuracy=0.7)
    trainings.to_csv(folder / "trainings.csv", index=False)
    assert found(folder)["Validation better than training"] == "doubtful"


def test_the_best_epoch_was_the_last(tmp_path: Path) -> None:
    folder = sound(tmp_path)
    history = pd.read_csv(folder / "history.csv")
    history["loss"] = 1 / history["epoch"]
    history.to_csv(folder / "history.csv", index=False)
    assert found(folder)["Still learning at the last epoch"] == "doubtful"


@pytest.mark.parametrize(
    ("facts", "knobs", "title"),
    [
        ({"left_out": "40"}, {}, "Unreadable or conflicting files"),
        ({"val_selected": "on these images"}, {}, "Epoch chosen by validation"),
        ({}, {"model.name": "resnet50", "model.weights": "auto"},
         "Random instead of pretrained weights"),
    ],
)  # fmt: skip
def test_facts_that_make_a_result_doubtful(
    facts: dict[str, str], knobs: dict[str, Any], title: str, tmp_path: Path
) -> None:
    said = found(sound(tmp_path, facts=facts, knobs=knobs))
    assert said[title] == "doubtful" and list(said.values()).count("doubtful") == 1


def test_sure_contradictions_are_labels_that_look_wrong(tmp_path: Path) -> None:
    from fashion_exp.evaluation.predictions import read_predictions, write_predictions

    scores = np.ones((5, 200))
    scores[:, :20] = 0
    folder = sound(tmp_path, scores=scores)
    path = folder / "validation_predictions.parquet"
    table = read_predictions(path)
    sure = table[["p_Dress", "p_Shirt"]].round()
    write_predictions(table.assign(p_Dress=sure["p_Dress"], p_Shirt=sure["p_Shirt"]), path)
    assert found(folder)["Labels that look wrong"] == "doubtful"


def test_runs_with_one_problem_are_one_finding_with_the_figures_of_each(tmp_path: Path) -> None:
    poor = [answers(0, 1, 200, 0.5), answers(1, 1, 200, 0.51)]
    members = []
    for place, scores in enumerate(poor):
        made_run(tmp_path / f"{place}", "run", scores, scores)
        members.append(load_run(tmp_path / f"{place}"))
    (chance,) = (f for f in audit(members, ["one", "other"]) if f.title == "Chance level")
    assert [run.partition(":")[0] for run in chance.runs] == ["one", "other"]
    assert chance.runs[0].partition(":")[2] != chance.runs[1].partition(":")[2]
