"""`runs`, and `sweep delete`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fashion_exp.commands import runs, sweep
from fashion_exp.errors import InputError
from fashion_exp.sweeps.state import SweepState
from tests.comparison.synthetic_runs import make_run, random_correctness

pytestmark = pytest.mark.slow

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    """A single run, and a sweep of one job."""
    scores = random_correctness(0, 2, 50, 0.8)
    for folder in (tmp_path / "runs" / "one", tmp_path / "sweeps" / "grid" / "aaaa"):
        make_run(folder, f"cnn {folder.name}", scores, scores)
        (folder / "config" / "overrides.yaml").write_text("- optim.lr=1e-2\n- outputs=elsewhere\n")
    SweepState([], jobs={"aaaa": "lr=1"}).write(tmp_path / "sweeps" / "grid")
    return tmp_path


def call(outputs: Path, *words: str) -> None:
    assert runs.run([*words, "--outputs", str(outputs)]) == 0


def test_list_and_show_name_results_and_commands(outputs: Path, capsys: Capture) -> None:
    call(outputs, "list")
    text = capsys.readouterr().out
    assert text.startswith("one\n    cnn one; finished; validation 80.0 %") and "sweeps (1)" in text
    call(outputs, "list", "grid", "--json")
    (row,) = json.loads(capsys.readouterr().out)
    assert row["folder"].endswith("aaaa") and row["val_acc"] == pytest.approx(0.8)
    better = random_correctness(0, 2, 50, 0.9)
    make_run(outputs / "sweeps" / "grid" / "bbbb", "cnn b", better, better)
    call(outputs, "list", "grid", "--json")
    assert [row["name"] for row in json.loads(capsys.readouterr().out)] == ["cnn b", "cnn aaaa"]
    call(outputs, "show", "one")
    text = capsys.readouterr().out
    assert f"scripts/run optim.lr=1e-2 outputs={outputs}\n" in text
    assert f"scripts/run report {outputs}/runs/one --outputs {outputs}" in text
    assert f"scripts/run ui {outputs}/runs/one" in text
    call(outputs, "show", "one", "--json")
    assert json.loads(capsys.readouterr().out)["overrides"] == [
        "optim.lr=1e-2",
        "outputs=elsewhere",
    ]


def test_rename_note_and_tag_are_shown(outputs: Path, capsys: Capture) -> None:
    call(outputs, "rename", "one", "the good one")
    call(outputs, "note", "the good one", "keep this")
    call(outputs, "tag", "one", "who=me", "kind=x=y")
    capsys.readouterr()
    call(outputs, "show", "the good one", "--json")
    shown = json.loads(capsys.readouterr().out)
    assert (shown["name"], shown["note"]) == ("the good one", "keep this")
    assert shown["tags"] == {"who": "me", "kind": "x=y"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "runs: needs one of list, show"),
        (["shwo"], "runs shwo: unknown; did you mean show?"),
        (["show"], "runs show: needs RUN"),
        (["show", "cnn oen"], "did you mean cnn one?"),
        (["rename", "one"], "runs rename: needs RUN NAME"),
        (["rename", "one", " "], "a name has 1 to 200 characters"),
        (["tag", "one", "x"], "write NAME=VALUE"),
        (["tag", "one"], "needs RUN NAME=VALUE"),
        (["delete"], "runs delete: needs RUN"),
        (["delete", "one"], "Nothing was deleted; confirm with --yes"),
        (["delete", "one", "none", "--yes"], "none: no such run"),
        (["list", "--jsno"], "did you mean --json?"),
    ],
)
def test_mistake_is_one_line_and_changes_nothing(
    outputs: Path, words: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    with pytest.raises(InputError) as error:
        call(outputs, *words)
    assert message in str(error.value) and "\n" not in str(error.value)
    assert (outputs / "runs" / "one" / "result.json").exists()
    assert not (outputs / "runs" / "one" / "annotations.json").exists()


def test_delete_asks_on_a_terminal(
    outputs: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda question: "n")
    with pytest.raises(InputError, match="nothing was deleted"):
        call(outputs, "delete", "one")
    monkeypatch.setattr("builtins.input", lambda question: "y")
    call(outputs, "delete", "one")
    assert not (outputs / "runs" / "one").exists()
    assert "1 evaluation of a test set stays counted" in capsys.readouterr().out


def test_sweep_delete_needs_a_name_and_removes_all(outputs: Path, capsys: Capture) -> None:
    with pytest.raises(InputError, match="needs the name of a sweep"):
        sweep.run(["delete", "--yes", "--outputs", str(outputs)])
    assert sweep.run(["delete", "grid", "--yes", "--outputs", str(outputs)]) == 0
    assert not (outputs / "sweeps" / "grid").exists()
    assert "evaluation of a test set stays counted" in capsys.readouterr().out
