"""Suspect labels against a reference of the paper's definition, and by what they must not do."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fashion_exp.errors import InputError
from fashion_exp.tools.relabel.suspects import judged, ranked

CLASSES = ("a", "b", "c")


def images(seed: int, n: int = 120, flipped: int = 8) -> pd.DataFrame:
    """What good models say of n images, of which the first `flipped` carry the next class."""
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % len(CLASSES)
    sure = rng.uniform(0.6, 0.95, n)
    rest = rng.dirichlet(np.ones(len(CLASSES) - 1), n) * (1 - sure[:, None])
    p = np.zeros((n, len(CLASSES)))
    for row in range(n):
        p[row, truth[row]] = sure[row]
        p[row, [k for k in range(len(CLASSES)) if k != truth[row]]] = rest[row]
    label = np.where(np.arange(n) < flipped, (truth + 1) % len(CLASSES), truth)
    ids = [f"{i:03}" for i in range(n)]
    table = pd.DataFrame(
        p, index=pd.Index(ids, name="image_id"), columns=[f"p_{c}" for c in CLASSES]
    )
    return table.assign(path=ids, group_id=ids, label=np.array(CLASSES)[label], models=1, agree=1.0)


def confident(table: pd.DataFrame) -> int:
    """Labels off the diagonal of the confident joint: another class is at least as probable as it
    is on average where it is the label, and is the most probable of such classes."""
    p = table[[f"p_{c}" for c in CLASSES]].to_numpy()
    own = pd.Categorical(table["label"], categories=list(CLASSES)).codes
    threshold = np.array([p[own == k, k].mean() for k in range(len(CLASSES))])
    sure = np.where(p >= threshold, p, -1)
    off = (sure.max(axis=1) >= 0) & (sure.argmax(axis=1) != own) & (p.argmax(axis=1) != own)
    return int(off.sum())


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000))
def test_as_many_are_wrong_as_confident_learning_counts(seed: int) -> None:
    table = images(seed)
    wrong = judged(table)["kind"] == "wrong"
    assert int(wrong.sum()) == confident(table)
    assert set(table.index[wrong]) <= set(table.index[:8])


def test_the_least_probable_labels_come_first_and_name_the_true_class() -> None:
    found = ranked(judged(images(0)))
    wrong = found[found["kind"] == "wrong"]
    assert wrong["quality"].is_monotonic_increasing and len(wrong) == 5
    truth = [CLASSES[int(image) % len(CLASSES)] for image in wrong.index]
    assert [suggested for (suggested,) in wrong["suggested"]] == truth


def test_copies_of_a_source_change_no_judgement_of_others() -> None:
    table = images(1)
    copies = pd.concat([table.loc[["000"]]] * 40)
    copies.index = pd.Index([f"copy {i}" for i in range(40)], name="image_id")
    whole = judged(pd.concat([table, copies]))
    columns = ["kind", "quality", "suggested"]
    assert whole.loc[table.index, columns].equals(judged(table)[columns])
    assert (whole.loc[copies.index, "kind"] == whole.loc["000", "kind"]).all()


def test_an_image_between_two_classes_is_ambiguous_and_not_wrong() -> None:
    table = images(2)
    columns = [f"p_{c}" for c in CLASSES]
    table.loc["050", columns] = [0.48, 0.04, 0.48]
    found = judged(table).loc["050"]
    assert found["kind"] == "ambiguous" and found["suggested"] == ("a", "c")
    assert found["confidence"] == pytest.approx(0.96)


def test_sound_labels_are_left_in_peace() -> None:
    assert (judged(images(3, flipped=0))["kind"] == "").all()


def test_one_class_alone_says_nothing() -> None:
    table = images(4)
    with pytest.raises(InputError, match="of one class"):
        judged(table[table["label"] == "a"])
