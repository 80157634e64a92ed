"""The command line as a user types it: in processes of its own, in any directory."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pandas as pd
import pytest
import yaml
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from fashion_exp.evaluation.predictions import PART_FILES

TINY = (
    "dataset=folder", "dataset.image_size=16", "training.epochs=2", "training.batch_size=12",
    "repeats=2", "training.threads=1",
)  # fmt: skip


def typed(*words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fashion_exp", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, cwd=cwd)


def runs(outputs: Path) -> list[Run]:
    client = MlflowClient(f"sqlite:///{outputs / 'mlflow.db'}")
    (experiment,) = client.search_experiments(filter_string="name = 'fashion_exp'")
    return list(client.search_runs([experiment.experiment_id]))


def named(outputs: Path, start: str) -> list[Run]:
    return [run for run in runs(outputs) if run.info.run_name.startswith(start)]


@pytest.fixture(scope="module")
def single(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The outputs of one run, typed in a directory of no importance with relative paths."""
    outputs = tmp_path_factory.mktemp("single outputs, ünïcode=1")
    done = typed(
        *TINY, f"dataset.root={os.path.relpath(photos, outputs)}", "outputs=.", cwd=outputs
    )
    assert done.returncode == 0, done.stderr
    (run,) = (outputs / "runs").iterdir()
    assert str(run) in done.stdout and "scripts/run ui" in done.stdout
    assert "looks at the test set" in done.stdout
    return outputs


def test_everything_is_written_below_outputs(single: Path) -> None:
    (run,) = (single / "runs").iterdir()
    names = {str(file.relative_to(run)) for file in run.rglob("*") if file.is_file()}
    assert names >= {
        "config/config.yaml", "config/overrides.yaml", "run.log", "split.csv", "left_out.csv",
        "history.csv", "result.json", "test_opened.json", *PART_FILES.values(),
        "checkpoints/r0f0-last.safetensors", "checkpoints/r1f0-best.safetensors",
        "figures/curves.png", "figures/data.png", "figures/confusion_test.png",
        "figures/gallery_validation.png", "figures/gallery_test.png",
    }  # fmt: skip
    assert {entry.name for entry in single.iterdir()} >= {"mlflow.db", "artifacts", "runs"}
    assert yaml.safe_load((run / "config" / "config.yaml").read_text())["repeats"] == 2


def test_the_predictions_have_the_columns_that_were_promised(single: Path) -> None:
    frame = pd.read_parquet(next(single.glob(f"runs/*/{PART_FILES['validation']}")))
    assert list(frame.columns) == [
        "image_id", "path", "group_id", "label", "p_dress", "p_pullover", "p_shirt",
        "part", "fold", "repeat", "seed",
    ]  # fmt: skip
    probabilities = frame[["p_dress", "p_pullover", "p_shirt"]].sum(axis=1)
    assert (abs(probabilities - 1) < 1e-5).all()
    assert frame.groupby("repeat")["image_id"].nunique().tolist() == [12, 12]


def test_a_run_is_tracked_with_a_child_for_each_repeat(single: Path) -> None:
    (run,) = named(single, "basic_cnn")
    assert run.info.status == "FINISHED"
    assert set(run.data.metrics) >= {"val_acc", "val_lo", "val_hi", "val_n", "val_f1", "val_loss",
                                     "test_acc", "test_lo", "test_hi", "test_n"}  # fmt: skip
    assert "val_t_lo" not in run.data.metrics, "two scores are too few for a t-interval"
    assert run.data.params["optim.lr"] == "0.001" and "outputs" not in run.data.params
    wanted = {"split_hash", "data_fingerprint", "weights", "seed", "test_looks", "job_hash"}
    assert set(run.data.tags) >= wanted
    assert run.inputs.dataset_inputs[0].dataset.digest == run.data.tags["data_fingerprint"]
    children = named(single, "repeat")
    assert {child.data.tags["mlflow.parentRunId"] for child in children} == {run.info.run_id}
    assert len(children) == 2 and all("f_val_acc" in child.data.metrics for child in children)
    assert not any("val_acc" in child.data.metrics for child in children), "levels share no key"
    artifacts = MlflowClient(f"sqlite:///{single / 'mlflow.db'}").list_artifacts(run.info.run_id)
    assert {item.path for item in artifacts} >= {"figures", "config", *PART_FILES.values()}


