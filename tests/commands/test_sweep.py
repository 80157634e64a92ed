"""`sweep list` and `sweep status`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fashion_exp.commands.sweep import run
from fashion_exp.errors import InputError
from fashion_exp.sweeps.find_sweeps import find_sweep
from fashion_exp.sweeps.state import SweepState, lock_sweep, record_remaining
from tests.comparison.synthetic_runs import make_run, random_correctness

pytestmark = pytest.mark.slow

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    """A sweep of three jobs: one finished, one failed, one queued."""
    sweep = tmp_path / "sweeps" / "cnn-lr-1234"
    scores = random_correctness(0, 2, 50, 0.8)
    make_run(sweep / "aaaa", "cnn lr=1", scores, scores)
    (sweep / "bbbb").mkdir()
    (sweep / "bbbb" / "failure.json").write_text('{"kind": "Diverged", "reason": "nan"}')
    jobs = {"aaaa": "optim.lr=1", "bbbb": "optim.lr=2", "cccc": "optim.lr=3"}
    SweepState(["-m", "optim.lr=1,2,3"], jobs=jobs).write(sweep)
    return tmp_path


def test_status_shows_each_job_and_the_command_to_resume(outputs: Path, capsys: Capture) -> None:
    assert run(["status", "--outputs", str(outputs)]) == 0
    output = capsys.readouterr().out
    assert "1 finished, 1 failed, 1 queued; not running" in output and "Diverged: nan" in output
    assert f"to resume: scripts/run -m optim.lr=1,2,3 outputs={outputs}" in output


def test_status_shows_no_command_for_a_completed_search(outputs: Path, capsys: Capture) -> None:
    sweep = outputs / "sweeps" / "cnn-lr-1234"
    (sweep / "bbbb" / "failure.json").rename(sweep / "bbbb" / "pruned.json")
    line = ["-m", "tracking.uri=http://me:secret@host"]
    SweepState(line, jobs={"aaaa": "a", "bbbb": "b"}).write(sweep)
    for is_completed in (False, True):
        if is_completed:
            record_remaining(sweep, 0)
        assert run(["status", "--outputs", str(outputs)]) == 0
        output = capsys.readouterr().out
        assert "1 finished, 1 pruned" in output and "secret" not in output
        assert ("to resume:" in output) is not is_completed


def test_status_as_json(outputs: Path, capsys: Capture) -> None:
    with lock_sweep(outputs / "sweeps" / "cnn-lr-1234"):
        assert run(["status", "cnn", "--json", "--outputs", str(outputs)]) == 0
    status = json.loads(capsys.readouterr().out)
    assert status["running"] and status["states"] == {"finished": 1, "failed": 1, "queued": 1}
    assert [job["state"] for job in status["jobs"]] == ["finished", "failed", "queued"]
    assert status["jobs"][0]["val_acc"] == pytest.approx(0.8, abs=0.05)


def test_jobs_with_a_smaller_training_share_come_after_the_others(
    tmp_path: Path, capsys: Capture
) -> None:
    sweep, jobs = tmp_path / "sweeps" / "share", {}
    for name, ratio, accuracy in (("a", 0.5, 0.9), ("b", 0.8, 0.6), ("c", 0.8, 0.7)):
        scores = random_correctness(0, 2, 50, accuracy)
        make_run(sweep / name, name, scores, scores, options={"split.train_ratio": ratio})
        jobs[name] = f"job {name}"
    SweepState(["-m"], jobs=jobs).write(sweep)
    assert run(["status", f"outputs={tmp_path}"]) == 0
    output = capsys.readouterr().out
    assert output.index("job c") < output.index("job b") < output.index("job a")
    assert "1 job with a smaller training share: not ranked." in output


def test_list_has_an_entry_for_each_sweep(outputs: Path, capsys: Capture) -> None:
    assert run(["list", "--outputs", str(outputs)]) == 0
    output = capsys.readouterr().out
    assert "cnn-lr-1234" in output and "1 failed" in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["status", "cmn-lr"], r"cmn-lr: no such sweep; .*cnn-lr-1234"),
        (["status", "--outputs", "/nowhere"], "no sweeps yet"),
    ],
)
def test_rejects_unknown_sweeps(arguments: list[str], message: str, outputs: Path) -> None:
    with pytest.raises(InputError, match=message):
        run([arguments[0], "--outputs", str(outputs), *arguments[1:]])


def test_name_prefix_must_be_unique() -> None:
    sweeps = [Path("/o/cnn-lr-1"), Path("/o/cnn-lr-2")]
    assert find_sweep(sweeps, None) == find_sweep(sweeps, "cnn-lr-2") == sweeps[1]
    with pytest.raises(InputError, match="cnn: matches 2 sweeps: cnn-lr-1, cnn-lr-2;"):
        find_sweep(sweeps, "cnn")
