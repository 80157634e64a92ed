"""What an earlier version wrote stays usable: runs, sweeps, an interrupted run, the database.

`fixtures/e3fc8cc.zip` holds the outputs of commit e3fc8cc: a run, a sweep of two jobs, and a run
that was interrupted, all of a tiny CNN on synthetic images.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from fashion_exp.comparison.run_data import load_run
from fashion_exp.evaluation.run_dir import RunDir, finished_runs
from fashion_exp.stats.proportions import wilson
from tests.command_line import call_command, call_successfully, tracked_runs

pytestmark = pytest.mark.slow

FIXTURE = Path(__file__).parent / "fixtures" / "e3fc8cc.zip"
OPTIONS = (
    "dataset.per_class=20", "dataset.drawn_size=16", "model.width=2", "training.epochs=2",
    "repeats=2", "training.threads=1", "training.device=cpu", "training.precision=fp32",
)  # fmt: skip
"""With these the stored run and sweep were made."""


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    with zipfile.ZipFile(FIXTURE) as archive:
        archive.extractall(tmp_path)
    return tmp_path / "outputs"


def test_runs_are_read_with_the_numbers_that_were_tracked(outputs: Path) -> None:
    runs = [load_run(run.path) for run in finished_runs(outputs)]
    assert len(runs) == 3
    tracked = {run.info.run_id: run.data.metrics for run in tracked_runs(outputs)}
    for run in runs:
        metrics = run.summary("validation").metrics()
        assert len(metrics) >= 6
        before = tracked[run.result.run]
        accuracy = {"val_acc", "val_lo", "val_hi"}  # was the mean over trainings, not over images
        others = metrics.keys() - accuracy
        assert {name: metrics[name] for name in others} == pytest.approx(
            {name: before[name] for name in others},
            rel=1e-14,  # sums in another order
        )
        mean = float(run.scores("validation", "accuracy").mean(axis=1).mean())
        earlier = wilson(mean * metrics["val_n"], metrics["val_n"], fractional=True)
        assert [before[name] for name in ("val_acc", "val_lo", "val_hi")] == pytest.approx(
            [earlier.estimate, earlier.low, earlier.high]
        )


def test_runs_are_compared_and_listed(outputs: Path) -> None:
    text = call_successfully("compare", "stored", "--outputs", str(outputs))
    assert "lr=0.001" in text and "lr=0.01" in text
    status = call_successfully("sweep", "status", "stored", "--json", "--outputs", str(outputs))
    assert json.loads(status)["states"] == {"finished": 2}


def test_finished_jobs_of_a_sweep_are_not_run_again(outputs: Path) -> None:
    text = call_successfully("-m", f"outputs={outputs}", *OPTIONS, "optim.lr=1e-3,1e-2",
                            "sweep.name=stored", "tracking=none", "sweep.dry_run=true")  # fmt: skip
    assert "2 jobs: 2 finished" in text


def test_interrupted_run_is_resumed(outputs: Path) -> None:
    (run,) = (
        RunDir(path) for path in (outputs / "runs").iterdir() if RunDir(path).state == "started"
    )
    assert "continues after epoch" in call_successfully(f"resume={run.path}", f"outputs={outputs}")
    assert run.is_finished and run.result_file.exists()


def test_test_evaluations_of_earlier_runs_are_counted(outputs: Path) -> None:
    call_successfully(f"outputs={outputs}", *OPTIONS, "seed=5", "tracking=none")
    (evaluated,) = outputs.glob("runs/*/test_evaluated.json")
    assert json.loads(evaluated.read_text())["evaluations"] == 3


def test_doctor_finds_no_damage(outputs: Path) -> None:
    findings = call_command("doctor", "--json", "--outputs", str(outputs))
    kinds = [finding["what"] for finding in json.loads(findings.stdout)]
    assert not any("damaged" in kind for kind in kinds), kinds
