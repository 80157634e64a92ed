from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pytest

from fashion_exp.reporting import style
from fashion_exp.reporting.comparison_curves import curves_sentence, curves_table, validation_curves
from fashion_exp.reporting.forest import axis_limits, forest_figure
from fashion_exp.reporting.forest_text import forest_sentence, forest_table
from fashion_exp.reporting.formats import p_text
from fashion_exp.reporting.report_content import (
    Curve,
    ForestPlot,
    ForestRow,
    Report,
    VerdictCell,
    VerdictMatrix,
)
from fashion_exp.reporting.style import NARROW, WIDE
from fashion_exp.reporting.svg import CSS_COLORS, inline_svg
from fashion_exp.reporting.verdict_matrix import cell_text, verdict_figure
from tests.reporting.example_report import example_report, make_report

pytestmark = pytest.mark.slow

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LONG_NAME = "a model with a name that says everything about it " * 3
UNUSUAL = ForestPlot(
    "Accuracy",
    [
        ForestRow(LONG_NAME, 0.96, 0.93, 0.98, "chosen on these images", winner=True),
        ForestRow("帽子 $x$ <b>", 0.95, 0.91, 0.97, "chosen on these images", muted=True),
        ForestRow("failed", None, None, None, "no memory"),
        ForestRow("W" * 90, float("nan"), None, None),
    ],
    lines={"target": 0.95, "human (assumed)": 0.95, "almost": 0.951, "chance": 1 / 3},
    bands={"human 95 % of 200": (0.91, 0.97)},
)
DIFFERENCE = ForestPlot(
    "lr", [ForestRow("0.1 − 0.01", 0.012, -0.001, 0.025)], lines={"no difference": 0.0}
)


@pytest.fixture(scope="module")
def report() -> Report:
    return example_report()


def displayed_texts(figure: Figure) -> list[str]:
    """All texts, with wrapped lines joined."""
    from matplotlib.text import Text

    return [text.get_text().replace("\n", " ") for text in figure.findobj(Text) if text.get_text()]


def assert_legible(figure: Figure) -> None:
    """No two texts overlap, and none leaves the figure."""
    from matplotlib.text import Text

    with style.ignore_missing_glyphs():
        figure.draw_without_rendering()
        hidden = ticks_outside_axes(figure)
        texts = [
            text
            for text in figure.findobj(Text)
            if text.get_text().strip() and text.get_visible() and id(text) not in hidden
        ]
        boxes = np.array([text.get_window_extent().extents for text in texts])
    names = [text.get_text() for text in texts]
    width, height = figure.bbox.size
    outside = (boxes[:, :2] < -1).any(axis=1) | (boxes[:, 2:] > (width + 1, height + 1)).any(axis=1)
    assert not outside.any(), [names[index] for index in np.flatnonzero(outside)]
    overlap = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:]) - np.maximum(
        boxes[:, None, :2], boxes[None, :, :2]
    )
    # A box includes the room of ascenders and descenders that the text may not have.
    pairs = np.argwhere(np.triu((overlap > (1, 3)).all(axis=2), k=1))
    assert not len(pairs), [(names[first], names[second]) for first, second in pairs]


def ticks_outside_axes(figure: Figure) -> set[int]:
    """Ids of the tick labels beyond the limits of an axis, which are not drawn."""
    labels = set()
    for axes in figure.axes:
        for coordinate, axis in enumerate((axes.xaxis, axes.yaxis)):
            low, high = sorted(axis.get_view_interval())
            ticks = axis.get_ticklabels(which="both")
            labels |= {id(t) for t in ticks if not low <= t.get_position()[coordinate] <= high}
    return labels


