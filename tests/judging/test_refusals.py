"""What cannot be judged is refused in one line that names the remedy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from fashion_exp.api.judging import judge
from fashion_exp.errors import InputError
from tests.judging.tables import random_table, table

GOOD = random_table(0, 0.8, 20)


def changed(**columns: Any) -> pd.DataFrame:
    return GOOD.assign(**columns)


CASES: dict[str, tuple[object, dict[str, Any], str]] = {
    "other items": (table(np.ones(20), "x"), {}, "no item in common by id"),
    "partly other items": (GOOD[:15], {}, "15 in common; --shared-only"),
    "a repeated item": (
        pd.concat([GOOD, GOOD[:2]]), {}, "2 rows repeat an item.* --columns repeat=COLUMN",
    ),
    "other labels": (changed(label=GOOD["label"][::-1].to_numpy()), {}, "20 items .*--labels FILE"),
    "numbers for labels": (
        changed(label=np.arange(20) % 2).drop(columns=["p_dress", "p_shirt"])
        .assign(predicted=np.arange(20) % 2), {}, "--classes NAME,NAME",
    ),
    "no predictions": (GOOD[["id", "label"]], {}, "needs columns p_CLASS"),
    "logits": (changed(p_dress=3.5, p_shirt=-2.0), {}, "no probability; --scores logits"),
    "percentages": (
        changed(p_dress=GOOD["p_dress"] * 100, p_shirt=GOOD["p_shirt"] * 100), {},
        "each row sums to 100; these are percentages, divide them by 100",
    ),
    "sums": (changed(p_dress=0.5, p_shirt=0.3), {}, "row 1 sum to 0.8, not 1; --scores logits"),
    "a missing probability": (changed(p_dress=[np.nan] * 20), {}, "row 1 has a missing"),
    "one missing probability": (
        changed(p_shirt=[*GOOD["p_shirt"][:7], None, *GOOD["p_shirt"][8:]]), {},
        "row 8 has a missing or infinite score of the class shirt",
    ),
    "a probability that is no number": (
        changed(p_dress=[*GOOD["p_dress"][:5], "0,7", *GOOD["p_dress"][6:]]), {},
        "row 6, column p_dress: '0,7' is no number",
    ),
    "a class without a column": (
        changed(p_dress=0.4, p_shirt=0.3, label=["hat", *GOOD["label"][1:]]), {},
        "no column with the probability of hat",
    ),
    "points for a share": (GOOD, {"rope": 0.5}, "would be 50 points; .* half a point is 0.005"),
    "no folder of images": (GOOD, {"images": "nowhere"}, "images=nowhere: no such folder"),
    "a missing label": (changed(label=[None, *["dress"] * 19]), {}, "label: missing in row 1"),
    "a missing fold": (changed(fold=[0.0] * 19 + [np.nan]), {}, "fold: missing in row 20"),
    "a missing repeat": (changed(repeat=[None, *["x"] * 19]), {}, "repeat: missing in row 1"),
    "a missing seed": (changed(seed=[np.nan, *[1] * 19]), {}, "seed: missing in row 1"),
    "a missing id": (changed(id=[None, *range(19)]), {}, "row 1 has no id"),
    "several classes at once": (
        changed(p_dress=0.9, p_shirt=0.9, y_dress=1, y_shirt=1, t_dress=0.5, t_shirt=0.5), {},
        "several classes at once .training.targets=several",
    ),
    "no key": (GOOD.drop(columns="id"), {}, "no id, path or image_hash to join by"),
    "one probability": (GOOD.drop(columns="p_shirt"), {}, "one column of probabilities"),
    "an unknown class": (changed(label="hat"), {}, "another label than in a"),
    "two labels of an item": (
        pd.concat([GOOD, GOOD.assign(label="hat")]).assign(repeat=[0] * 20 + [1] * 20), {},
        "another label|two labels",
    ),
    "an unknown column": (GOOD, {"columns": {"label": "labl"}}, "did you mean label"),
    "an unknown role": (GOOD, {"columns": {"lable": "label"}}, "did you mean label"),
    "an unknown metric": (GOOD, {"metric": "acc"}, "no column acc"),
    "an unknown baseline": (GOOD, {"baseline": "c"}, "choices: a, b"),
    "an unknown key": (GOOD, {"join": "ids"}, "did you mean id"),
    "a key that is not there": (GOOD, {"join": "path"}, "a has no such column"),
    "an unknown unit": (GOOD, {"unit": "folds"}, "did you mean fold"),
    "an unknown kind of scores": (GOOD, {"scores": "logit"}, "did you mean logits"),
    "too few class names": (
        GOOD.rename(columns={"p_dress": "p_0", "p_shirt": "p_1"}), {"classes": ["dress"]},
        "names 1",
    ),
    "rows of several parts": (
        changed(split=["test"] * 10 + ["validation"] * 10), {},
        "rows of test and validation; --where split=VALUE",
    ),
    "no row": (GOOD, {"where": {"label": "hat"}}, "no row with label=hat; it has dress, shirt"),
    "an ambiguous label": (
        GOOD.rename(columns={"label": "target"}).assign(y_true="dress"), {},
        "the label may be target or y_true; choose with --columns label=target",
    ),
    "several files without a unit": ([GOOD, GOOD], {}, "2 files; --unit repeat"),
    "several folds in the files of folds": (
        [changed(fold=np.arange(20) % 2), GOOD], {"unit": "fold"}, "several folds itself",
    ),
    "redrawn splits without their size": (
        pd.concat([random_table(s, 0.8, 20).sample(8, random_state=s).assign(repeat=s)
                   for s in range(4)]), {"shared_only": True}, "--train-size N",
    ),
    "a file that is not there": ("nowhere.csv", {}, "nowhere.csv: no such file"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_refused_with_the_remedy(case: str) -> None:
    other, options, message = CASES[case]
    with pytest.raises(InputError, match=message) as error:
        judge({"a": GOOD, "b": other}, **options)
    assert "\n" not in str(error.value)


def test_shared_items_are_compared_if_asked() -> None:
    judgement = judge({"a": GOOD, "b": GOOD[:15]}, shared_only=True)
    assert judgement.table["items"].to_list() == [15, 15]


def test_labels_of_a_table_overrule_those_of_the_tools() -> None:
    truth = GOOD[["id", "label"]]
    other = changed(label=GOOD["label"][::-1].to_numpy())
    judgement = judge({"a": GOOD, "b": other}, labels=truth)
    assert judgement.table["estimate"].nunique() == 1


def test_logits_and_rankings_are_converted_by_name() -> None:
    logits = changed(p_dress=np.log(GOOD["p_dress"]) + 3, p_shirt=np.log(GOOD["p_shirt"]) + 3)
    judgement = judge({"a": logits}, scores="logits", metric="loss")
    expected = judge({"a": GOOD}, metric="loss").table["estimate"][0]
    assert judgement.table["estimate"][0] == pytest.approx(expected)
    assert judgement.notes[1] == "a: logits converted by softmax."
    ranked = judge({"a": logits, "b": GOOD}, scores="ranking")
    assert ranked.table["estimate"].nunique() == 1
    with pytest.raises(InputError, match="the loss needs probabilities"):
        judge({"a": logits}, scores="ranking", metric="loss")


def test_numbered_classes_take_their_names() -> None:
    numbered = GOOD.rename(columns={"p_dress": "p_0", "p_shirt": "p_1"})
    numbered["label"] = (GOOD["label"] == "shirt").astype(float)
    judgement = judge({"a": GOOD, "b": numbered}, classes=["dress", "shirt"])
    assert judgement.table["estimate"].nunique() == 1


def test_probabilities_beside_logits_stay_as_they_are() -> None:
    frame = random_table(0, 0.8)
    names = ["p_dress", "p_shirt"]
    logits = frame.assign(**{name: np.log(frame[name]) for name in names})
    judgement = judge({"a": frame, "b": logits}, scores="logits", metric="loss")
    assert judgement.table["estimate"].nunique() == 1
    assert {"a: its scores are probabilities already, and stay as they are.",
            "b: logits converted by softmax."} <= {*judgement.notes}  # fmt: skip


@pytest.mark.parametrize(("rows", "way"), [(1, "down by 1 row "), (-2, "up by 2 rows ")])
def test_shifted_rows_are_called_so(rows: int, way: str) -> None:
    labels = np.random.default_rng(0).choice(["dress", "shirt"], 40)
    good = table(np.ones(40)).assign(label=labels)
    with pytest.raises(InputError, match=f"look shifted {way}.*write the table again"):
        judge({"a": good, "b": good.assign(label=np.roll(labels, rows))})
