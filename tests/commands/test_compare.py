"""The output of `compare` and `report`, and the options they reject."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from fashion_exp.commands import compare, report
from fashion_exp.errors import InputError
from fashion_exp.evaluation.test_usage import JOURNAL
from tests.comparison.synthetic_runs import make_run, random_correctness

pytestmark = pytest.mark.slow


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    """A sweep of two runs with held-out tests."""
    for index, accuracy in enumerate((0.9, 0.6)):
        make_held_out_run(tmp_path / "sweeps" / "grid" / str(index), index, accuracy)
    return tmp_path


def make_held_out_run(folder: Path, index: int, accuracy: float) -> None:
    scores = random_correctness(index, 5, 300, accuracy)
    make_run(
        folder,
        f"run {index}",
        scores,
        scores,
        is_test_evaluated=False,
        redrawn=False,
        options={"optim.lr": 10.0**-index},
    )


def output_of(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().out.split())


def test_compare_prints_tables_and_conclusions(
    outputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare.run(["grid", "--outputs", str(outputs), "--target", "0.5"]) == 0
    output = output_of(capsys)
    for text in (
        "run 0 is better than run 1",
        "p (adjusted)",
        "is met",
        "held out",
        "+30.0 points",
    ):
        assert text in output


@pytest.mark.parametrize("width", [60, 80, 120])
def test_terminal_shows_accuracies_first_and_lists_in_names(
    width: int, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    names = ("lr=1 basic_cnn classes=[dress,hat]", "lr=2 basic_cnn classes=[dress,:hat:]")
    for index, name in enumerate(names):
        scores = random_correctness(index, 5, 300, 0.5)
        make_run(tmp_path / "runs" / str(index), name, scores, scores, redrawn=False)
    compare.run([*(str(tmp_path / "runs" / str(index)) for index in range(2))])
    output = capsys.readouterr().out
    assert max(map(len, output.splitlines())) <= width
    assert "Chance level" in output, "a finding names the runs"
    assert "classes=[dress,hat]" in output and "classes=[dress,:hat:]" in output
    assert "epochs 2;" in output
    table = output[output.index("In all rows") :]
    assert table.index("validation") < table.index("50.0 %")
    assert len(re.findall(r"\(44\.\d–55\.\d\)", table)) >= 2


@pytest.mark.parametrize("option", ["--evaluate-test", "--open-test"])
def test_evaluates_and_counts_tests_on_request(
    option: str, outputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    compare.run(["grid", "--outputs", str(outputs), option])
    compare.run(["grid", "--outputs", str(outputs)])
    output = output_of(capsys)
    assert output.count("300 test photos)") == 2
    assert output.count("Runs that used photos of this test set: 2.") == 2
    lines = (outputs / JOURNAL).read_text().splitlines()
    assert len([line for line in lines if '"run"' in line]) == 2  # besides the images of the set


def test_help_shows_only_the_current_name_of_the_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        compare.run(["--help"])
    output = output_of(capsys)
    assert "--evaluate-test" in output and "--open-test" not in output


def test_json_has_runs_pairs_and_the_decision_of_the_gate(
    outputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [str(outputs / "sweeps" / "grid" / name) for name in "01"]
    gate = ["--gate", "better", "--json", "--outputs", str(outputs)]
    assert compare.run([runs[0], "--baseline", runs[1], *gate]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["schema"] == 1 and content["gate"]["decision"] == "keep"
    assert [run["val_acc"] for run in content["runs"]] == [pytest.approx(a) for a in (0.9, 0.6)]
    assert content["pairs"][0]["verdict"] == "better"
    assert compare.run([runs[1], "--baseline", runs[0], *gate]) == 4
    assert (
        compare.run([runs[1], "--baseline", runs[0], "--gate", "not-worse", "--margin", "50"]) == 0
    )


def test_a_change_of_the_seed_alone_is_discarded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed, accuracy in enumerate((0.95, 0.6)):
        scores = random_correctness(seed, 5, 300, accuracy)
        make_run(tmp_path / str(seed), f"seed {seed}", scores, scores, redrawn=False,
                 options={"seed": seed})  # fmt: skip
    arguments = [str(tmp_path / "0"), "--baseline", str(tmp_path / "1"), "--gate", "better"]
    assert compare.run([*arguments, "--outputs", str(tmp_path)]) == 4
    assert "differ in their seeds alone" in output_of(capsys)


def test_report_is_written_into_the_sweep(
    outputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report.run(["grid", "--outputs", str(outputs), "--human", "0.95:200"]) == 0
    page = outputs / "sweeps" / "grid" / "report" / "report.html"
    assert str(page) in capsys.readouterr().out
    text = page.read_text()
    assert "run 0 is better than run 1" in text and "human, 200 images" in text
    assert "scripts/run report grid" in re.sub("<[^>]*>", "", text)


def test_report_prints_json(outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report.run([str(outputs / "sweeps" / "grid" / "0"), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert Path(printed["page"]).is_file() and "accuracy of run 0 is" in printed["conclusions"][0]
    assert printed["figures"].endswith("figures") and len(printed["missing_figures"]) > 1


def test_baseline_may_be_outside_the_compared_runs(
    outputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_held_out_run(outputs / "runs" / "old", 5, 0.7)
    compare.run(["grid", "--outputs", str(outputs), "--baseline", "old"])
    assert "Holm over 2 comparisons (all against the baseline)" in output_of(capsys)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--metric", "acuracy"], "did you mean accuracy"),
        (["--target", "95"], "between 0 and 1"),
        (["--pairs", "al"], "did you mean all"),
        (["--pairs", "all", "--baseline", "old"], "no effect with a baseline"),
        (["--alpha", "0"], "between 0 and 0.5"),
        (["--alpha", "0.7"], "between 0 and 0.5"),
        (["--rope", "-1"], "a number from 0 on"),
        (["--rope", "nan"], "a number from 0 on"),
        (["--rope", "inf"], "a number from 0 on"),
        (["--rope", "0.5"], "would be 50 points"),
        (["--human", "good"], "0.95:200"),
        (["--human", "2:0"], "between 0 and 1"),
        (["--gate", "better"], "needs --baseline"),
        (["--gate", "beter", "--baseline", "old"], "did you mean better"),
        (["--margin", "1"], "no effect without --gate"),
        (["nowhere"], "no such run, sweep, folder or filter"),
        (["--baseline", "grid"], "matches 2 runs; name one"),
    ],
)
def test_rejects_invalid_options_before_any_test_is_evaluated(
    arguments: list[str], message: str, outputs: Path
) -> None:
    with pytest.raises(InputError, match=message):
        compare.run(["--outputs", str(outputs), "--evaluate-test", *arguments])
    assert not (outputs / JOURNAL).exists()
