"""`compare` and `report` on the command line: what they print and write, and their refusals."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fashion_exp.commands import compare, report
from fashion_exp.errors import InputError
from tests.comparison.made_runs import answers, made_run


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    for place, accuracy in enumerate((0.9, 0.6)):
        scores = answers(place, 5, 300, accuracy)
        folder = tmp_path / "sweeps" / "grid" / str(place)
        knobs = {"optim.lr": 10.0**-place}
        made_run(folder, f"run {place}", scores, scores, opened=False, redrawn=False, knobs=knobs)
    return tmp_path


def test_compare_prints_the_answer_and_every_number_behind_it(
    outputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["grid", "--outputs", str(outputs), "--target", "0.5"]
    assert compare.run(words) == 0
    said = " ".join(capsys.readouterr().out.split())
    for told in (
        "run 0 is better than run 1",
        "p (Holm)",
        "better",
        "is met",
        "sealed",
        "+30.0 points",
    ):
        assert told in said, said


def test_opening_the_tests_is_asked_for_and_counted(
    outputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    compare.run(["grid", "--outputs", str(outputs), "--open-test"])
    compare.run(["grid", "--outputs", str(outputs)])
    said = " ".join(capsys.readouterr().out.split())
    assert said.count("test images)") == 2 and "looked at by 2 runs" in said
    assert len((outputs / "test_looks.jsonl").read_text().splitlines()) == 2


def test_a_report_lies_beside_its_sweep(outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report.run(["grid", "--outputs", str(outputs), "--human", "0.95:200"]) == 0
    page = outputs / "sweeps" / "grid" / "report" / "report.html"
    assert str(page) in capsys.readouterr().out
    text = page.read_text()
    assert "run 0 is better than run 1" in text and "human, 200 images" in text
    assert "scripts/run report grid" in re.sub("<[^>]*>", "", text)


def test_a_baseline_may_stand_outside_of_the_runs(
    outputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scores = answers(5, 5, 300, 0.7)
    made_run(outputs / "runs" / "old", "old", scores, scores, opened=False, redrawn=False)
    compare.run(["grid", "--outputs", str(outputs), "--baseline", "old"])
    said = " ".join(capsys.readouterr().out.split())
    assert "Holm over 2 comparisons (all against the baseline)" in said


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--metric", "acuracy"], "accuracy"),
        (["--target", "95"], "between 0 and 1"),
        (["--alpha", "0"], "between 0 and 1"),
        (["--alpha", "0.7"], "below 0.5"),
        (["--rope", "-1"], "not be negative"),
        (["--rope", "nan"], "not be negative"),
        (["--human", "good"], "0.95:200"),
        (["--human", "2:0"], "between 0 and 1"),
        (["nowhere"], "no run, sweep, folder or filter"),
        (["--baseline", "grid"], "means 2 runs; name one"),
    ],
)
def test_a_mistake_is_told_before_anything_is_opened(
    words: list[str], told: str, outputs: Path
) -> None:
    with pytest.raises(InputError, match=told):
        compare.run(["--outputs", str(outputs), "--open-test", *words])
    assert not (outputs / "test_looks.jsonl").exists()
