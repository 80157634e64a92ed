from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fashion_exp.reporting import style
from fashion_exp.reporting.comparison_curves import validation_curves
from fashion_exp.reporting.figures import confusion_matrix, learning_curves
from fashion_exp.reporting.many_classes import classes_per_cell, confusion_map, most_confused
from fashion_exp.reporting.report_content import Curve
from fashion_exp.reporting.svg import inline_svg
from tests.reporting.test_comparison_figures import assert_legible, displayed_texts

pytestmark = pytest.mark.slow

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D


def make_history(trainings: int, epochs: list[int]) -> pd.DataFrame:
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


def mean_line(axes: Axes, color: str) -> Line2D:
    (line,) = [
        line for line in axes.lines if line.get_linewidth() == 2 and line.get_color() == color
    ]
    return line


def test_thick_line_is_the_mean_of_the_thin_ones() -> None:
    accuracy = learning_curves(make_history(3, [4]), [10, 10]).axes[1]
    thin = [
        np.asarray(line.get_ydata())
        for line in accuracy.lines
        if line.get_linewidth() < 0.8 and line.get_color() == style.BLUE
    ]
    assert len(thin) == 3
    assert mean_line(accuracy, style.BLUE).get_ydata() == pytest.approx(np.mean(thin, axis=0))


def test_mean_ends_where_the_first_training_stops() -> None:
    figure = learning_curves(make_history(2, [3, 5]), [10, 10])
    assert np.asarray(mean_line(figure.axes[0], style.BLUE).get_xdata()).tolist() == [1, 2, 3]
    assert any("until the first one stops" in text for text in displayed_texts(figure))


def test_parts_differ_in_more_than_color() -> None:
    several = learning_curves(make_history(1, [4]), [10, 10]).axes[0]
    styles = {mean_line(several, c).get_linestyle() for c in (style.BLUE, style.VERMILION)}
    single = learning_curves(make_history(1, [1]), [10, 10]).axes[0]
    markers = {mean_line(single, color).get_marker() for color in (style.BLUE, style.VERMILION)}
    assert len(styles) == len(markers) == 2


def test_single_epoch_shows_a_point_for_every_training() -> None:
    accuracy = learning_curves(make_history(3, [1]), [10, 10]).axes[1]
    points = [line for line in accuracy.lines if line.get_marker() not in ("", "None")]
    assert len(points) == 2 * (3 + 1)


def test_chance_level_follows_from_the_class_shares() -> None:
    texts = displayed_texts(learning_curves(make_history(1, [2]), [30, 10, 0]))
    entropy = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    assert "chance 75.0 %" in texts and f"chance {entropy:.2f}" in texts


def test_evaluated_epoch_of_every_training_has_a_ring() -> None:
    history = make_history(2, [4])
    history["kept"] = history["epoch"] == 3
    for axes in learning_curves(history, [10, 10]).axes:
        (rings,) = axes.collections
        assert [x for x, _ in np.asarray(rings.get_offsets())] == [3, 3]
    assert not learning_curves(make_history(2, [4]), [10, 10]).axes[0].collections


def test_training_loss_that_is_no_cross_entropy_is_named() -> None:
    note = "training loss: focal loss;  validation loss: cross-entropy"
    plain, named = (
        displayed_texts(learning_curves(make_history(1, [4]), [10, 10], training_loss=loss))
        for loss in ("", "focal loss")
    )
    assert any(note in text for text in named) and not any(note in text for text in plain)


def test_outlier_in_loss_switches_to_a_log_axis() -> None:
    history = make_history(1, [6])
    assert learning_curves(history, [10, 10]).axes[0].get_yscale() == "linear"
    history.loc[0, "loss"] = 500.0
    assert learning_curves(history, [10, 10]).axes[0].get_yscale() == "log"


@pytest.mark.parametrize("first", [1, 3])
def test_loss_that_is_not_finite_is_omitted(first: int) -> None:
    history = make_history(1, [4])
    history.loc[history["epoch"] >= first, "loss"] = np.nan
    history.loc[history["epoch"] == 4, "loss"] = np.inf
    assert_legible(learning_curves(history, [10, 10]))


def test_confusion_matrix_shows_every_count_and_row_share() -> None:
    counts = np.array([[30, 10], [0, 1234]])
    texts = displayed_texts(confusion_matrix(counts, ["hat", "shoe"], "Test"))
    for text in ("30", "75 %", "10", "25 %", "0", "100 %"):
        assert texts.count(text) == 1, text
    assert texts.count("1,234") == 2, "in its cell and as the count of its row"
    assert "99.2 % of 1,274 predictions right" in texts and "Test" in texts
    assert texts.count("75.0 %") == texts.count("100.0 %") == 1, "recall"


def test_rates_are_not_rounded_to_none_or_all() -> None:
    texts = displayed_texts(confusion_matrix(np.array([[999, 1], [0, 5]]), ["hat", "shoe"]))
    assert ">99 %" in texts and "<1 %" in texts


def test_class_without_images_has_no_recall() -> None:
    texts = displayed_texts(confusion_matrix(np.array([[5, 0], [0, 0]]), ["hat", "shoe"]))
    assert texts.count("\N{EN DASH}") == 1


