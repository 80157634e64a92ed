from __future__ import annotations

import io
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from fashion_exp.reporting.tables import (
    PartResult,
    PlainTable,
    ReportedInterval,
    ReportedScore,
    ResultsSummary,
    csv_table,
    extract_shared,
    first_rows,
    leaderboard,
    markdown_table,
    results_table,
)

DASH = "\N{EN DASH}"


def make_part(part: str, accuracy: float, t: ReportedInterval) -> PartResult:
    wilson = ReportedInterval("Wilson", 0.81, 0.869)
    f1 = {"[red]hat": 0.75, "shoe|boot": 0.5}
    return PartResult(
        part,
        accuracy,
        wilson,
        t,
        1720,
        5,
        ReportedScore(0.41234, ReportedInterval("Hall", omitted="3 errors, needs 10")),
        ReportedScore(0.625, ReportedInterval("t over the photos", 0.6, 0.65)),
        (120, 1720),
        (700, 8600),
        f1,
    )


SUMMARY = ResultsSummary(
    parts=[
        make_part("validation", 0.8417, ReportedInterval("Nadeau and Bengio", 0.79, 0.893)),
        make_part("test", 0.9, ReportedInterval("crossed", omitted="J = 2, shown from 4 on")),
    ],
    level=0.95,
    seconds=75,
    test_evaluations=3,
    notes=["Random weights."],
)


def rows_by_name(table: PlainTable) -> dict[str, list[str]]:
    return {row[0]: list(row[1:]) for row in table.rows}


def print_table(table: PlainTable, width: int) -> str:
    file = io.StringIO()
    Console(file=file, width=width).print(table)
    return file.getvalue()


def test_results_have_intervals_in_percent() -> None:
    rows = rows_by_name(results_table(SUMMARY))
    assert rows["accuracy (95 % Wilson)"] == [
        f"84.2 % (81.0{DASH}86.9)",
        f"90.0 % (81.0{DASH}86.9)",
    ]
    assert rows["accuracy, 95 % t-interval"] == [f"79.0{DASH}89.3 %", DASH]
    assert rows["different photos, n"] == ["1,720"] * 2
    assert rows["trainings, J"] == ["5"] * 2
    assert rows["photos wrong"] == ["120 of 1,720"] * 2
    assert rows["predictions wrong"] == ["700 of 8,600"] * 2
    assert rows["cross-entropy (95 %)"] == ["0.412"] * 2
    assert rows["macro-F1 (95 %)"] == [f"62.5 % (60.0{DASH}65.0)"] * 2
    assert rows["F1 [red]hat"] == ["75.0 %"] * 2
    assert rows["training time"] == ["1 min 15 s", ""]
    assert rows["runs that used these photos"] == ["", "3"]


def test_omitted_interval_is_noted_with_its_reason() -> None:
    notes = results_table(SUMMARY).notes
    assert "No t-interval (test): J = 2, shown from 4 on." in notes
    assert "t-interval (validation): Nadeau and Bengio." in notes
    assert "Interval of the macro-F1 (test): t over the photos." in notes
    no_loss = "The cross-entropy (test) has no interval: 3 errors, needs 10."
    assert no_loss in notes
    assert "Random weights." in notes


def test_held_out_test_set_is_not_mentioned() -> None:
    held_out = ResultsSummary(SUMMARY.parts[:1], 0.95, 75, 0)
    assert "test" not in markdown_table(results_table(held_out))


def test_class_name_is_never_markup() -> None:
    assert "F1 [red]hat" in print_table(results_table(SUMMARY), 80)
    assert r"F1 \[red\]hat" in markdown_table(results_table(SUMMARY))


def test_table_of_many_classes_shows_the_lowest_f1_and_where_all_are() -> None:
    f1 = {f"c{i}": (i % 50) / 100 for i in range(500)} | {"absent": math.nan}
    parts = [replace(part, f1=f1) for part in SUMMARY.parts]
    table = results_table(replace(SUMMARY, parts=parts))
    shown = [row for row in table.rows if row[0].startswith("F1 ")]
    assert len(shown) == 20
    assert {row[1] for row in shown} == {"0.0 %", "1.0 %"}
    assert (
        "F1: the 20 lowest of 501 classes (validation); figures/classes_validation.csv has all."
        in (table.notes)
    )


def test_line_break_in_a_name_breaks_no_row() -> None:
    lines = print_table(PlainTable(["a"], [["hat\nshoe\x1b[31m"]], "t\nu"), 80).splitlines()
    assert len(lines) == 4 and lines[-1].strip() == "hat shoe [31m"


