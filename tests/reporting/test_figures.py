from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fashion_exp.reporting import style
from fashion_exp.reporting.figures import apart, confusion, curves

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D


def _history(trainings: int, epochs: list[int]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "fold": 0,
            "repeat": repeat,
            "epoch": epoch,
            "part": part,
            "loss": 1.0 / epoch + 0.1 * repeat,
            "accuracy": 0.5 + 0.01 * epoch + 0.1 * repeat,
            "lr": 1e-3,
        }
        for repeat in range(trainings)
        for epoch in range(1, epochs[repeat % len(epochs)] + 1)
        for part in ("train", "validation")
    )


def _texts(figure: Figure) -> list[str]:
    from matplotlib.text import Text

    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def _thick(axes: Axes, colour: str) -> Line2D:
    (line,) = [
        line for line in axes.lines if line.get_linewidth() == 2 and line.get_color() == colour
    ]
    return line


def test_the_thick_line_is_the_mean_of_the_thin_ones() -> None:
    accuracy = curves(_history(3, [4]), [10, 10]).axes[1]
    thin = [
        np.asarray(line.get_ydata())
        for line in accuracy.lines
        if line.get_linewidth() < 1 and line.get_color() == style.BLUE
    ]
    assert len(thin) == 3
    assert _thick(accuracy, style.BLUE).get_ydata() == pytest.approx(np.mean(thin, axis=0))


def test_the_mean_ends_where_the_first_training_stops() -> None:
    figure = curves(_history(2, [3, 5]), [10, 10])
    assert np.asarray(_thick(figure.axes[0], style.BLUE).get_xdata()).tolist() == [1, 2, 3]
    assert any("until the first one stops" in text for text in _texts(figure))


def test_training_and_validation_differ_in_more_than_colour() -> None:
    loss = curves(_history(1, [4]), [10, 10]).axes[0]
    assert _thick(loss, style.BLUE).get_linestyle() != _thick(loss, style.VERMILION).get_linestyle()
    lone = curves(_history(1, [1]), [10, 10]).axes[0]
    assert _thick(lone, style.BLUE).get_marker() != _thick(lone, style.VERMILION).get_marker()


def test_a_single_epoch_shows_a_point_for_every_training() -> None:
    accuracy = curves(_history(3, [1]), [10, 10]).axes[1]
    points = [line for line in accuracy.lines if line.get_marker() not in ("", "None")]
    assert len(points) == 2 * (3 + 1)


def test_chance_follows_from_the_class_shares() -> None:
    texts = _texts(curves(_history(1, [2]), [30, 10, 0]))
    assert "chance 75.0 %" in texts
    entropy = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    assert f"chance {entropy:.2f}" in texts


def test_the_kept_epoch_of_every_training_has_a_ring() -> None:
    history = _history(2, [4])
    history["kept"] = history["epoch"] == 3
    for axes in curves(history, [10, 10]).axes:
        (rings,) = axes.collections
        assert [place[0] for place in np.asarray(rings.get_offsets())] == [3, 3]
    assert not curves(_history(2, [4]), [10, 10]).axes[0].collections


def test_an_exploding_loss_does_not_hide_the_others() -> None:
    history = _history(1, [6])
    assert curves(history, [10, 10]).axes[0].get_yscale() == "linear"
    history.loc[0, "loss"] = 500.0
    assert curves(history, [10, 10]).axes[0].get_yscale() == "log"


def test_a_loss_that_is_no_number_leaves_a_gap(tmp_path: Path) -> None:
    history = _history(1, [4])
    history.loc[history["epoch"] >= 3, "loss"] = np.nan
    history.loc[history["epoch"] == 4, "loss"] = np.inf
    style.save(curves(history, [10, 10]), tmp_path / "a.png")
    history["loss"] = np.nan
    style.save(curves(history, [10, 10]), tmp_path / "b.png")