@pytest.fixture(scope="module")
def sweep(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The outputs and the words of a multirun of four jobs, one of which diverges."""
    outputs = tmp_path_factory.mktemp("sweep")
    done = typed("--multirun", *TINY, f"dataset.root={photos}", f"outputs={outputs}",
                 "optim.lr=1e-3,1e30", "model.dropout=0,0.5", "model.width=4")  # fmt: skip
    assert done.returncode == 3, done.stdout + done.stderr
    return outputs, done.stdout + done.stderr


def test_jobs_of_a_sweep_stand_below_one_parent(sweep: tuple[Path, str]) -> None:
    jobs = named(sweep[0], "basic_cnn lr")
    (parent,) = named(sweep[0], "basic_cnn optim.lr=")
    assert {job.data.tags["mlflow.parentRunId"] for job in jobs} == {parent.info.run_id}
    assert {job.info.run_name for job in jobs} == {
        f"basic_cnn lr={lr} dropout={dropout}" for lr in ("0.001", "1e+30") for dropout in (0, 0.5)
    }
    assert {"s_val_acc", "s_test_acc", "s_jobs", "s_failed"} <= set(parent.data.metrics)
    assert "dropout" in parent.data.tags["mlflow.note.content"]


def test_a_sweep_ends_with_its_report_in_its_folder_and_at_the_parent(
    sweep: tuple[Path, str],
) -> None:
    (page,) = sweep[0].glob("sweeps/*/report/report.html")
    assert f"page:    {page}" in sweep[1] and "Holm over 6 comparisons" in page.read_text()
    (parent,) = named(sweep[0], "basic_cnn optim.lr=")
    kept = Path(parent.info.artifact_uri.removeprefix("file://")) / "report"
    assert (kept / "report.html").read_bytes() == page.read_bytes()
    assert (kept / "figures" / "verdicts.png").exists()


def test_a_failed_job_leaves_the_others_and_is_told(sweep: tuple[Path, str]) -> None:
    outputs, said = sweep
    statuses = [job.info.status for job in named(outputs, "basic_cnn lr")]
    assert sorted(statuses) == ["FAILED", "FAILED", "FINISHED", "FINISHED"]
    assert "the training loss became" in said and "Traceback" not in said


def test_only_the_winner_has_its_test_opened(sweep: tuple[Path, str]) -> None:
    opened = list(sweep[0].glob("sweeps/*/*/test_opened.json"))
    sealed = list(sweep[0].glob(f"sweeps/*/*/{PART_FILES['test']}"))
    assert len(opened) == 1 and len(sealed) == 2
    assert len((sweep[0] / "test_looks.jsonl").read_text().splitlines()) == 1


def test_open_test_opens_the_test_of_every_job(photos: Path, tmp_path: Path) -> None:
    done = typed("-m", *TINY, f"dataset.root={photos}", f"outputs={tmp_path}", "tracking=none",
                 "optim.lr=1e-3,1e-2", "--open-test")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.glob("sweeps/*/*/test_opened.json"))) == 2
    assert len((tmp_path / "test_looks.jsonl").read_text().splitlines()) == 2


def test_two_runs_may_start_at_once_on_a_fresh_store(photos: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "fashion_exp", *TINY, f"dataset.root={photos}",
               f"outputs={tmp_path}", "repeats=1"]  # fmt: skip
    started = [
        subprocess.Popen(
            [*command, f"seed={seed}"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        for seed in range(2)
    ]
    errors = [process.communicate(timeout=240)[1] for process in started]
    assert [process.returncode for process in started] == [0] * 2, "\n".join(errors)
    assert [run.info.status for run in runs(tmp_path)] == ["FINISHED"] * 2
    assert len(list((tmp_path / "runs").iterdir())) == 2
    looks = [json.loads(line) for line in (tmp_path / "test_looks.jsonl").read_text().splitlines()]
    assert len({look["run"] for look in looks}) == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["optim.lrr=1"], "did you mean optim.lr"),
        (["--flag"], "no such switch"),
        (["uii"], "uii: no such verb; did you mean ui?"),
        (["dataset=folder", "dataset.root=no/such/folder"], "dataset.root"),
        (["--open-test"], "acts with --multirun"),
        (["sweep.parent=x"], "a sweep sets it"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(
    words: list[str], told: str, tmp_path: Path
) -> None:
    done = typed(*words, *(() if words[0] == "uii" else (f"outputs={tmp_path}",)))
    assert done.returncode == 2
    assert told in done.stderr and done.stderr.count("\n") == 1
    assert not list((tmp_path / "runs").glob("*")) and not (tmp_path / "test_looks.jsonl").exists()


def test_choices_of_ones_own_act_in_every_job_and_in_the_line_again(
    photos: Path, tmp_path: Path
) -> None:
    own = tmp_path / "my choices, 1"
    (own / "optim").mkdir(parents=True)
    rate = "0.125"
    (own / "optim" / "mine.yaml").write_text(f"defaults: [sgd]\nlr: {rate}\n")
    mistyped = typed("--config-dir=my choices, 1", "optim=mien", cwd=tmp_path)
    assert (mistyped.returncode, mistyped.stderr.count("\n")) == (2, 1)
    assert "did you mean mine?" in mistyped.stderr
    line = [*TINY, "repeats=1", f"dataset.root={photos}", "optim=mine", "outputs=o"]
    done = typed("-m", "--config-dir", own.name, *line, "model.dropout=0,0.5", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rates = [yaml.safe_load(file.read_text())["optim"]["lr"] for file in
             tmp_path.glob("o/sweeps/*/*/config/config.yaml")]  # fmt: skip
    assert rates == [float(rate)] * 2
    (again,) = re.findall(r"winner again: scripts/run (.*)", done.stdout)
    repeated = typed(*shlex.split(again), "outputs=o", cwd=tmp_path)
    assert repeated.returncode == 0, repeated.stderr
    (run,) = tmp_path.glob("o/runs/*")
    assert f"lr: {rate}" in (run / "config" / "config.yaml").read_text()


def test_help_names_the_groups_and_their_choices_and_verbs() -> None:
    said = typed("--help").stdout
    for words in (
        "dataset: clothing, csv, fashion_mnist, folder, garments",
        "experiment: paper_basic_cnn",
        "sweep: dropout, lr, paper_grid, search, split_ratio",
        "--multirun",
        "fashion_exp ui …",
    ):
        assert words in said, said


def test_cfg_job_prints_a_config_that_composes_again() -> None:
    printed = yaml.safe_load(typed("--cfg", "job", "model=resnet50").stdout)
    assert printed["model"]["name"] == "resnet50" and printed["optim"]["lr"] == 1e-3


def test_help_loads_nothing_heavy() -> None:
    """What takes seconds to import is not imported: a figure that no busy machine changes."""
    code = (
        "import sys; sys.argv = ['fashion_exp', '--help']\n"
        "from fashion_exp.__main__ import main\n"
        "main(); heavy = {'torch', 'timm', 'mlflow', 'albumentations', 'sklearn', 'matplotlib',"
        " 'pandas', 'scipy', 'cv2'} & set(sys.modules); sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    started = time.perf_counter()
    assert "optim" in typed("--help").stdout
    assert time.perf_counter() - started < 20


def test_an_installed_wheel_finds_its_configs(tmp_path: Path) -> None:
    """The wheel alone, unpacked as an installer does, in a directory of its own."""
    repository = Path(__file__).resolve().parents[1]
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", str(tmp_path)]
    subprocess.run([*build, str(repository)], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    done = subprocess.run(
        [sys.executable, "-m", "fashion_exp", "tracking=none", "dataset.per_class=8",
         "dataset.drawn_size=16", "training.epochs=1", "repeats=1"],
        capture_output=True, text=True, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "outputs" / "runs").glob("*/result.json"))


def test_a_reader_that_has_enough_is_no_error() -> None:
    line = f"{sys.executable} -m fashion_exp --help | true"
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stderr == ""
