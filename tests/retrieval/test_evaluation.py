"""Measures equal those computed by hand, and a query never finds itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import average_precision_score

from fashion_exp.api.search import Index, _verdicts, build_index
from fashion_exp.errors import InputError
from fashion_exp.retrieval.evaluation import CUTOFFS, evaluate_pictures, measures
from tests.backbone_runs import options
from tests.conftest import TinyRun


def test_measures_of_a_ranking_by_hand() -> None:
    row = measures(np.array([[True, False, True, False, False, True]])).iloc[0]
    assert row["average_precision"] == pytest.approx((1 + 2 / 3 + 3 / 6) / 3)
    assert (row["precision_1"], row["precision_5"], row["precision_10"]) == (1, 2 / 5, 3 / 10)
    assert (row["recall_1"], row["recall_5"], row["recall_10"]) == (1 / 3, 2 / 3, 1)


@settings(deadline=None)
@given(arrays(bool, st.tuples(st.just(1), st.integers(2, 40))).filter(lambda x: x.any()))
def test_average_precision_equals_scikit_learn(relevant: np.ndarray) -> None:
    scores = np.arange(relevant.shape[1], 0, -1)
    expected = average_precision_score(relevant[0], scores)
    assert measures(relevant)["average_precision"][0] == pytest.approx(expected)


def test_query_is_no_answer_of_its_own(index: Index) -> None:
    (result,) = evaluate_pictures(index.photos)
    assert len(result.queries) == 18
    assert (result.queries["photos"] == 17).all() and (result.queries["relevant"] == 8).all()
    assert result.chance == pytest.approx(8 / 17)
    interval = result.interval("average_precision")
    assert interval.low < interval.estimate < interval.high  # type: ignore[operator]


class Stored:
    """Five photos on a line, the first two copies of each other."""

    columns = ("image_id", "group", "folder")
    about = SimpleNamespace(classes=())

    def rows(self, columns: Sequence[str]) -> pd.DataFrame:
        return pd.DataFrame({"image_id": [*"abcde"], "group": [*"aacde"], "folder": [*"xxxyy"]})

    def vectors(self, image_ids: Sequence[str]) -> np.ndarray:
        return np.array([[ord(image), 1.0] for image in image_ids])


def test_photo_with_a_copy_that_was_trained_on_is_no_query() -> None:
    stored: Any = Stored()
    (everything,) = evaluate_pictures(stored)
    assert everything.queries["id"].to_list() == [*"acde"]
    (result,) = evaluate_pictures(stored, unseen=frozenset("acd"))
    assert result.queries["id"].to_list() == [*"cd"]


def queries(precision: Sequence[float] | np.ndarray, photos: int = 9) -> pd.DataFrame:
    return pd.DataFrame(
        {"id": [f"{i}" for i in range(len(precision))], "average_precision": precision,
         "relevant": 3, "photos": photos}
    )  # fmt: skip


def test_verdict_is_of_these_networks_and_of_the_same_photos() -> None:
    rng = np.random.default_rng(0)
    low, high = rng.random(40) / 3, 0.4 + rng.random(40) / 3
    better = " ".join(_verdicts({"a": queries(high), "b": queries(low)}))
    assert "a is better than b" in better and "40 photos" in better
    assert "training" not in better and "seeds" not in better
    (refusal,) = _verdicts({"a": queries(high), "b": queries(low, photos=8)})
    assert "hold different photos" in refusal


@pytest.mark.slow
def test_order_by_predicted_class_alone(
    tiny: Callable[..., TinyRun], garments: Path, backbone_files: dict[str, Path], tmp_path: Path
) -> None:
    run = tiny(
        "dataset=folder", f"dataset.root={garments}", "dataset.image_size=16", "repeats=3",
        *options(backbone_files, "test_resnet"),
    )  # fmt: skip
    index = build_index(garments, str(run.output), outputs=tmp_path / "indexes")
    report = index.evaluate()
    assert [x.name for x in report.evaluations] == ["similarity", "predicted class alone"]
    assert "the run was trained on these photos" in report.notes[0] and report.verdicts
    frame = index.to_frame().set_index("image_id")
    for row in report.evaluations[1].queries.to_dict("records"):
        scores = frame.drop(row["id"])[f"p_{frame['predicted'][row['id']]}"]
        relevant = frame["folder"][scores.index] == row["label"]
        expected = average_precision_score(relevant, scores)
        if scores.is_unique:
            assert row["average_precision"] == pytest.approx(expected)


def test_column_without_labels_is_refused(index: Index) -> None:
    with pytest.raises(InputError, match="no two photos have the same"):
        evaluate_pictures(index.photos, "path")
    with pytest.raises(InputError, match="did you mean size"):
        evaluate_pictures(index.photos, "sise")


def test_words_find_the_labeled_colors(index: Index, garments: Path, tmp_path: Path) -> None:
    lines = ["path,class,color"]
    for path in sorted(garments.glob("*/*.png")):
        color = path.stem.rpartition("<img")[0] or path.stem
        lines.append(f"{path},{path.parent.name},{color[:-1]}")
    (tmp_path / "colors.csv").write_text("\n".join(lines))
    report = index.evaluate(words=tmp_path / "colors.csv")
    by_words = next(x for x in report.evaluations if x.name == "words")
    assert len(by_words.queries) == 6
    assert by_words.queries["average_precision"].mean() > 0.9
    assert report.as_json([f"precision_{CUTOFFS[0]}"])["schema"] == 1