@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize("runs", [1, 2, 12, 40])
def test_texts_do_not_overlap(runs: int, width: float) -> None:
    names = [f"vit_{i // 10} lr=1e-{i % 10} dropout=0.{i} augmentation=light" for i in range(runs)]
    report = make_report(names, 200, seed=0, epochs=3)
    assert_legible(forest_figure(report.accuracy[1], width))
    assert_legible(validation_curves(report.curves, width))


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_long_names_and_differences_do_not_overlap(report: Report, width: float) -> None:
    assert_legible(forest_figure(UNUSUAL, width))
    for plot in (report.effects[0], DIFFERENCE):
        assert_legible(forest_figure(plot, width, difference=True))
    assert_legible(validation_curves([Curve(LONG_NAME + i, [[0.5, 0.6]]) for i in "abc"], width))


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_every_width_shows_all_names_and_numbers(report: Report, width: float) -> None:
    figure = forest_figure(report.accuracy[0], width)
    assert_legible(figure)
    texts = " | ".join(displayed_texts(figure))
    assert all(row.name in texts for row in report.accuracy[0].rows)
    assert "94.1 % (90.9–97.2)" in texts and "target, human (assumed) 95.0 %" in texts
    texts = " | ".join(displayed_texts(validation_curves(report.curves[:8], width)))
    assert all(curve.name in texts for curve in report.curves[:8])


def test_distant_reference_does_not_stretch_the_axis(report: Report) -> None:
    low, high = axis_limits(report.accuracy[0])
    assert 0.7 < low < 0.76 and 0.97 < high < 1
    assert "← chance 33.3 %" in displayed_texts(forest_figure(report.accuracy[0]))


def test_axis_of_shares_ends_at_0_and_1() -> None:
    rows = [ForestRow("a", 1.0, 0.97, 1.0), ForestRow("b", 0.0, 0.0, 0.03)]
    assert axis_limits(ForestPlot("x", rows)) == pytest.approx((-0.004, 1.004))


def test_differences_have_signs_and_an_axis_that_includes_zero() -> None:
    figure = forest_figure(DIFFERENCE, difference=True)
    low, high = figure.axes[0].get_xlim()
    assert low < 0 < high
    ticks = [text.get_text() for text in figure.axes[0].get_xticklabels()]
    assert len(ticks) == len(set(ticks)) and "0.0" in ticks and "+2.0" in ticks
    assert "+1.2 (−0.1 to +2.5)" in displayed_texts(figure)


def test_figure_shows_the_first_60_rows_and_says_so() -> None:
    plot = ForestPlot("x", [ForestRow(f"run {i}", 0.5, 0.4, 0.6) for i in range(61)])
    texts = displayed_texts(forest_figure(plot))
    assert "run 59" in texts and "run 60" not in texts and "The first 60 of 61 rows." in texts
    assert len(forest_table(plot).rows) == 61


def test_shared_note_is_shown_once() -> None:
    texts = displayed_texts(forest_figure(UNUSUAL))
    assert [text for text in texts if "chosen on" in text] == ["¹ chosen on these images"]
    assert "failed²" in texts and "帽子 $x$ <b>¹" in texts


def test_sentence_and_table_have_the_numbers_of_the_figure(report: Report) -> None:
    sentence = forest_sentence(report.accuracy[0])
    assert sentence.startswith("12 rows with intervals. The first and the last: mobilenet lr=0.001")
    assert "basic_cnn lr=0.0001: 80.4 % (75.1–85.7). Lines: target 95.0 %; human" in sentence
    assert sentence.endswith("Bands: human 95 % of 200 (assumed), 91.0 % to 97.3 %.")
    assert forest_table(DIFFERENCE, difference=True).rows == [
        ("0.1 − 0.01", "+1.2", "−0.1", "+2.5")
    ]
    assert forest_table(UNUSUAL).rows[2] == ("failed", "–", "–", "–", "no memory")
    assert forest_sentence(ForestPlot("x", [])) == "0 rows with intervals."


def test_more_than_eight_curves_get_separate_panels(report: Report) -> None:
    def panels(curves: Sequence[Curve], width: float) -> int:
        return len(validation_curves(curves, width).axes)

    assert panels(report.curves[:8], WIDE) == 1
    assert panels(report.curves[:2], NARROW) == 2
    assert panels([Curve(f"run {i}", [[0.1, 0.2]]) for i in range(25)], WIDE) == 24


