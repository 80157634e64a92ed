from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import pytest

from fashion_exp.reporting import style, text_layout
from fashion_exp.reporting.comparison_curves import curves_sentence, curves_table, validation_curves
from fashion_exp.reporting.forest import NARROW, WIDE, forest
from fashion_exp.reporting.forest_numbers import forest_sentence, forest_table
from fashion_exp.reporting.percentage_points import difference_span, difference_text
from fashion_exp.reporting.report_content import Cell, Curve, Forest, ForestRow, VerdictMatrix
from fashion_exp.reporting.svg import THEME, inline_svg
from fashion_exp.reporting.verdict_matrix import cell_text, p_text, verdict_figure
from tests.reporting.example_report import made_up, study

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LONG = "a model with a name that says everything about it " * 3
ODD = Forest(
    "Accuracy",
    [
        ForestRow(LONG, 0.96, 0.93, 0.98, "chosen on these images", winner=True),
        ForestRow("帽子 $x$ <b>", 0.95, 0.91, 0.97, "chosen on these images", muted=True),
        ForestRow("failed", None, None, None, "no memory"),
        ForestRow("not finite", float("nan"), None, None),
    ],
    lines={"target": 0.95, "human (assumed)": 0.95, "almost": 0.951, "chance": 1 / 3},
    bands={"human 95 % of 200": (0.91, 0.97)},
)
ONE = Forest("lr", [ForestRow("0.1 − 0.01", 0.012, -0.001, 0.025)], lines={"no difference": 0.0})


