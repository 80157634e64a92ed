"""Label issues equal a reference implementation and ignore copies."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fashion_exp.errors import InputError
from fashion_exp.tools.relabel.label_issues import assess_labels, rank_label_issues

CLASSES = ("a", "b", "c")
COLUMNS = [f"p_{name}" for name in CLASSES]


def _predictions(seed: int, n: int = 120, flipped: int = 8) -> pd.DataFrame:
    """Good predictions for n images; the first `flipped` images carry the next class."""
    rng = np.random.default_rng(seed)
    true_class = np.arange(n) % len(CLASSES)
    largest = rng.uniform(0.6, 0.95, n)
    rest = rng.dirichlet(np.ones(len(CLASSES) - 1), n) * (1 - largest[:, None])
    p = np.zeros((n, len(CLASSES)))
    for row in range(n):
        p[row, true_class[row]] = largest[row]
        p[row, [k for k in range(len(CLASSES)) if k != true_class[row]]] = rest[row]
    label = np.where(np.arange(n) < flipped, (true_class + 1) % len(CLASSES), true_class)
    ids = [f"{i:03}" for i in range(n)]
    table = pd.DataFrame(p, index=pd.Index(ids, name="image_id"), columns=COLUMNS)
    return table.assign(path=ids, group_id=ids, label=np.array(CLASSES)[label], models=1, agree=1.0)


def _confident_joint_errors(table: pd.DataFrame) -> int:
    """Off-diagonal sum of the confident joint (Northcutt et al. 2021, eq. 1).

    A label counts as wrong if the most probable class is another one whose probability reaches its
    mean over the images with that label.
    """
    p = table[COLUMNS].to_numpy()
    label = np.array(pd.Categorical(table["label"], categories=list(CLASSES)).codes)
    threshold = np.array([p[label == k, k].mean() for k in range(len(CLASSES))])
    confident = np.where(p >= threshold, p, -1)
    errors = (
        (confident.max(axis=1) >= 0)
        & (confident.argmax(axis=1) != label)
        & (p.argmax(axis=1) != label)
    )
    return int(errors.sum())


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000))
def test_number_of_wrong_labels_equals_the_confident_joint(seed: int) -> None:
    table = _predictions(seed)
    wrong = assess_labels(table)["kind"] == "wrong"
    assert int(wrong.sum()) == _confident_joint_errors(table)
    assert set(table.index[wrong]) <= set(table.index[:8])


def test_wrong_labels_are_ranked_by_quality_and_suggest_the_true_class() -> None:
    ranked = rank_label_issues(assess_labels(_predictions(0)))
    wrong = ranked[ranked["kind"] == "wrong"]
    assert wrong["quality"].is_monotonic_increasing and len(wrong) == 5
    true_classes = [CLASSES[int(str(image)) % len(CLASSES)] for image in wrong.index]
    assert [suggested for (suggested,) in wrong["suggested"]] == true_classes


def test_copies_do_not_change_the_assessment_of_other_images() -> None:
    table = _predictions(1)
    copies = pd.concat([table.loc[["000"]]] * 40)
    copies.index = pd.Index([f"copy {i}" for i in range(40)], name="image_id")
    with_copies = assess_labels(pd.concat([table, copies]))
    columns = ["kind", "quality", "suggested"]
    assert with_copies.loc[table.index, columns].equals(assess_labels(table)[columns])
    assert (with_copies.loc[copies.index, "kind"] == with_copies.loc["000", "kind"]).all()


def test_image_between_two_classes_is_ambiguous() -> None:
    table = _predictions(2)
    table.loc["050", COLUMNS] = [0.48, 0.04, 0.48]
    row = assess_labels(table).loc["050"]
    assert row["kind"] == "ambiguous" and row["suggested"] == ("a", "c")
    assert row["confidence"] == pytest.approx(0.96)


def test_correct_labels_have_no_issue() -> None:
    assert (assess_labels(_predictions(3, flipped=0))["kind"] == "").all()


def test_rejects_a_single_class() -> None:
    table = _predictions(4)
    with pytest.raises(InputError, match="same label"):
        assess_labels(table[table["label"] == "a"])
