"""Predictions of other tools take the tests that runs of their design take."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fashion_exp.api.comparison import compare
from fashion_exp.api.judging import judge
from fashion_exp.comparison.report_tables import multiplicity_notes
from fashion_exp.errors import InputError
from fashion_exp.judging.columns import ColumnOptions, read_columns
from fashion_exp.stats.paired import mcnemar
from tests.comparison.synthetic_runs import make_run, random_correctness
from tests.judging.tables import random_table, table

A = np.array([1] * 8 + [0, 0])
B = np.array([1, 1, 0, 0, 0, 0, 1, 1, 0, 1])


def test_one_training_each_takes_mcnemars_test() -> None:
    judgement = judge({"a": table(A), "b": table(B)})
    (pair,) = judgement.pairs
    assert pair.test == mcnemar(5, 4, 1, 0)
    assert judgement.table["estimate"].to_list() == [0.8, 0.5]


def test_order_of_rows_and_copied_columns_do_not_matter() -> None:
    shuffled = table(B).sample(frac=1, random_state=0).assign(noise=1)
    judgement = judge({"a": table(A), "b": shuffled})
    assert judgement.verdicts.equals(judge({"a": table(A), "b": table(B)}).verdicts)
    assert "b: not used to compare: noise." in judgement.notes


def test_predicted_classes_are_judged_as_their_probabilities() -> None:
    with_names = table(B).assign(predicted=lambda t: np.where(t["p_dress"] > 0.5, "dress", "shirt"))
    only_names = with_names.drop(columns=["p_dress", "p_shirt"])
    expected = judge({"a": table(A), "b": table(B)}).verdicts
    assert judge({"a": table(A), "b": only_names}).verdicts.equals(expected)


@pytest.mark.parametrize("metric", ["accuracy", "loss", "macro_f1"])
@pytest.mark.parametrize(
    ("design", "keys", "redrawn"),
    [
        ("seeds", [(repeat, 0) for repeat in range(5)], False),
        ("folds", [(0, fold) for fold in range(5)], False),
        ("repeated folds", [(r, f) for r in range(3) for f in range(4)], True),
    ],
)
def test_verdicts_equal_those_of_runs_of_the_same_design(
    metric: Any, design: str, keys: list[tuple[int, int]], redrawn: bool, tmp_path: Path
) -> None:
    """The runs are compared by `compare`, their predictions as tables by `judge`."""
    parts, images = {}, 120
    for name, seed, accuracy in (("a", 0, 0.9), ("b", 50, 0.8)):
        scores = random_correctness(seed, len(keys), images, accuracy)
        if design != "seeds":
            for row, (repeat, fold) in enumerate(keys):
                folds = np.random.default_rng(repeat).permutation(images) % (max(keys)[1] + 1)
                scores[row, folds != fold] = np.nan
        test = scores if design == "seeds" else np.ones((len(keys), 4))
        run = make_run(
            tmp_path / "runs" / name, name, scores, test, keys=keys, redrawn=redrawn,
            is_test_evaluated=design == "seeds",
        )  # fmt: skip
        part = "test" if design == "seeds" else "validation"
        frame = run.predictions(part).rename(columns={"image_id": "id"})
        parts[name] = frame[["id", "label", "p_Dress", "p_Shirt", "repeat", "fold"]]
    folders = [tmp_path / "runs" / name for name in parts]
    own = compare(folders, metric=metric, outputs=tmp_path).verdicts
    theirs = judge(parts, metric=metric, train_size=400 if redrawn else None).verdicts
    for verdicts in (own, theirs):
        if verdicts["a"][0] == "b":  # ranked by other images
            verdicts[["difference", "low", "high"]] *= -1
    assert theirs["test"].equals(own["test"])
    for column in ("p", "difference"):
        assert theirs[column][0] == pytest.approx(own[column][0], rel=1e-9)


def test_a_run_is_judged_beside_a_table(tmp_path: Path) -> None:
    scores = random_correctness(0, 1, 60, 0.9)
    run = make_run(tmp_path / "runs" / "own", "own", scores, scores)
    frame = run.predictions("test")[["image_id", "label"]]
    frame = frame.rename(columns={"image_id": "id"}).assign(predicted="Shirt")
    judgement = judge({"own": tmp_path / "runs" / "own", "constant": frame}, outputs=tmp_path)
    assert judgement.names[judgement.winner] == "own" and judgement.part == "test"
    assert judgement.table["estimate"].to_list() == [scores.mean(), 0.5]


@pytest.mark.parametrize(
    "option",
    [{"where": {"fold": "0"}}, {"classes": ["Dress", "Shirt"]}, {"scores": "logits"},
     {"columns": {"label": "label"}}],
)  # fmt: skip
def test_options_of_tables_are_refused_where_all_are_runs(
    option: dict[str, Any], tmp_path: Path
) -> None:
    scores = random_correctness(0, 1, 60, 0.9)
    run = make_run(folder := tmp_path / "runs" / "own", "own", scores, scores)
    with pytest.raises(InputError, match=f"{next(iter(option))} has no effect on a run"):
        judge([folder], outputs=tmp_path, **option)
    table = run.predictions("test")[["image_id", "label", "fold"]].assign(predicted="Shirt")
    if "scores" not in option:
        judge({"run": folder, "table": table}, outputs=tmp_path, **option)


def test_held_out_test_of_a_run_is_not_read(tmp_path: Path) -> None:
    scores = random_correctness(0, 1, 60, 0.9)
    make_run(tmp_path / "runs" / "own", "own", scores, scores, is_test_evaluated=False)
    with pytest.raises(InputError, match="held out"):
        judge([tmp_path / "runs" / "own"], part="test", outputs=tmp_path)


def test_other_items_than_those_of_a_run_may_be_its_other_part(tmp_path: Path) -> None:
    scores = random_correctness(0, 1, 60, 0.9)
    make_run(folder := tmp_path / "runs" / "own", "own", scores, scores)
    others = random_table(0, 0.9).rename(columns={"p_dress": "p_Dress", "p_shirt": "p_Shirt"})
    with pytest.raises(InputError, match="--part validation or test"):
        judge({"run": folder, "table": others.replace({"dress": "Dress", "shirt": "Shirt"})})


def test_items_of_a_group_are_not_independent() -> None:
    groups = np.arange(120) // 4
    tables = {name: random_table(seed, acc).assign(group=groups)
              for name, seed, acc in (("a", 1, 0.9), ("b", 2, 0.8))}  # fmt: skip
    assert judge(tables).verdicts["test"][0] == "t over groups of images, cluster-robust"


def test_an_item_without_a_group_is_a_group_of_its_own() -> None:
    groups = pd.Series(np.arange(120) // 4, dtype=float)
    alone = groups.mask(np.arange(120) >= 60)
    numbered = alone.fillna(pd.Series(1000.0 + np.arange(120)))
    by_groups = [
        judge({name: random_table(seed, acc).assign(group=group.to_numpy())
               for seed, (name, acc) in enumerate({"a": 0.9, "b": 0.8}.items())}).verdicts
        for group in (alone, numbered)
    ]  # fmt: skip
    pd.testing.assert_frame_equal(by_groups[0], by_groups[1])
    repeated = pd.concat([random_table(s, 0.9).assign(repeat=s, group=alone) for s in range(2)])
    groups_read = read_columns(repeated, "a", ColumnOptions()).group
    assert groups_read is not None and len(set(groups_read)) == 15 + 60


def test_groups_of_folds_in_several_tables_are_those_of_one_table() -> None:
    folds = np.arange(120) // 60
    tables = {name: random_table(seed, acc).assign(group=np.arange(120) // 4, fold=folds)
              for name, seed, acc in (("a", 1, 0.9), ("b", 2, 0.8))}  # fmt: skip
    divided = {
        name: [table[folds == fold].drop(columns="fold") for fold in (0, 1)]
        for name, table in tables.items()
    }
    verdicts = [judge(tables).verdicts, judge(divided, unit="fold").verdicts]
    pd.testing.assert_frame_equal(verdicts[0], verdicts[1])


@pytest.mark.parametrize("lower_is_better", [False, True])
def test_any_score_per_item_is_compared(lower_is_better: bool) -> None:
    rng = np.random.default_rng(0)
    tables = {
        name: pd.DataFrame({"id": range(80), "iou": rng.normal(mean, 1, 80)})
        for name, mean in (("a", 2.0), ("b", 0.0))
    }
    judgement = judge(tables, lower_is_better=lower_is_better)
    assert judgement.settings.metric == "iou" and judgement.settings.rope == 0
    best = "b" if lower_is_better else "a"
    assert judgement.conclusions[0].startswith(f"{best} is better than ")
    assert (judgement.verdicts["verdict"] == "better").all()


def test_scores_of_0_and_1_take_mcnemars_test() -> None:
    tables = {name: pd.DataFrame({"id": range(10), "acc": values})
              for name, values in (("a", A), ("b", B))}  # fmt: skip
    (pair,) = judge(tables).pairs
    assert pair.test == mcnemar(5, 4, 1, 0)


def test_the_best_of_three_allows_for_its_choice() -> None:
    tables = {str(seed): random_table(seed, 0.8) for seed in range(3)}
    assert judge(tables).bonferroni_factor == 3
    assert judge(tables, baseline="0").bonferroni_factor == 2


@pytest.mark.slow
def test_no_torch_is_needed() -> None:
    """Judging frames imports numpy, scipy, pandas, and what pandas itself imports."""
    code = """
