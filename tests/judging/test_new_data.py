"""The accuracy on new data: a random sample to label, joins by key, drift, mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fashion_exp.api.estimates import estimate, items_to_label
from fashion_exp.commands import estimate as estimate_command
from fashion_exp.errors import InputError
from fashion_exp.stats.prediction_powered import prediction_powered
from tests.judging.tables import CLASSES


def batch(seed: int, n: int = 400, accuracy: float = 0.8) -> tuple[pd.DataFrame, np.ndarray]:
    """Predictions without labels, and the true class of each item."""
    rng = np.random.default_rng(seed)
    confidence = 0.5 + 0.5 * rng.beta(2, 2 * (1 - accuracy), n)
    predicted = rng.integers(0, 2, n)
    right = rng.random(n) < 2 * confidence - 1 + 2 * accuracy * (1 - confidence)
    p = np.where(predicted == 0, confidence, 1 - confidence)
    frame = pd.DataFrame({"path": [f"p/{i:04}.jpg" for i in range(n)], "p_dress": p,
                          "p_shirt": 1 - p})  # fmt: skip
    return frame, np.array(CLASSES)[np.where(right, predicted, 1 - predicted)]


def labels_of(frame: pd.DataFrame, truth: np.ndarray, count: int) -> pd.DataFrame:
    sample = items_to_label(frame, count, seed=3)
    known = dict(zip(frame["path"], truth, strict=True))
    return sample.assign(label=sample["path"].map(known))


def test_estimate_is_prediction_powered_on_the_labeled_items() -> None:
    frame, truth = batch(0)
    labels = labels_of(frame, truth, 60)
    result = estimate(frame, labels)
    rows = pd.Index(frame["path"]).get_indexer(pd.Index(labels["path"]))
    p = frame[["p_dress", "p_shirt"]].to_numpy()
    right = (np.array(CLASSES)[p.argmax(axis=1)] == truth).astype(float)
    expected = prediction_powered(right[rows], p.max(axis=1)[rows], p.max(axis=1))
    assert result.powered == expected and result.verdict == "" and not result.drift


def test_sample_is_random_and_repeats_with_its_seed() -> None:
    frame, _ = batch(0)
    first, again = (items_to_label(frame, 40, seed=1) for _ in range(2))
    pd.testing.assert_frame_equal(first, again)
    assert first["path"].nunique() == 40 and set(first["label"]) == {""}
    assert set(first["path"]) != set(items_to_label(frame, 40, seed=2)["path"])
    with pytest.raises(InputError, match="must be between 10 and the number of items, 400"):
        items_to_label(frame, 401)
    with pytest.raises(TypeError, match="colums"):
        items_to_label(frame, 40, colums={"path": "path"})


def test_several_trainings_are_their_mean() -> None:
    frame, truth = batch(1)
    other = frame.assign(p_dress=0.5, p_shirt=0.5, repeat=1)
    labels = labels_of(frame, truth, 60)
    result = estimate(pd.concat([frame.assign(repeat=0), other]), labels)
    assert result.powered.items == 400
    assert result.interval.estimate == pytest.approx(estimate(frame, labels).interval.estimate)


def test_drift_is_found_where_there_is_some() -> None:
    frame, truth = batch(0, accuracy=0.6)
    known, own = batch(1, accuracy=0.95)
    result = estimate(frame, labels_of(frame, truth, 100), reference=known.assign(label=own))
    assert result.verdict == "lower"
    assert {test.quantity: test.is_significant for test in result.drift} == {
        "confidence": True, "predicted classes": False
    }  # fmt: skip
    same, truth = batch(2, accuracy=0.95)
    result = estimate(same, labels_of(same, truth, 100), reference=known.assign(label=own))
    assert result.verdict == "no difference shown"
    assert not any(test.is_significant for test in result.drift)


def test_labels_left_out_in_between_are_pointed_out() -> None:
    frame, truth = batch(0)
    labels = labels_of(frame, truth, 60)
    assert not estimate(frame, labels.assign(label=[*labels["label"][:40], *[""] * 20])).notes
    labels.loc[5, "label"] = ""
    assert "1 rows without a label stand between" in estimate(frame, labels).notes[0]


def test_items_are_found_by_a_key_that_tells_them_apart() -> None:
    frame, truth = batch(0)
    twice = frame.assign(
        id=[f"i{i}" for i in range(400)], path=["p/same.jpg"] * 2 + [*frame["path"][2:]]
    )
    sample = items_to_label(twice, 60, seed=3)
    assert list(sample) == ["id", "label"]
    known = sample.assign(label=sample["id"].map(dict(zip(twice["id"], truth, strict=True))))
    expected = estimate(frame, labels_of(frame, truth, 60))
    assert estimate(twice, known).interval == expected.interval
    with pytest.raises(InputError, match="no column id"):
        estimate(twice, known.rename(columns={"id": "path"}))


def test_groups_of_the_batch_widen_its_interval() -> None:
    frame, truth = batch(0, n=150)
    copies = pd.concat([frame.assign(path=frame["path"] + suffix, group=frame["path"])
                        for suffix in "abcd"])  # fmt: skip
    labels = labels_of(copies, np.tile(truth, 4), 200)
    result, wrong = estimate(copies, labels), estimate(copies.drop(columns="group"), labels)
    assert result.interval.estimate == pytest.approx(wrong.interval.estimate, abs=0.05)
    assert result.interval.n < 0.8 * wrong.interval.n  # type: ignore[operator]
    single = copies.assign(group=["same" if i < 20 else "other" for i in range(600)])
    with pytest.raises(InputError, match="of the group same"):
        estimate(single, copies[["path"]].head(20).assign(label="dress"))


@pytest.mark.parametrize("column", ["image_hash", "filename", "sample_id"])
def test_labels_are_found_under_every_name_that_tables_may_have(column: str) -> None:
    frame, truth = batch(0)
    renamed = frame.rename(columns={"path": column})
    sample = items_to_label(renamed, 60, seed=3)
    known = dict(zip(frame["path"], truth, strict=True))
    labels = sample.assign(target=sample.iloc[:, 0].map(known)).drop(columns="label")
    expected = estimate(frame, labels_of(frame, truth, 60))
    assert estimate(renamed, labels).interval == expected.interval
    assert estimate(renamed, labels.rename(columns={labels.columns[0]: column})).notes == []


def test_class_that_is_never_predicted_counts_as_wrong() -> None:
    rows = range(100)
    frame = pd.DataFrame({"id": [f"i{i}" for i in rows], "predicted": [*CLASSES] * 50})
    labels = frame[["id"]].assign(label=frame["predicted"])
    labels.loc[:19, "label"] = "coat"
    result = estimate(frame, labels)
    assert result.interval.estimate == pytest.approx(0.8)
    assert "No item is predicted as coat" in result.notes[0]


def test_groups_of_the_reference_widen_its_interval_and_withhold_the_tests() -> None:
    frame, truth = batch(0)
    known, own = batch(1)
    known = known.assign(label=own)
    labels = labels_of(frame, truth, 100)
    alone = estimate(frame, labels, reference=known)
    triples = pd.concat([known.assign(path=known["path"] + suffix, group=known["path"])
                         for suffix in "abc"])  # fmt: skip
    result = estimate(frame, labels, reference=triples)
    assert result.reference is not None and alone.reference is not None
    assert result.reference.n == pytest.approx(400, rel=0.01)
    assert result.reference.high >= alone.reference.high - 1e-3  # type: ignore[operator]
    assert alone.drift and not result.drift
    assert any("share a group" in note for note in result.notes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.head(9), "at least 10"),
        (lambda frame: frame.assign(label="drses"), "did you mean dress"),
        (lambda frame: frame.assign(path="x.jpg"), "of no item, such as x.jpg"),
        (lambda frame: pd.concat([frame, frame]), "two labels"),
        (lambda frame: frame.drop(columns="label"), "no column label"),
        (lambda frame: frame.drop(columns="path"), "no column path"),
    ],
)
def test_mistakes_in_labels_are_named(change: object, message: str) -> None:
    frame, truth = batch(0)
    with pytest.raises(InputError, match=message):
        estimate(frame, change(labels_of(frame, truth, 40)))  # type: ignore[operator]


def test_command_writes_the_sample_and_then_the_estimate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame, truth = batch(0)
    table, labels = tmp_path / "predictions.csv", tmp_path / "labels.csv"
    frame.to_csv(table, index=False)
    line = [str(table), "--labels", str(labels)]
    assert estimate_command.run([*line, "--count", "60", "--seed", "3"]) == 0
    assert "60 of 400 items, drawn at random with seed 3" in capsys.readouterr().out
    for name, value in (("--count", "60"), ("--seed", "3")):
        with pytest.raises(InputError, match=f"{name}: has no effect now"):
            estimate_command.run([*line, name, value])
    for name, value in (("--level", "0.9"), ("--reference", str(table))):
        with pytest.raises(InputError, match=f"{name}: has no effect now"):
            estimate_command.run([*line[:2], str(tmp_path / "none.csv"), name, value])
    with pytest.raises(InputError, match="--scores: has no effect on a run"):
        estimate_command.run(["run", str(tmp_path), *line[1:], "--scores", "logits"])
    with pytest.raises(InputError, match="0 of 400 items are labeled"):
        estimate_command.run(line)
    expected = estimate(frame, labels_of(frame, truth, 60))
    labels_of(frame, truth, 60).to_csv(labels, index=False)
    estimate_command.run([*line, "--json"])
    output = json.loads(capsys.readouterr().out)
    assert output["accuracy"] == pytest.approx(expected.as_json()["accuracy"])
    estimate_command.run(line)
    assert "95 % interval from 60 labels and 400 predictions" in capsys.readouterr().out
    with pytest.raises(InputError, match="a run needs PHOTOS"):
        estimate_command.run(["nosuchrun", "--labels", str(labels)])
