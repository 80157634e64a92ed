"""Slices of frames: columns of the predictions and of another table, one tool and several."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fashion_exp.api.comparison import compare
from fashion_exp.api.judging import judge
from fashion_exp.api.slices import comparison_slices, slices
from fashion_exp.commands import compare as compare_command
from fashion_exp.commands import judge as judge_command
from fashion_exp.commands import report as report_command
from fashion_exp.commands import slices as slices_command
from fashion_exp.comparison.slice_tables import pairs_of_slices_table
from fashion_exp.errors import InputError
from fashion_exp.stats.multiplicity import holm
from fashion_exp.stats.paired import mcnemar, paired_counts
from tests.comparison.synthetic_runs import make_run, random_correctness
from tests.judging.tables import table

DARK = np.arange(200) < 100
GOOD = (np.arange(200) % 20 > 0).astype(int)  # 95 %
WEAK = np.where(DARK, np.arange(200) % 2, GOOD)  # half of the dark ones are wrong


def frame(correct: np.ndarray) -> pd.DataFrame:
    light = np.where(DARK, "dark", "bright")
    return table(correct).assign(light=light, size=np.arange(200.0))


def test_slice_on_which_a_tool_fails_is_named() -> None:
    analysis = slices({"weak": frame(WEAK)})
    verdicts = analysis.table.set_index(["column", "value"])["verdict"]
    assert verdicts["light", "dark"] == "worse" and verdicts["light", "bright"] == "better"
    assert set(analysis.table["column"]) == {"class", "light", "size"}
    assert analysis.table.query("column == 'size'")["items"].to_list() == [49, 50, 50, 51]
    assert "worse than on the rest: " in analysis.sentences[0]
    assert "light dark" in analysis.sentences[0].partition("better")[0]


def test_pairs_are_mcnemar_with_holm_over_all_slices() -> None:
    analysis = slices({"good": frame(GOOD), "weak": frame(WEAK)}, by=["light"])
    rows = analysis.pair_table.set_index("value")
    tests = {value: mcnemar(*paired_counts(GOOD[mask], WEAK[mask]))
             for value, mask in (("bright", ~DARK), ("dark", DARK))}  # fmt: skip
    adjusted = holm([test.p for test in tests.values()])
    assert rows["p_holm"].to_list() == adjusted
    assert rows["verdict"].to_dict() == {"bright": "undecided", "dark": "better"}
    bright, dark = rows["low"].to_numpy(np.float64)
    assert bright <= 0 < dark
    assert analysis.sentences[-1] == "light dark: good is better than weak."


def test_pairs_of_a_later_look_have_its_smaller_alpha() -> None:
    first = slices({"good": frame(GOOD), "weak": frame(np.where(DARK, GOOD, 1))}, by=["light"])
    p = first.pair_table["p_holm"].min()
    settings = first.compared.settings
    for looks, verdict in ((1, "better"), (2, "undecided")):
        own = replace(settings, alpha=2 * p, looks=looks)  # the second look tests at p / 2
        later = replace(first, compared=replace(first.compared, settings=own))
        row = later.pair_table.set_index("value").loc["bright"]
        assert row["p_holm"] == pytest.approx(p) and row["verdict"] == verdict
        assert (row["low"] > 0) == (verdict == "better")
        printed = pairs_of_slices_table(later)
        assert printed is not None and verdict in {row[-1] for row in printed.rows}


def test_several_trainings_are_judged_by_their_mean_over_the_items() -> None:
    tables = {
        name: pd.concat([frame(correct).assign(repeat=r) for r in range(4)])
        for name, correct in (("good", GOOD), ("weak", WEAK))
    }
    analysis = slices(tables, by=["light"])
    single = slices({"good": frame(GOOD), "weak": frame(WEAK)}, by=["light"])
    pd.testing.assert_frame_equal(
        analysis.table.drop(columns="verdict"), single.table.drop(columns="verdict")
    )
    assert analysis.pair_table["verdict"].to_list() == ["undecided", "better"]


def test_columns_of_another_table_are_joined_by_any_key(tmp_path: Path) -> None:
    tool = frame(WEAK).drop(columns=["light", "size"])
    tool["path"] = [f"photos/{name}.jpg" for name in tool["id"]]
    more = pd.DataFrame({"path": tool["path"], "source": np.where(DARK, "a", "b")})[::-1]
    more.to_csv(tmp_path / "more.csv", index=False)
    analysis = slices({"tool": tool}, table=tmp_path / "more.csv", by=["source"])
    assert analysis.table["verdict"].to_list() == ["worse", "better"]
    with pytest.raises(InputError, match="no row is of an item"):
        slices({"tool": tool}, table=more.assign(path="other/x.jpg"))


def test_items_without_a_value_are_a_slice() -> None:
    tool = frame(GOOD)
    tool.loc[::2, "light"] = None
    analysis = slices({"tool": tool}, by=["light"])
    assert analysis.table["value"].to_list() == ["bright", "dark", "no value"]
    assert analysis.table["items"].sum() == 200


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"by": ["lihgt"]}, "did you mean light"),
        ({"bins": 1}, "at least 2"),
        ({"metric": "loss"}, "has no effect on slices"),
    ],
)
def test_mistakes_are_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        slices({"tool": frame(GOOD)}, **options)  # type: ignore[arg-type]


@pytest.mark.slow
def test_compare_judge_and_report_show_the_same_slices(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed, name in enumerate("ab"):
        scores = random_correctness(seed, 1, 80, 0.8)
        make_run(tmp_path / "runs" / name, name, scores, scores)
    ids = pd.read_parquet(tmp_path / "runs" / "a" / "test_predictions.parquet")["image_id"]
    more = tmp_path / "more.csv"
    pd.DataFrame({"id": ids, "source": ["x", "y"] * 40}).to_csv(more, index=False)
    outputs = ["--outputs", str(tmp_path)]
    names = ["a", "b", *outputs]
    chosen = ["--by", "class,source", "--table", str(more), "--json"]
    slices_command.run([*names, *chosen])
    own = json.loads(capsys.readouterr().out)
    compare_command.run([*names, "--slices", *chosen])
    compared = json.loads(capsys.readouterr().out)["slices"]
    judge_command.run([*names, "--slices", *chosen])
    judged = json.loads(capsys.readouterr().out)["slices"]
    assert own == judged
    key = ("column", "value", "run")
    assert sorted(own["slices"], key=lambda row: [row[k] for k in key]) == sorted(
        compared["slices"], key=lambda row: [row[k] for k in key]
    )
    assert [row["value"] for row in own["slices"]][-2:] == ["y", "y"]
    report_command.run([*names, "--slices", "--by", "class", "--into", str(tmp_path / "page")])
    assert "Shirt" in (tmp_path / "page" / "report.html").read_text().partition("Slices</h2>")[2]
    with pytest.raises(InputError, match="no effect without --slices"):
        compare_command.run([*names, "--by", "class"])


def test_slices_of_a_comparison_need_no_photos_for_classes(tmp_path: Path) -> None:
    scores = random_correctness(0, 2, 60, 0.8)
    make_run(tmp_path / "runs" / "a", "a", scores, scores, redrawn=False)
    analysis = comparison_slices(compare("a", outputs=tmp_path), by=["class"])
    by_class = judge({"a": tmp_path / "runs" / "a"}, outputs=tmp_path)
    assert analysis.table["items"].sum() == len(by_class.runs[0].items) == 60