def test_rows_are_true_and_columns_predicted_classes() -> None:
    axes = confusion_matrix(np.array([[1, 2], [3, 4]]), ["hat", "shoe"]).axes[0]
    assert axes.get_ylabel() == "true class" and axes.get_xlabel() == "predicted class"
    (cell,) = [text for text in axes.texts if text.get_text() == "2"]
    column, row = cell.get_position()
    assert (round(column), round(row)) == (1, 0)
    assert axes.yaxis_inverted()


@pytest.mark.parametrize(("count", "length"), [(2, 30), (10, 0), (10, 1), (30, 0), (30, 30)])
def test_class_names_do_not_overlap(count: int, length: int) -> None:
    names = [f"{i}{' name' * length}" for i in range(count)]
    figure = confusion_matrix(np.diag([7] + [0] * (count - 1)), names)
    figure.draw_without_rendering()
    (axes,) = figure.axes
    rows = [label.get_window_extent() for label in axes.get_yticklabels()]
    assert_disjoint([(box.y0, box.y1) for box in rows])
    assert max(box.x1 for box in rows) < axes.get_window_extent().x0
    if axes.get_xticklabels()[0].get_rotation() == 45:
        # The distance of lines rotated by 45 degrees is the cell width / sqrt(2).
        assert max(box.height for box in rows) < axes.get_window_extent().width / count / 2**0.5
    else:
        columns = [label.get_window_extent() for label in axes.get_xticklabels()]
        assert_disjoint([(box.x0, box.x1) for box in columns])


def assert_disjoint(extents: list[tuple[float, float]]) -> None:
    assert all(first[1] <= second[0] for first, second in pairwise(sorted(extents)))


MANY = 1000


@pytest.fixture(scope="module")
def many_counts() -> np.ndarray:
    rng = np.random.default_rng(0)
    counts = np.diag(rng.integers(0, 9, MANY))
    counts[rng.integers(0, MANY, 3000), rng.integers(0, MANY, 3000)] += 1
    counts[7, 8] = 50
    return counts


def test_many_classes_show_a_map_and_the_most_confused_pairs(many_counts: np.ndarray) -> None:
    figure = confusion_matrix(many_counts, [f"class {i}" for i in range(MANY)], "Test")
    texts = displayed_texts(figure)
    assert len(texts) < 100
    assert {"class 7", "class 8", "50", "Test"} <= set(texts)
    (axes,) = figure.axes
    (image,) = axes.get_images()
    assert max(image.get_size()) <= 200
    assert not axes.texts and not axes.get_xticklabels()


def test_picture_of_many_classes_is_small(many_counts: np.ndarray, tmp_path: Path) -> None:
    names = [f"{i}{300 * 'W'}" for i in range(MANY)]
    file = style.save(confusion_matrix(many_counts, names, 300 * "W "), tmp_path / "a.png")
    with Image.open(file) as image:
        assert max(image.size) < 3000


@pytest.mark.parametrize("count", [31, 199, 201, 1000])
def test_map_shows_every_class_once(count: int) -> None:
    colors = confusion_map(np.eye(count, dtype=int))
    each = classes_per_cell(count)
    assert len(colors) == -(-count // each) <= 200
    dark = (colors < 255).any(axis=2)
    assert np.array_equal(dark, np.eye(len(colors), dtype=bool))


def test_pairs_are_ordered_by_count_and_without_correct_predictions() -> None:
    counts = np.array([[90, 2, 0], [5, 3, 0], [0, 0, 4]])
    table = most_confused(counts, ["a", "b", "c"])
    assert table.rows == [("b", "a", "5", "62.5 %"), ("a", "b", "2", "2.2 %")]
    assert most_confused(np.eye(3, dtype=int), ["a", "b", "c"]).rows == []
    assert len(most_confused(np.ones((40, 40), int), [str(i) for i in range(40)]).rows) == 20


@pytest.mark.parametrize("classes", [2, 31])
@pytest.mark.parametrize(
    "name",
    ["a\nb\x07", "a$b$", "$$", r"\frac{", "a_b^c", "\N{PARTY POPPER}", 300 * "W", "a\udcff", "_x"],
)
def test_class_and_run_may_have_any_name(name: str, classes: int, tmp_path: Path) -> None:
    names = [f"{name}{i}" for i in range(classes)]
    counts = np.arange(classes**2).reshape(classes, classes)
    style.save(confusion_matrix(counts, names, name), tmp_path / "a.png")
    curves = validation_curves([Curve(name, [[0.1, 0.2]]), Curve("b", [[0.1, 0.2]])], style.WIDE)
    inline_svg(curves, "a", name, name)


def test_dollar_signs_are_literal(tmp_path: Path) -> None:
    name = r"$\nonsense$"
    style.save(confusion_matrix(np.eye(2, dtype=int), [name, "b"], name), tmp_path / "a.png")
    style.save(learning_curves(make_history(1, [2]), [1, 1], name), tmp_path / "b.png")


def test_import_loads_no_matplotlib_and_drawing_changes_no_global_state(tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
from fashion_exp.reporting import contact_sheets, figures, formats, progress, style, tables
assert not {"matplotlib", "PIL"} & set(sys.modules)

import matplotlib
def settings():  # looking up the backend would load pyplot
    return {name: matplotlib.rcParams[name] for name in matplotlib.rcParams if name != "backend"}

before = settings()
style.save(figures.confusion_matrix([[1, 0], [0, 1]], ["a", "b"]), Path(sys.argv[1]))
assert "matplotlib.pyplot" not in sys.modules
assert settings() == before
"""
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "a.png")], check=True)
