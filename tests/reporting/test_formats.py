from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from fashion_exp.reporting.formats import (
    clock,
    duration,
    number,
    percent,
    shorten_to_cells,
    span,
)


def test_shares_are_written_in_percent_with_one_decimal() -> None:
    assert percent(0.8417) == "84.2 %"
    assert span(0.81, 0.869) == "81.0\N{EN DASH}86.9"


def test_what_is_not_there_is_a_dash() -> None:
    assert percent(None) == percent(float("nan")) == number(None) == "\N{EN DASH}"


def test_a_loss_that_is_no_number_is_told_as_such() -> None:
    assert number(float("nan")) == "nan"
    assert number(float("inf")) == "inf"


def test_a_huge_loss_stays_short() -> None:
    assert number(0.41234) == "0.412"
    assert number(1234567.0) == "1.23e+06"


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
def test_a_duration_has_at_most_two_units_and_never_sixty_of_one(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_time_left_is_written_as_on_a_clock() -> None:
    assert [clock(seconds) for seconds in (0, 42, 61, 3723)] == ["0:00", "0:42", "1:01", "1:02:03"]


@given(st.text(max_size=40), st.integers(1, 30))
def test_a_shortened_text_fits_and_a_short_one_is_unchanged(text: str, cells: int) -> None:
    short = shorten_to_cells(text, cells)
    assert cell_len(short) <= cells
    assert (short == text) == (cell_len(text) <= cells)


def test_both_ends_of_a_long_name_stay() -> None:
    assert shorten_to_cells("women's dress, long", 9) == "wome\N{HORIZONTAL ELLIPSIS}long"


def test_a_wide_character_counts_twice() -> None:
    assert shorten_to_cells("帽子帽子", 7) == "帽子\N{HORIZONTAL ELLIPSIS}子"