import sys
ALLOWED = {"numpy", "scipy", "pandas", "pyarrow", "dateutil", "pytz", "tzdata", "six",
           "fashion_exp", "charset_normalizer", "cloudpickle", "numexpr", "bottleneck"}
before = set(sys.modules)
class Refuse:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top in sys.stdlib_module_names or top in ALLOWED or top.startswith("_"):
            return None
        refused.append(top)
        raise ImportError(top)
refused = []
sys.meta_path.insert(0, Refuse())
import pandas as pd
frame = pd.DataFrame({"id": range(40), "label": ["a", "b"] * 20, "predicted": ["a", "b"] * 20})
wrong = frame.assign(predicted=["a"] * 40)
import fashion_exp.stats.planning
import fashion_exp as fx
judgement = fx.judge({"right": frame, "constant": wrong}, baseline="constant")
assert judgement.verdicts["verdict"].to_list() == ["better"]
assert judgement.conclusions and not judgement.plans and len(judgement.table) == 2
sliced = fx.slices({"constant": wrong.assign(light=range(40))}, bins=2)
assert sliced.table["verdict"].to_list()[:2] == ["better", "worse"]
powered = fx.estimate(frame.drop(columns="label"), fx.items_to_label(frame, 20).assign(label="a"))
assert powered.powered.labels == 20
for name in ("torch", "timm", "hydra", "mlflow", "pydantic", "rich"):
    assert name not in sys.modules
    try:
        __import__(name)
    except ImportError:
        continue
    raise AssertionError(name)
"""
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert not process.returncode, process.stderr


def test_margins_are_named_if_there_are_any() -> None:
    tools = {"a": table(A).assign(noise=A / 3), "b": table(B).assign(noise=B / 3)}
    assert "within ±1 point." in multiplicity_notes(judge(tools))[0]
    assert "±" not in multiplicity_notes(judge(tools, metric="noise"))[0]