def test_curve_is_the_mean_until_the_first_training_stops() -> None:
    curve = Curve("a", [[0.2, 0.4, 0.9], [0.4, 0.6]], winner=True)
    (row,) = curves_table([curve]).rows
    assert row == ("a (best run)", "2", "3", "30.0 %", "50.0 %", "2", "50.0 %")
    (line,) = validation_curves([curve], WIDE).axes[0].lines
    assert np.asarray(line.get_ydata()) == pytest.approx([0.3, 0.5])
    assert curves_sentence([curve]) == "1 run. At its last epoch a is highest with 50.0 %."


def test_curve_without_finite_values_is_drawn_empty() -> None:
    empty = Curve("lost", [[float("nan")]])
    assert curves_table([empty]).rows[0] == ("lost", "1", "1", "–", "–", "–", "–")
    assert curves_sentence([empty]) == "1 run without a finite accuracy."
    for width in (WIDE, NARROW):
        assert_legible(validation_curves([empty, Curve("a", [[0.5]])], width))


def test_cell_text_has_verdict_difference_interval_and_p() -> None:
    cell = VerdictCell("better", 0.042, 0.011, 0.073, 0.0004, "one seed each")
    assert cell_text(cell, "a", "b") == (
        "a against b: better, +4.2 points (+1.1 to +7.3, all jointly), p < 0.001 (adjusted), "
        "one seed each"
    )
    unknown = VerdictCell("not comparable", None, None, None, None)
    assert cell_text(unknown, "a", "b") == "a against b: not comparable"
    assert "better, +0.042 (+0.011 to +0.073, all jointly), p" in cell_text(
        cell, "a", "b", is_share=False
    )
    assert p_text(0.0321) == "p = 0.032"


def test_small_matrix_shows_numbers_and_labels(report: Report) -> None:
    assert report.verdicts is not None
    texts = displayed_texts(verdict_figure(report.verdicts))
    assert all(any(name in text for text in texts) for name in report.verdicts.names)
    assert texts.count("better") == texts.count("worse") > 10 and "+13.7" in texts


def test_large_matrix_shows_symbols_of_the_first_30_runs() -> None:
    names = [f"run {i}" for i in range(31)]
    cells = {
        (row, column): VerdictCell("better" if row < column else "worse", 0.1, 0.0, 0.2, 0.01)
        for row in range(31)
        for column in range(29, 31)
        if row != column
    }
    texts = displayed_texts(verdict_figure(VerdictMatrix(names, cells, "")))
    assert texts.count("+") == 29 and "better" not in texts
    assert any("30 of 31 runs" in text for text in texts) and "run 30  31" not in texts


def test_matrix_may_lack_pairs() -> None:
    cells = {(0, 1): VerdictCell("undecided", 0.0, -0.1, 0.1, 1.0)}
    figure = verdict_figure(VerdictMatrix(["a", "b", "c"], cells, ""))
    assert displayed_texts(figure).count("undecided") == 1


def test_svg_is_deterministic_and_keeps_texts() -> None:
    first, second = (
        inline_svg(forest_figure(UNUSUAL), "x", 'a "label"', "<description>") for _ in range(2)
    )
    assert first == second
    assert "帽子 $x$ &lt;b&gt;" in first and "<desc>&lt;description&gt;</desc>" in first
    assert 'aria-label="a &quot;label&quot;"' in first
    for part in ("xmlns", "http", "<style", "font-family", "metadata"):
        assert part not in first


def test_control_characters_are_removed() -> None:
    plot = ForestPlot("x", [ForestRow("a\x0bb\x1b[0m\nc", 0.5, 0.4, 0.6)])
    assert "a b [0m c" in inline_svg(forest_figure(plot), "x", "x", "x")


def test_every_color_has_a_css_variable() -> None:
    colors = {style.BLUE, style.VERMILION, style.GREEN, style.INK, style.MUTED, style.RULE}
    assert colors | {style.EMPTY, style.PAPER} <= set(CSS_COLORS)
    assert len(set(CSS_COLORS.values())) == len(CSS_COLORS)
