from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from fashion_exp.reporting.formats import (
    clock,
    data_size,
    difference_range,
    difference_text,
    duration,
    number,
    one_line,
    p_cell,
    p_text,
    percent,
    percent_range,
    shorten_to_cells,
)

NAN = float("nan")


def test_shares_are_percent_with_one_decimal() -> None:
    assert percent(0.8417) == "84.2 %"
    assert percent_range(0.81, 0.869) == "81.0\N{EN DASH}86.9"


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 kB"), (300, "1 kB"), (31_400, "31 kB"), (999_600, "1.0 MB"), (2.1e9, "2.1 GB")],
)
def test_no_file_has_a_size_of_zero(size: float, text: str) -> None:
    assert data_size(size) == text


def test_missing_values_are_dashes() -> None:
    assert percent(None) == percent(NAN) == number(None) == "\N{EN DASH}"


def test_number_shows_nan_and_infinity() -> None:
    assert number(NAN) == "nan" and number(float("inf")) == "inf"


def test_huge_number_is_short() -> None:
    assert number(0.41234) == "0.412"
    assert number(1234567.0) == "1.23e+06"


@pytest.mark.parametrize(
    ("difference", "text"),
    [
        (0.0123, "+1.2"), (-0.0123, "−1.2"), (0.0004, "0.0"), (-0.0004, "0.0"),
        (None, "\N{EN DASH}"), (NAN, "\N{EN DASH}"),
    ],
)  # fmt: skip
def test_difference_has_a_sign_unless_it_rounds_to_zero(
    difference: float | None, text: str
) -> None:
    assert difference_text(difference) == text


def test_difference_range_is_in_points_or_plain_numbers() -> None:
    assert difference_range(-0.004, 0.028) == "−0.4 to +2.8"
    assert difference_range(-0.004, 0.028, is_share=False) == "−0.004 to +0.028"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.6, "1 min 00 s"),
        (75, "1 min 15 s"),
        (3599.7, "1 h 00 min"),
        (7500, "2 h 05 min"),
    ],
)
def test_duration_has_at_most_two_units_and_never_sixty_of_one(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_clock_has_minutes_and_hours_when_needed() -> None:
    assert [clock(seconds) for seconds in (0, 42, 61, 3723)] == ["0:00", "0:42", "1:01", "1:02:03"]


@given(st.text(max_size=40), st.integers(1, 30))
def test_shortened_text_fits_and_short_text_is_unchanged(text: str, cells: int) -> None:
    short = shorten_to_cells(text, cells)
    assert cell_len(short) <= cells
    assert (short == one_line(text)) == (cell_len(one_line(text)) <= cells)


def test_one_line_has_no_control_character_and_can_be_saved() -> None:
    assert one_line("a\nb\x1b[31m\u2028c\udcff\uffff") == "a b [31m c\ufffd\ufffd"
    assert one_line("帽子 \N{PARTY POPPER} $x_1$") == "帽子 \N{PARTY POPPER} $x_1$"


def test_shortening_preserves_both_ends() -> None:
    assert shorten_to_cells("women's dress, long", 9) == "wome\N{HORIZONTAL ELLIPSIS}long"


def test_wide_character_counts_twice() -> None:
    assert shorten_to_cells("帽子帽子", 7) == "帽子\N{HORIZONTAL ELLIPSIS}子"


def test_p_values_below_a_thousandth_are_not_zero() -> None:
    assert [p_cell(0.0321), p_cell(0.0004)] == ["0.032", "< 0.001"]
    assert [p_text(0.0321), p_text(0.0004)] == ["p = 0.032", "p < 0.001"]
