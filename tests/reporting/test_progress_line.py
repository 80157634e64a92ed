from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from fashion_exp.reporting.progress_line import Bar, Part, fitted

LINE: list[Part | Bar] = [
    Part("fold 2/5", 4),
    Bar(0.5, 1),
    Part("accuracy 80 %", 3, "acc 80 %"),
    Part("1:00", 2),
]


def test_a_wide_line_has_everything() -> None:
    text = fitted(LINE, 120, ascii_only=True).plain
    assert text == f"fold 2/5  {'#' * 15}{'-' * 15}  accuracy 80 %  1:00"


def test_parts_are_shortened_before_one_is_left_out() -> None:
    assert fitted(LINE, 31, ascii_only=True).plain == "fold 2/5  ##---  acc 80 %  1:00"


def test_the_lowest_rank_is_left_out_first() -> None:
    assert fitted(LINE, 30).plain == "fold 2/5  acc 80 %  1:00"
    assert fitted(LINE, 20).plain == "fold 2/5  acc 80 %"
    assert fitted(LINE, 17).plain == "fold 2/5"


@given(st.integers(1, 90), st.text(max_size=100), st.floats(-1, 2))
def test_a_line_never_exceeds_its_terminal(width: int, name: str, share: float) -> None:
    line = fitted([Part(name, 9), *LINE[:1], Bar(share, 1)], width)
    assert cell_len(line.plain) <= width


def test_done_and_undone_differ_without_colour() -> None:
    assert len(set(fitted([Bar(0.5, 1)], 20).plain)) == 2