@pytest.mark.parametrize("width", [80, 120])
def test_results_take_one_line_per_row(width: int) -> None:
    table = PlainTable(results_table(SUMMARY).header, results_table(SUMMARY).rows)
    lines = print_table(table, width).splitlines()
    assert len(lines) == 2 + len(table.rows)
    assert max(map(len, lines)) <= width


@pytest.mark.parametrize("width", [30, 40, 60])
def test_narrow_terminal_loses_no_digit(width: int) -> None:
    table = leaderboard([make_job(0.8417, lr=0.0001, dropout=0.5)], show_test=True)
    printed = print_table(PlainTable(table.header, table.rows), width)
    digits = [character for row in table.rows for cell in row for character in cell]
    assert sorted(c for c in printed if c.isdigit()) == sorted(c for c in digits if c.isdigit())


def make_job(accuracy: float | None, status: str = "FINISHED", **options: Any) -> dict[str, Any]:
    job: dict[str, Any] = {"options": {f"x.{name}": value for name, value in options.items()}}
    job |= {"status": status, "seconds": 75.0, "test_acc": 0.5, "test_lo": 0.4, "test_hi": 0.6}
    if accuracy is not None:
        job |= {"val_acc": accuracy, "val_lo": accuracy - 0.1, "val_hi": accuracy + 0.1}
    return job


def option_column(table: PlainTable) -> list[str]:
    return [row[1] for row in table.rows]


def test_jobs_are_ranked_by_validation_accuracy_with_unfinished_ones_last() -> None:
    jobs = [
        make_job(None, "FAILED", lr=1),
        make_job(0.7, lr=2),
        make_job(0.99, "KILLED", lr=3),
        make_job(0.8, lr=4),
        make_job(0.7, lr=5),
        make_job(float("nan"), lr=6),
    ]
    table = leaderboard(jobs)
    assert option_column(table) == ["4", "2", "5", "1", "3", "6"]
    assert [row[0] for row in table.rows] == ["1", "2", "3", DASH, DASH, DASH]
    assert [row[3] for row in table.rows] == ["done", "done", "done", "failed", "killed", "done"]


def test_only_the_best_job_shows_its_test_accuracy() -> None:
    jobs = [make_job(0.7, lr=1), {**make_job(0.8, lr=2), "test_acc": 0.55}]
    table = leaderboard(jobs)
    assert "test" not in table.header
    text = markdown_table(table)
    assert f"Test accuracy of the first: 55.0 % (40.0{DASH}60.0)" in text
    assert "50.0 %" not in text
    assert "best of 2" in text


def test_pruned_jobs_count_as_candidates() -> None:
    jobs = [make_job(0.7, lr=1), *(make_job(None, "PRUNED", lr=lr) for lr in (2, 3))]
    note = "The first is the best of 3 on these validation images (2 of them pruned early)"
    assert note in markdown_table(leaderboard(jobs)).replace("\\", "")
    assert "best of" not in markdown_table(leaderboard(jobs[1:]))


def test_jobs_that_cannot_win_follow_without_a_rank_and_are_not_counted() -> None:
    outside = [
        make_job(0.9, lr=1) | {"is_candidate": False},
        make_job(None, "PRUNED", lr=2) | {"is_candidate": False},
    ]
    jobs = [*outside, make_job(0.7, lr=3), make_job(0.8, lr=4)]
    table = leaderboard(jobs, candidates_note="Chosen among two.")
    assert [row[0] for row in table.rows] == ["1", "2", DASH, DASH]
    assert option_column(table) == ["4", "3", "1", "2"]
    first, best, *_ = table.notes
    assert first == "Chosen among two." and best.startswith("The first is the best of 2 on these")


def test_show_test_adds_a_column() -> None:
    table = leaderboard([make_job(0.7, lr=1), make_job(0.8, lr=2)], show_test=True)
    assert table.header[-1] == "test"
    assert [row[-1] for row in table.rows] == [f"50.0 % (40.0{DASH}60.0)"] * 2


def test_leaderboard_without_finished_jobs_has_no_notes() -> None:
    table = leaderboard([make_job(None, "FAILED", lr=1)])
    assert not table.notes
    assert table.rows[0][2] == DASH


def test_options_have_short_names_unless_ambiguous() -> None:
    options = {"optim.lr": 2e-4, "dataset.fit": "pad", "model.fit": None, "model.name": "vgg16"}
    table = leaderboard([{"options": options, "status": "FINISHED", "val_acc": 0.5}])
    assert list(table.header[1:5]) == ["lr", "dataset.fit", "model.fit", "model"]
    assert list(table.rows[0][1:5]) == ["0.0002", "pad", DASH, "vgg16"]


