"""`sweep list` and `sweep status` on folders as sweeps leave them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fashion_exp.commands.sweep import run
from fashion_exp.errors import InputError
from fashion_exp.sweeps.state import Ledger, held, note_left
from tests.comparison.made_runs import answers, made_run


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    """A sweep of three jobs: one finished, one failed, one that has not begun."""
    sweep = tmp_path / "sweeps" / "cnn-lr-1234"
    scores = answers(0, 2, 50, 0.8)
    made_run(sweep / "aaaa", "cnn lr=1", scores, scores)
    (sweep / "bbbb").mkdir()
    (sweep / "bbbb" / "failure.json").write_text('{"kind": "Diverged", "reason": "nan"}')
    jobs = {"aaaa": "optim.lr=1", "bbbb": "optim.lr=2", "cccc": "optim.lr=3"}
    Ledger(["-m", "optim.lr=1,2,3"], jobs=jobs).write(sweep)
    return tmp_path


def test_status_tells_each_job_and_how_to_go_on(
    outputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["status", "--outputs", str(outputs)]) == 0
    said = capsys.readouterr().out
    assert "1 finished, 1 failed, 1 queued; not running" in said and "Diverged: nan" in said
    assert "to go on: scripts/run -m optim.lr=1,2,3" in said


def test_a_search_that_came_to_its_end_has_nothing_to_go_on_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = tmp_path / "sweeps" / "cnn-lr-1234"
    scores = answers(0, 2, 50, 0.8)
    made_run(sweep / "aaaa", "cnn lr=1", scores, scores)
    (sweep / "bbbb").mkdir()
    (sweep / "bbbb" / "pruned.json").write_text('{"epochs": 3}')
    Ledger(["-m", "tracking.uri=http://me:secret@host"], jobs={"aaaa": "a", "bbbb": "b"}).write(
        sweep
    )
    for concluded in (False, True):
        if concluded:
            note_left(sweep, 0)
        assert run(["status", "--outputs", str(tmp_path)]) == 0
        said = capsys.readouterr().out
        assert (
            "secret" not in said
            and "1 finished, 1 pruned" in said
            and ("to go on:" in said) is not concluded
        )


def test_status_for_programs(outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with held(outputs / "sweeps" / "cnn-lr-1234"):
        assert run(["status", "cnn", "--json", "--outputs", str(outputs)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["running"] and told["states"] == {"finished": 1, "failed": 1, "queued": 1}
    assert [job["state"] for job in told["jobs"]] == ["finished", "failed", "queued"]
    assert told["jobs"][0]["val_acc"] == pytest.approx(0.8, abs=0.05)


def test_list_has_a_row_a_sweep(outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["list", "--outputs", str(outputs)]) == 0
    said = capsys.readouterr().out
    assert "cnn-lr-1234" in said and "1 failed" in said


def test_a_sweep_has_one_driver(outputs: Path) -> None:
    sweep = outputs / "sweeps" / "cnn-lr-1234"
    with held(sweep), pytest.raises(InputError, match="another process is running"), held(sweep):
        pass


@pytest.mark.parametrize("words", [["status", "cmn-lr"], ["status", "--outputs", "/nowhere"]])
def test_what_is_not_there_is_told(
    words: list[str], outputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(
        InputError, match=r"cmn-lr: no such sweep; .*cnn-lr-1234|no sweep there yet"
    ):
        run([*words[:1], "--outputs", str(outputs), *words[1:]])
