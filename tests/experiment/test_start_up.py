"""What a run does not need for its first training step is imported after it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from mlflow.entities import Run

from tests.command_line import fork_successfully, only_run, tracked_runs

pytestmark = pytest.mark.slow

SLOW_IMPORTS = (
    "mlflow", "torch._dynamo", "sympy", "timm", "matplotlib", "sklearn", "scipy.stats", "optuna",
)  # fmt: skip

RUN = f"""if True:
    import sys
    from fashion_exp.__main__ import console
    from fashion_exp.training import fit

    set_learning_rate = fit.set_learning_rate

    def print_imports(*arguments):
        print("imported:", [name for name in {SLOW_IMPORTS} if name in sys.modules])
        set_learning_rate(*arguments)

    fit.set_learning_rate = print_imports
    console()"""


def content(run: Run) -> object:
    varying = ("begun_as", "mlflow.", "test_evaluations")
    tags = {name: text for name, text in run.data.tags.items() if not name.startswith(varying)}
    metrics = {name: value for name, value in run.data.metrics.items() if "img_s" not in name}
    return run.info.run_name, run.info.status, run.data.params, tags, metrics


def test_first_step_of_a_run_waits_neither_for_mlflow_nor_for_the_compiler(
    photos: Path, tmp_path: Path
) -> None:
    """The second run records the same as the first, which had to create the database."""
    overrides = (
        "dataset=folder", f"dataset.root={photos}", "dataset.image_size=16", "repeats=2",
        "training.epochs=1", "training.batch_size=1024", "training.threads=1",
        "cache.trainings=false", f"outputs={tmp_path}",
    )  # fmt: skip
    fork_successfully(*overrides)
    first = only_run(tmp_path)
    arguments = [sys.executable, "-c", RUN, *overrides]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    imported = [line for line in done.stdout.splitlines() if line.startswith("imported:")]
    assert imported[0] == "imported: []" and len(imported) == 2
    (second,) = set((tmp_path / "runs").iterdir()) - {first}
    for name in ("validation_predictions.parquet", "test_predictions.parquet", "split.csv"):
        assert (first / name).read_bytes() == (second / name).read_bytes()
    contents = sorted((content(run) for run in tracked_runs(tmp_path)), key=str)
    assert len(contents) == 6 and contents[0::2] == contents[1::2]
