"""A run becomes the champion unless the evidence is missing or speaks against it."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from fashion_exp.__main__ import exit_code_of
from fashion_exp.atomic_io import write_json
from fashion_exp.errors import ExitCode, FailedError, InputError
from fashion_exp.evaluation.run_dir import REFIT_FILE
from fashion_exp.inference import promote as promoting
from fashion_exp.inference.promote import Promotion, promote
from fashion_exp.inference.trained_run import load_run
from fashion_exp.reporting.progress import Progress
from fashion_exp.tracking.registry import find_champion
from tests.command_line import documented_keys
from tests.conftest import TinyRun


def test_failing_store_is_no_mistake_of_the_user(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(FailedError, match="cannot be used") as raised:
        find_champion("http://127.0.0.1:1", "garments")
    assert exit_code_of(raised.value) == ExitCode.FAILED
    assert capsys.readouterr().err == f"fashion_exp: {raised.value}\n"


def test_printed_keys_are_documented() -> None:
    assert {field.name for field in fields(Promotion)} == documented_keys("promote")


@pytest.mark.slow
def test_promotion_needs_a_comparison_with_the_champion(
    tiny: Callable[..., TinyRun], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: list[str] = []
    monkeypatch.setattr(
        promoting, "log_ensemble", lambda _, run, *others, **options: logged.append(run)
    )
    progress, outputs = Progress(Console(file=io.StringIO())), tmp_path / "outputs"
    uri = f"sqlite:///{outputs}/mlflow.db"
    small = ("model.width=4", "model.depth=1")
    output = tiny(*small, tracking="mlflow").output
    (outputs / "runs").mkdir()
    first = load_run(output.rename(outputs / "runs" / "first"), outputs)
    done = promote(first, "garments", progress)
    assert done.version == "1" and done.evidence[0].startswith("Test accuracy ")
    champion = find_champion(uri, "garments")
    assert champion is not None and champion.run == first.result.run == logged[0]

    output = tiny(*small, "seed=1", "split.seed=0", tracking="mlflow").output
    second = load_run(output.rename(outputs / "runs" / "second"), outputs)
    done = promote(second, "garments", progress)
    assert done.version == "2"
    assert "Against the champion (version 1) on the same test: undecided" in done.evidence[1]

    output = tiny(*small, "split.seed=5", tracking="mlflow").output
    other = load_run(output.rename(outputs / "runs" / "other"), outputs)
    (outputs / "runs" / "second").rename(tmp_path / "gone")
    with pytest.raises(InputError, match=r"cannot be compared with it .*; add --force"):
        promote(other, "garments", progress)
    assert promote(other, "garments", progress, force=True).evidence[1].startswith("Promoted with")
    assert len(logged) == 3

    with monkeypatch.context() as patch:
        broken = SimpleNamespace(flush=lambda: None, failure="no answer in time")
        patch.setattr(promoting, "open_tracker", lambda *_: broken)
        with pytest.raises(FailedError, match=r"the model was not stored \(no answer in time\)"):
            promote(other, "garments", progress)

    held_out = load_run(tiny(*small, hold_out_test=True, tracking="mlflow").output, outputs)
    with pytest.raises(InputError, match="never evaluated on its test set"):
        promote(held_out, "garments", progress)


@pytest.mark.slow
def test_refit_is_compared_with_nothing(
    tiny: Callable[..., TinyRun], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored: list[str] = []
    monkeypatch.setattr(
        promoting, "log_ensemble", lambda *others, artifacts: stored.append(artifacts)
    )
    progress, outputs = Progress(Console(file=io.StringIO())), tmp_path / "outputs"
    output = tiny("model.width=4", "model.depth=1", tracking="mlflow").output
    (outputs / "runs").mkdir()
    output = output.rename(outputs / "runs" / "study")
    study = load_run(output, outputs)
    promote(study, "garments", progress)
    refits = []
    for name in ("refit-1", "refit-2"):
        shutil.copytree(output, outputs / "refits" / name)
        content = {"study": output.name, "models": ["r0f0"]}
        write_json(outputs / "refits" / name / REFIT_FILE, content)
        refits.append(load_run(name, outputs))
    with pytest.raises(InputError, match="no name for a model"):
        promote(refits[0], "a/b:c", progress)
    done = promote(refits[0], "garments", progress)
    assert "models:/garments@champion" in done.serve and "mlflow.db" in done.serve
    assert done.evidence[0].startswith(
        f"A refit of {output.name}; its own accuracy is not measured"
    )
    assert done.evidence[1].endswith("they are not compared.")
    assert stored == ["", "refits/refit-1"]  # the earlier version keeps its model
    for other in (refits[1], study):
        with pytest.raises(InputError, match=r"refit is not measured.*; add --force"):
            promote(other, "garments", progress)
    assert promote(refits[0], "garments", progress).evidence[1].endswith("already.")
