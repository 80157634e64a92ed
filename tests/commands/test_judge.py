"""The output, the JSON and the exit codes of `judge`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from fashion_exp.commands import judge
from fashion_exp.errors import InputError
from tests.judging.tables import random_table

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    for seed, (name, accuracy) in enumerate({"good": 0.95, "bad": 0.6, "other": 0.95}.items()):
        random_table(seed, accuracy).to_csv(tmp_path / f"{name}.csv", index=False)
    return [str(tmp_path / f"{name}.csv") for name in ("good", "bad", "other")]


def test_prints_tools_pairs_and_conclusions(files: list[str], capsys: Capture) -> None:
    assert judge.run(files[:2]) == 0
    output = " ".join(capsys.readouterr().out.split())
    for text in ("good is better than bad by", "McNemar's mid-p", "Joined by id.", "120 items"):
        assert text in output
    assert "photo" not in output


def test_json_has_what_the_text_has(files: list[str], capsys: Capture) -> None:
    judge.run([*files, "--json"])
    content = json.loads(capsys.readouterr().out)
    assert content["schema"] == 1 and len(content["runs"]) == 3 and len(content["pairs"]) == 2
    assert content["gate"] is None and content["conclusions"]


@pytest.mark.parametrize(
    ("candidate", "baseline", "gate", "decision", "code"),
    [
        (0, 1, ["better"], "keep", 0),
        (1, 0, ["better"], "discard", 4),
        (2, 0, ["better"], "undecided", 5),
        (0, 1, ["better", "--margin", "60"], "discard", 4),
        (0, 1, ["better", "--margin", "30"], "undecided", 5),
        (0, 1, ["not-worse", "--margin", "1"], "keep", 0),
        (1, 0, ["not-worse", "--margin", "1"], "discard", 4),
        (2, 0, ["not-worse", "--margin", "0.1"], "undecided", 5),
        (2, 0, ["not-worse", "--margin", "10"], "keep", 0),
    ],
)
def test_gate_decides_by_its_exit_code(
    candidate: int, baseline: int, gate: list[str], decision: str, code: int, files: list[str],
    capsys: Capture,
) -> None:  # fmt: skip
    names = ("good", "bad", "other")
    arguments = [files[candidate], files[baseline], "--baseline", names[baseline], "--gate", *gate]
    assert judge.run([*arguments, "--json"]) == code
    content = json.loads(capsys.readouterr().out)["gate"]
    assert content["decision"] == decision and content["exit_code"] == code
    assert content["low"] <= content["effect"] <= content["high"]


def test_sentences_fit_tools_called_a_and_b(tmp_path: Path, capsys: Capture) -> None:
    for seed, (name, accuracy) in enumerate({"a": 0.6, "b": 0.95}.items()):
        random_table(seed, accuracy).to_csv(tmp_path / f"{name}.csv", index=False)
    judge.run([f"{tmp_path}/b.csv", f"{tmp_path}/a.csv", "--baseline", "a"])
    output = " ".join(capsys.readouterr().out.split())
    assert "The second is the baseline; the first is better if the difference is" in output
    assert "b is the baseline" not in output and "first minus second" in output


def test_gate_writes_signed_points_with_one_decimal(files: list[str], capsys: Capture) -> None:
    for order, name, sign in ((files[:2], "bad", r"\+"), (files[1::-1], "good", "\N{MINUS SIGN}")):
        options = ["--baseline", name, "--gate", "not-worse", "--margin", "1"]
        judge.run([*order, *options])
        output = " ".join(capsys.readouterr().out.split())
        amount = rf"{sign}\d+\.\d"  # unlike "15.000"
        assert re.search(rf"are lost: {amount} points \({amount} to {amount}\)\.", output), output


def test_gate_on_the_loss_says_which_sign_is_better(files: list[str], capsys: Capture) -> None:
    judge.run([*files[:2], "--metric", "loss", "--baseline", "bad", "--gate", "better"])
    output = " ".join(capsys.readouterr().out.split())
    assert re.search(r"keep: .* \+0\.\d{3} nats \(.*\), positive where it is better", output), (
        output
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--gate", "beter", "--baseline", "bad"], "did you mean better"),
        (["--gate", "better"], "needs --baseline"),
        (["--gate", "not-worse", "--baseline", "bad"], "--margin 0.5"),
        (["--gate", "better", "--margin", "-1", "--baseline", "bad"], "from 0 on"),
        (["--margin", "1"], "no effect without --gate"),
        (["--columns", "label"], "write NAME=VALUE"),
        (["--part", "train"], "choices: test, validation"),
        (["--metrik", "loss"], "did you mean --metric"),
        (["--format", "tim"], "choices: auto, table, timm"),
        (["--pairs", "all", "--baseline", "bad"], "no effect with a baseline"),
    ],
)
def test_rejects_invalid_options(arguments: list[str], message: str, files: list[str]) -> None:
    with pytest.raises(InputError, match=message):
        judge.run([*files[:2], *arguments])


def test_gate_decides_on_one_candidate(files: list[str]) -> None:
    with pytest.raises(InputError, match="2 are compared with the baseline"):
        judge.run([*files, "--baseline", "bad", "--gate", "better"])


def test_files_of_a_tool_are_its_trainings(tmp_path: Path, capsys: Capture) -> None:
    for seed in range(8):
        random_table(seed, 0.9 if seed < 4 else 0.7).to_csv(tmp_path / f"{seed}.csv", index=False)
    several = [
        f"a={tmp_path}/[0-3].csv",
        "b=" + ",".join(f"{tmp_path}/{s}.csv" for s in (4, 5, 6, 7)),
    ]
    with pytest.raises(InputError, match="--unit repeat"):
        judge.run(several)
    judge.run([*several, "--unit", "repeat", "--json"])
    content = json.loads(capsys.readouterr().out)
    assert [run["trainings"] for run in content["runs"]] == [4, 4]
    assert content["pairs"][0]["test"] == "t with trainings and images crossed"