@given(st.lists(st.floats(-0.2, 1.2), min_size=1, max_size=5))
def test_labels_stand_apart_in_the_order_of_their_lines(heights: list[float]) -> None:
    placed = apart(heights, 0.1)
    order = np.argsort(heights, kind="stable")
    assert np.all(np.diff(np.asarray(placed)[order]) >= 0.1 - 1e-9)
    assert np.mean(placed) == pytest.approx(np.mean(heights))
    if len(heights) == 1 or np.diff(np.sort(heights)).min() >= 0.1:
        assert placed == pytest.approx(heights)


def test_every_count_and_its_share_of_the_row_stand_in_the_matrix() -> None:
    texts = _texts(confusion(np.array([[30, 10], [0, 1234]]), ["hat", "shoe"], "Test"))
    for text in ("30", "75 %", "10", "25 %", "0", "100 %"):
        assert texts.count(text) == 1, text
    assert texts.count("1,234") == 2, "in its cell, and as the row's n"
    assert "accuracy 99.2 %, 1,274 predictions" in texts
    assert texts.count("75.0 %") == texts.count("100.0 %") == 1, "recall"


def test_rates_are_not_rounded_to_none_or_all() -> None:
    texts = _texts(confusion(np.array([[999, 1], [0, 5]]), ["hat", "shoe"]))
    assert ">99 %" in texts
    assert "<1 %" in texts


def test_a_class_without_images_has_no_recall() -> None:
    texts = _texts(confusion(np.array([[5, 0], [0, 0]]), ["hat", "shoe"]))
    assert texts.count("\N{EN DASH}") == 1


def test_rows_are_true_and_columns_predicted_classes() -> None:
    axes = confusion(np.array([[1, 2], [3, 4]]), ["hat", "shoe"]).axes[0]
    assert axes.get_ylabel() == "true class"
    (cell,) = [text for text in axes.texts if text.get_text() == "2"]
    column, row = cell.get_position()
    assert (round(column), round(row)) == (1, 0)
    assert axes.yaxis_inverted()


def _overlap(extents: list[tuple[float, float]]) -> bool:
    return any(first[1] > second[0] for first, second in pairwise(sorted(extents)))


@pytest.mark.parametrize("count", [2, 10, 30])
@pytest.mark.parametrize("length", [0, 1, 30])
def test_names_of_any_length_keep_clear_of_each_other(count: int, length: int) -> None:
    names = [f"{place}{' name' * length}" for place in range(count)]
    figure = confusion(np.eye(count, dtype=int) * 7, names)
    figure.draw_without_rendering()
    (axes,) = figure.axes
    rows = [label.get_window_extent() for label in axes.get_yticklabels()]
    assert not _overlap([(box.y0, box.y1) for box in rows])
    assert max(box.x1 for box in rows) < axes.get_window_extent().x0
    columns = [label.get_window_extent() for label in axes.get_xticklabels()]
    if axes.get_xticklabels()[0].get_rotation() == 45:
        # Lines of text turned by 45 degrees stand a cell / sqrt(2) apart.
        assert max(box.height for box in rows) < axes.get_window_extent().width / count / 2**0.5
    else:
        assert not _overlap([(box.x0, box.x1) for box in columns])


def test_a_dollar_in_a_name_is_a_dollar(tmp_path: Path) -> None:
    nonsense = r"$\nonsense$"
    matrix = np.eye(2, dtype=int)
    style.save(confusion(matrix, [nonsense, "b"], nonsense), tmp_path / "a.png")
    style.save(curves(_history(1, [2]), [1, 1], nonsense), tmp_path / "b.png")


def test_importing_loads_no_matplotlib_and_drawing_changes_no_global_state(tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
from fashion_exp.reporting import figures, formats, progress, sheets, style, tables
assert not {"matplotlib", "PIL"} & set(sys.modules)

import matplotlib
def look():  # the backend's look-up would be what loads pyplot
    return {name: matplotlib.rcParams[name] for name in matplotlib.rcParams if name != "backend"}

before = look()
style.save(figures.confusion([[1, 0], [0, 1]], ["a", "b"]), Path(sys.argv[1]))
assert "matplotlib.pyplot" not in sys.modules
assert look() == before
"""
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "a.png")], check=True)