def _texts(figure: Figure) -> list[str]:
    from matplotlib.text import Text

    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def _assert_legible(figure: Figure) -> None:
    """No two texts overlap, and none leaves the figure."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    undrawn = _undrawn(figure)
    texts = [t for t in figure.findobj(Text) if t.get_text().strip() and id(t) not in undrawn]
    texts = [text for text in texts if text.get_visible()]
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts]
    width, height = figure.bbox.size
    for text, box in boxes:
        assert box.x0 >= -1 and box.x1 <= width + 1, (text, box)
        assert box.y0 >= -1 and box.y1 <= height + 1, (text, box)
    for (one, first), (other, second) in combinations(boxes, 2):
        across = min(first.x1, second.x1) - max(first.x0, second.x0)
        along = min(first.y1, second.y1) - max(first.y0, second.y0)
        # Boxes have the room of letters that a text may not have.
        assert across <= 1 or along <= 3, (one, other)


def _undrawn(figure: Figure) -> set[int]:
    """The tick labels beyond the ends of an axis."""
    labels = set()
    for axes in figure.axes:
        for place, axis in enumerate((axes.xaxis, axes.yaxis)):
            low, high = sorted(axis.get_view_interval())
            ticks = axis.get_ticklabels(which="both")
            labels |= {id(t) for t in ticks if not low <= t.get_position()[place] <= high}
    return labels


@pytest.mark.filterwarnings("ignore:Glyph")
@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_no_label_is_cut_off_or_overlaps_another(width: float) -> None:
    report = study()
    for told in (*report.accuracy, ODD):
        _assert_legible(forest(told, width))
    for told in (*report.effects, ONE):
        _assert_legible(forest(told, width, difference=True))
    long = [Curve(LONG + name, [[0.5, 0.6]]) for name in "abc"]
    for curves in (report.curves, report.curves[:8], report.curves[:1], long):
        _assert_legible(validation_curves(curves, width))


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_every_width_tells_the_same_numbers(width: float) -> None:
    told = study().accuracy[0]
    texts = _texts(forest(told, width))
    assert all(row.name in texts for row in told.rows)
    assert "94.1 % (90.9–97.2)" in texts and "target, human (assumed) 95.0 %" in texts


def test_a_line_far_off_does_not_press_the_intervals_together() -> None:
    figure = forest(study().accuracy[0])
    low, high = figure.axes[0].get_xlim()
    assert 0.7 < low < 0.76 and 0.97 < high < 1
    assert "← chance 33.3 %" in _texts(figure)


def test_shares_end_at_all_of_them() -> None:
    rows = [ForestRow("a", 1.0, 0.97, 1.0), ForestRow("b", 0.0, 0.0, 0.03)]
    low, high = forest(Forest("x", rows)).axes[0].get_xlim()
    assert low == pytest.approx(-0.004) and high == pytest.approx(1.004)


def test_differences_are_drawn_around_nothing_in_signed_points() -> None:
    figure = forest(ONE, difference=True)
    low, high = figure.axes[0].get_xlim()
    assert low < 0 < high
    ticks = [text.get_text() for text in figure.axes[0].get_xticklabels()]
    assert len(ticks) == len(set(ticks)) and "0.0" in ticks and "+2.0" in ticks
    assert "+1.2 (−0.1 to +2.5)" in _texts(figure)


def test_only_the_first_sixty_rows_are_drawn_and_the_figure_says_so() -> None:
    told = Forest("x", [ForestRow(f"run {place}", 0.5, 0.4, 0.6) for place in range(61)])
    texts = _texts(forest(told))
    assert "run 59" in texts and "run 60" not in texts and "The first 60 of 61 rows." in texts
    assert len(forest_table(told).rows) == 61


def test_a_note_is_told_once_however_many_rows_it_is_about() -> None:
    texts = _texts(forest(ODD))
    assert [text for text in texts if "chosen on" in text] == ["¹ chosen on these images"]
    assert "failed²" in texts and "帽子 $x$ <b>¹" in texts


def test_words_and_table_tell_what_the_figure_shows() -> None:
    sentence = forest_sentence(study().accuracy[0])
    assert sentence.startswith("12 rows with intervals. The first and the last: mobilenet lr=0.001")
    assert "Lines: target 95.0 %; human (assumed) 95.0 %; chance 33.3 %." in sentence
    assert forest_table(ONE, difference=True).rows == [("0.1 − 0.01", "+1.2", "−0.1", "+2.5")]
    assert forest_table(ODD).rows[2] == ("failed", "–", "–", "–", "no memory")
    assert forest_sentence(Forest("x", [])) == "0 rows with intervals."


def test_one_panel_holds_eight_curves_and_more_have_one_each() -> None:
    curves = study().curves
    assert len(validation_curves(curves[:8], WIDE).axes) == 1
    assert len(validation_curves(curves[:9], WIDE).axes) == 9
    assert len(validation_curves(curves[:2], NARROW).axes) == 2
    many = [Curve(f"run {place}", [[0.1, 0.2]]) for place in range(30)]
    assert len(validation_curves(many, WIDE).axes) == 24


def test_a_curve_is_the_mean_of_its_trainings_as_far_as_all_went() -> None:
    curve = Curve("a", [[0.2, 0.4, 0.9], [0.4, 0.6]], winner=True)
    (row,) = curves_table([curve]).rows
    assert row == ("a (the winner)", "2", "3", "30.0 %", "50.0 %", "2", "50.0 %")
    (line, *_) = validation_curves([curve], WIDE).axes[0].lines
    assert list(line.get_ydata()) == pytest.approx([0.3, 0.5])
    assert curves_sentence([curve]) == "1 run. At its last epoch a is highest with 50.0 %."


def test_a_curve_without_numbers_breaks_nothing() -> None:
    lost = Curve("lost", [[float("nan")]])
    assert curves_table([lost]).rows[0] == ("lost", "1", "1", "–", "–", "–", "–")
    assert curves_sentence([lost]) == "1 run without a finite accuracy."
    for width in (WIDE, NARROW):
        inline_svg(validation_curves([lost, Curve("a", [[0.5]])], width), "x", "x", "x")


def test_a_verdict_says_all_in_words_and_signs() -> None:
    cell = Cell("better", 0.042, 0.011, 0.073, 0.0004, "one seed each")
    assert cell_text(cell, "a", "b") == (
        "a against b: better, +4.2 points (+1.1 to +7.3), p < 0.001 by Holm, one seed each"
    )
    assert cell_text(Cell("not comparable", None, None, None, None), "a", "b") == (
        "a against b: not comparable"
    )
    loss = cell_text(cell, "a", "b", share=False)
    assert "better, +0.042 (+0.011 to +0.073), p" in loss
    assert p_text(0.0321) == "p = 0.032"


def test_the_matrix_names_its_runs_and_has_words_while_there_is_room() -> None:
    matrix = study().verdicts
    assert matrix is not None
    texts = _texts(verdict_figure(matrix))
    assert all(any(name in text for text in texts) for name in matrix.names)
    assert texts.count("better") == texts.count("worse") > 10 and "+13.7" in texts
    many = made_up([f"run {place}" for place in range(31)], 300, seed=0, epochs=1).verdicts
    assert many is not None
    texts = _texts(verdict_figure(many))
    assert texts.count("+") == texts.count("−") > 0 and "better" not in texts
    assert any("30 of 31 runs" in text for text in texts) and "run 30  31" not in texts


def test_a_matrix_may_lack_what_was_not_asked() -> None:
    cells = {(0, 1): Cell("undecided", 0.0, -0.1, 0.1, 1.0)}
    assert "undecided" in _texts(verdict_figure(VerdictMatrix(["a", "b", "c"], cells, "")))


def test_svg_is_the_same_each_time_and_its_texts_are_texts() -> None:
    first, second = (inline_svg(forest(ODD), "x", 'a "label"', "<told>") for _ in range(2))
    assert first == second
    assert "帽子 $x$ &lt;b&gt;" in first and "<desc>&lt;told&gt;</desc>" in first
    assert 'aria-label="a &quot;label&quot;"' in first
    assert not [
        part for part in ("xmlns", "http", "<style", "font-family", "metadata") if part in first
    ]
    assert first.count('id="x-') == first.count('id="')


def test_a_control_character_in_a_name_breaks_nothing() -> None:
    told = Forest("x", [ForestRow("a\x0bb\x1b[0m\nc", 0.5, 0.4, 0.6)])
    assert "a b" in inline_svg(forest(told), "x", "x", "x")


def test_every_colour_of_the_style_has_its_name_in_the_page() -> None:
    named = {style.BLUE, style.VERMILION, style.GREEN, style.INK, style.MUTED, style.RULE}
    assert named | {style.EMPTY, style.PAPER} <= set(THEME)
    assert len(set(THEME.values())) == len(THEME)


def test_points_always_have_their_sign() -> None:
    assert [difference_text(v) for v in (0.0123, -0.0123, 0.0004, -0.0004, None, float("nan"))] == [
        "+1.2", "−1.2", "0.0", "0.0", "–", "–",
    ]  # fmt: skip
    assert difference_span(-0.004, 0.028) == "−0.4 to +2.8"
    assert difference_span(-0.004, 0.028, share=False) == "−0.004 to +0.028"


def test_lines_fit_where_they_are_put() -> None:
    lines = text_layout.wrap("one two " + "three" * 30 + " four", style.SMALL, 1.0)
    assert len(lines) == 3 and all(text_layout.inches(line, style.SMALL) <= 1.0 for line in lines)
    assert text_layout.wrap("", style.SMALL, 1.0) == []
    assert text_layout.fit("a\nb", style.SMALL, 1.0) == "a b"


@pytest.mark.parametrize(("width", "fitting"), [(WIDE, 2), (NARROW, 3)])
def test_a_long_name_is_broken_before_it_is_cut(width: float, fitting: int) -> None:
    name = "mobilenetv1_100 dropout=0.5 lr=0.0003 train_ratio=0.8 augmentation=strong"
    texts = _texts(forest(Forest("x", [ForestRow(name, 0.8, 0.7, 0.9)]), width))
    lines = [text for text in texts if text in name and len(text) > 8]
    assert " ".join(lines) == name and 1 < len(lines) <= fitting
