"""Measures equal those computed by hand, and a query never finds itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import average_precision_score

from fashion_exp.api.search import Index
from fashion_exp.errors import InputError
from fashion_exp.retrieval.evaluation import CUTOFFS, evaluate_pictures, measures


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


def test_column_without_labels_is_refused(index: Index) -> None:
    with pytest.raises(InputError, match="no two photos have the same"):
        evaluate_pictures(index.photos, "path")
    with pytest.raises(InputError, match="did you mean size"):
        evaluate_pictures(index.photos, "sise")


def test_words_find_the_labelled_colors(index: Index, garments: Path, tmp_path: Path) -> None:
    lines = ["path,class,color"]
    for path in sorted(garments.glob("*/*.png")):
        lines.append(f"{path},{path.parent.name},{path.stem[:-1]}")
    (tmp_path / "colors.csv").write_text("\n".join(lines))
    report = index.evaluate(words=tmp_path / "colors.csv")
    by_words = next(x for x in report.evaluations if x.name == "words")
    assert len(by_words.queries) == 6
    assert by_words.queries["average_precision"].mean() > 0.9
    assert report.as_json([f"precision_{CUTOFFS[0]}"])["schema"] == 1