def test_narrow_table_wraps_intervals_and_headers_but_not_numbers() -> None:
    options: dict[str, Any] = {"lr": 0.0002, "train_ratio": 0.5, "dropout": 0.25, "depth": 1}
    against = "worse: -17.0 (-25.4 to -8.7)"
    table = leaderboard(
        [make_job(0.8, **options), {**make_job(0.7, **options), "against": against}]
    )
    printed = print_table(table, 80)
    assert "0.0002" in printed and "1 min 15 s" in printed and "train_\n" not in printed
    assert max(map(len, printed.splitlines())) <= 80
    assert "train_ratio" not in printed and "train_ratio" in print_table(table, 200)


def compared_runs(name: str, count: int = 6) -> PlainTable:
    header = ["run", "validation", "test", "lr", "train ratio", "loss", "p", "verdict", "time"]
    rows = [
        [f"{name} lr=0.000{i}", "84.2 % (81.0–86.9)", DASH, f"0.000{i}", "0.8", "12.345",
         "-100.0 to +28.3", "not comparable", "1 min 15 s"]
        for i in range(1, count + 1)
    ]  # fmt: skip
    return PlainTable(header, rows)


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
@pytest.mark.parametrize(
    "name", ["cnn", "basic_cnn dropout=0.25 classes=[dress,longsleeve]", "帽子"]
)
def test_terminal_of_any_width_breaks_no_number_and_shows_everything(name: str, width: int) -> None:
    table = compared_runs(name)
    printed = print_table(table, width)
    assert max(map(cell_len, printed.splitlines())) <= width
    words = " ".join(printed.split())
    for cells in table.rows:
        for cell in cells:
            for part in re.findall(r"[\w.+=\[\],-]*\d+[.\d]*(?: %)?", cell):
                assert part in words, part


def test_optional_columns_are_left_out_before_the_table_becomes_a_list() -> None:
    table = PlainTable(["photo", "class", "other"], [["x" * 50, "y" * 20, "z" * 20]],
                       optional=["other", "class"])  # fmt: skip
    assert "zzz" in print_table(table, 100)
    printed = print_table(table, 80)
    assert (
        "zzz" not in printed and "yyy" in printed and "too wide for this terminal: other" in printed
    )


def test_row_takes_at_most_three_lines_at_80_columns() -> None:
    table = extract_shared(compared_runs("basic_cnn dropout=0.25"))
    assert len(print_table(table, 80).splitlines()) <= 2 + len(table.intro) * 3 + 3 * 6


def test_equal_columns_stand_once_above_the_table() -> None:
    table = replace(compared_runs("cnn"), fixed=["validation"])
    shown = extract_shared(table)
    assert shown.header == ["run", "validation"], "lr repeats the names"
    assert shown.intro == [
        "In all rows: train ratio 0.8; loss 12.345; p -100.0 to +28.3; verdict not comparable; "
        "time 1 min 15 s."
    ]
    text = markdown_table(shown)
    assert text.index("In all rows") < text.index("| run |")
    assert "In all rows" in print_table(shown, 80)
    assert csv_table(table).count("0.8") == 6
    single = extract_shared(replace(table, rows=table.rows[:1]))
    assert single.header == ["run", "validation"] and single.intro[0].startswith("In this row: ")
    assert extract_shared(replace(table, rows=[])).rows == []


def test_names_of_one_word_stay() -> None:
    table = PlainTable(["run", "validation"], [["a", "90 %"], ["b", "80 %"]])
    assert extract_shared(table).header == ["run", "validation"]


def test_markdown_escapes_markup() -> None:
    text = markdown_table(PlainTable(["a|b", "c"], [["x\ny", "*z*"]], "T", ["see <b>"]))
    first_rows, rule, row = text.split("\n\n")[1].splitlines()
    assert first_rows == r"| a\|b | c |"
    assert rule == "| --- | --: |"
    assert row == r"| x y | \*z\* |"
    assert text.endswith("see \\<b\\>\n")


@given(st.lists(st.text(max_size=12), min_size=1, max_size=5))
def test_markdown_row_has_as_many_cells_whatever_they_contain(cells: list[str]) -> None:
    last = markdown_table(PlainTable(["h"] * len(cells), [cells])).rstrip("\n").split("\n")[-1]
    unescaped = last.replace(r"\\", "").replace(r"\|", "")
    assert unescaped.count("|") == len(cells) + 1


def test_underscore_within_a_word_is_not_escaped() -> None:
    assert "| train_ratio \\_x |" in markdown_table(PlainTable(["train_ratio _x"], []))


def test_first_rows_name_the_file_with_all(tmp_path: Path) -> None:
    table = PlainTable(["a"], [[f"{row}"] for row in range(5)], notes=["so"])
    shown = first_rows(table, 3, tmp_path / "all.csv")
    assert len(shown.rows) == 3 and shown.notes == [f"and 2 more: {tmp_path / 'all.csv'}", "so"]
    assert first_rows(table, 5, tmp_path) is table
