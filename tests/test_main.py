"""The command line as a user types it, in any directory."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pandas as pd
import pytest
import yaml
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from fashion_exp.__main__ import exit_code_of
from fashion_exp.evaluation.run_dir import PART_FILES
from fashion_exp.experiment.arguments import parse_arguments
from fashion_exp.signals import Terminated
from tests.command_line import (
    COMMAND,
    call_command,
    call_successfully,
    only_run,
    run_command,
    run_successfully,
    start_command,
    tracked_runs,
    tracked_statuses,
)
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.slow

TINY = (
    "dataset=folder", "dataset.image_size=16", "training.epochs=2", "training.batch_size=12",
    "repeats=2", "training.threads=1",
)  # fmt: skip


def runs_named(outputs: Path, prefix: str) -> list[Run]:
    return [run for run in tracked_runs(outputs) if run.info.run_name.startswith(prefix)]


@pytest.fixture(scope="module")
def single(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The outputs of one run, started with relative paths in another directory."""
    outputs = tmp_path_factory.mktemp("single outputs, ünïcode=1")
    root = os.path.relpath(photos, outputs)
    output = run_successfully(*TINY, f"dataset.root={root}", "outputs=.", cwd=outputs)
    assert str(only_run(outputs)) in output and "scripts/run ui" in output
    assert "runs that used these photos" in output
    return outputs


def test_everything_is_written_below_outputs(single: Path) -> None:
    run = only_run(single)
    names = {str(file.relative_to(run)) for file in run.rglob("*") if file.is_file()}
    assert names >= {
        "config/config.yaml", "config/overrides.yaml", "options.json", "run.log", "split.csv",
        "left_out.csv", "history.csv", "result.json", "test_evaluated.json", *PART_FILES.values(),
        "checkpoints/r0f0-last.safetensors", "checkpoints/r1f0-best.safetensors",
        "figures/curves.png", "figures/data.png", "figures/confusion_test.png",
        "figures/gallery_validation.png", "figures/gallery_test.png",
    }  # fmt: skip
    assert {entry.name for entry in single.iterdir()} >= {"mlflow.db", "artifacts", "runs"}
    assert yaml.safe_load((run / "config" / "config.yaml").read_text())["repeats"] == 2
    assert "training 2 of 2" in (run / "run.log").read_text()


def test_predictions_have_the_promised_columns(single: Path) -> None:
    frame = pd.read_parquet(next(single.glob(f"runs/*/{PART_FILES['validation']}")))
    assert list(frame.columns) == [
        "image_id", "path", "group_id", "label", "p_dress", "p_pullover", "p_shirt",
        "part", "fold", "repeat", "seed",
    ]  # fmt: skip
    probabilities = frame[["p_dress", "p_pullover", "p_shirt"]].sum(axis=1)
    assert (abs(probabilities - 1) < 1e-5).all()
    assert frame.groupby("repeat")["image_id"].nunique().tolist() == [12, 12]


def test_run_is_tracked_with_one_child_per_repeat(single: Path) -> None:
    (run,) = runs_named(single, "basic_cnn")
    assert run.info.status == "FINISHED"
    assert set(run.data.metrics) >= {"val_acc", "val_lo", "val_hi", "val_n", "val_f1", "val_loss",
                                     "test_acc", "test_lo", "test_hi", "test_n"}  # fmt: skip
    assert "val_t_lo" not in run.data.metrics, "two scores are too few for a t-interval"
    assert run.data.params["optim.lr"] == "0.001" and "outputs" not in run.data.params
    tags = {"split_hash", "data_fingerprint", "weights", "seed", "test_evaluations", "job_hash"}
    assert set(run.data.tags) >= tags
    assert run.inputs.dataset_inputs[0].dataset.digest == run.data.tags["data_fingerprint"]
    children = runs_named(single, "repeat")
    assert {child.data.tags["mlflow.parentRunId"] for child in children} == {run.info.run_id}
    assert len(children) == 2 and all("f_val_acc" in child.data.metrics for child in children)
    assert not any("val_acc" in child.data.metrics for child in children)
    artifacts = MlflowClient(f"sqlite:///{single / 'mlflow.db'}").list_artifacts(run.info.run_id)
    assert {item.path for item in artifacts} >= {"figures", "config", *PART_FILES.values()}


@pytest.fixture(scope="module")
def sweep(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The outputs and the printed text of a multirun of four jobs, two of which diverge."""
    outputs = tmp_path_factory.mktemp("sweep")
    done = call_command("--multirun", *TINY, f"dataset.root={photos}", f"outputs={outputs}",
                       "optim.lr=1e-3,1e30", "model.dropout=0,0.5", "model.width=4")  # fmt: skip
    assert done.returncode == 3, done.stdout + done.stderr
    return outputs, done.stdout + done.stderr


def test_jobs_of_a_sweep_have_one_parent(sweep: tuple[Path, str]) -> None:
    jobs = runs_named(sweep[0], "lr=")
    (parent,) = runs_named(sweep[0], "optim.lr=")
    assert {job.data.tags["mlflow.parentRunId"] for job in jobs} == {parent.info.run_id}
    swept = {f"lr={lr} dropout={value}" for lr in ("0.001", "1e+30") for value in (0, 0.5)}
    names = {job.info.run_name for job in jobs}
    assert {name[: name.index(" basic_cnn")] for name in names} == swept
    assert all(" width=4" in name and " threads=" not in name for name in names)
    assert {"s_val_acc", "s_test_acc", "s_jobs", "s_failed"} <= set(parent.data.metrics)
    assert "dropout" in parent.data.tags["mlflow.note.content"]


def test_sweep_ends_with_its_report_in_its_folder_and_at_the_parent(
    sweep: tuple[Path, str],
) -> None:
    (page,) = sweep[0].glob("sweeps/*/report/report.html")
    assert (
        f"page:    {page}" in sweep[1]
        and "3 comparisons, allowing for the choice of the best of 4" in page.read_text()
    )
    (parent,) = runs_named(sweep[0], "optim.lr=")
    artifacts = Path(parent.info.artifact_uri.removeprefix("file://")) / "report"
    assert (artifacts / "report.html").read_bytes() == page.read_bytes()
    assert (artifacts / "figures" / "verdicts.png").exists()


def test_printed_command_trains_the_winner_again_with_the_same_numbers(
    sweep: tuple[Path, str],
) -> None:
    outputs, output = sweep
    winner = Path(re.findall(r"^winner: (\S+) \(optim", output, re.MULTILINE)[0])
    (command,) = re.findall(r"^to train the winner again: scripts/run (.*)", output, re.MULTILINE)
    call_successfully(*shlex.split(command), "cache.trainings=false", cwd=outputs)
    again = only_run(outputs)
    for name in PART_FILES.values():
        pd.testing.assert_frame_equal(pd.read_parquet(again / name), pd.read_parquet(winner / name))
    leaderboard = pd.read_csv(winner.parent / "leaderboard.csv")
    assert leaderboard["folder"][0] == str(winner)
    assert leaderboard["command"][0] == f"scripts/run {command}"
    page = (winner.parent / "report" / "report.md").read_text()
    assert str(winner) in page and f"scripts/run report {winner}" in page


def test_failed_jobs_leave_the_others_and_are_reported(sweep: tuple[Path, str]) -> None:
    outputs, output = sweep
    statuses = [job.info.status for job in runs_named(outputs, "lr=")]
    assert sorted(statuses) == ["FAILED", "FAILED", "FINISHED", "FINISHED"]
    assert "Diverged: the training loss became" in output and "Traceback" not in output
    (board,) = outputs.glob("sweeps/*/leaderboard.csv")
    assert sorted(pd.read_csv(board)["status"]) == ["diverged"] * 2 + ["done"] * 2


def test_only_the_test_of_the_best_job_is_evaluated(sweep: tuple[Path, str]) -> None:
    evaluated = list(sweep[0].glob("sweeps/*/*/test_evaluated.json"))
    held_out = list(sweep[0].glob(f"sweeps/*/*/{PART_FILES['test']}"))
    assert len(evaluated) == 1 and len(held_out) == 2
    assert len((sweep[0] / "test_evaluations.jsonl").read_text().splitlines()) == 1


@pytest.mark.parametrize("switch", ["--evaluate-test", "--open-test"])
def test_switch_has_its_name_in_this_version_and_the_earlier_one(switch: str) -> None:
    assert parse_arguments(["-m", "optim.lr=1,2", switch]).jobs[0].sweep.evaluate_test


def test_switch_evaluates_the_test_of_every_job(photos: Path, tmp_path: Path) -> None:
    call_successfully("-m", *TINY, f"dataset.root={photos}", f"outputs={tmp_path}", "tracking=none",
                     "repeats=1", "optim.lr=1e-3,1e-2", "--evaluate-test")  # fmt: skip
    assert len(list(tmp_path.glob("sweeps/*/*/test_evaluated.json"))) == 2
    assert len((tmp_path / "test_evaluations.jsonl").read_text().splitlines()) == 2


def test_two_runs_may_start_at_once_on_a_new_database(photos: Path, tmp_path: Path) -> None:
    processes = [
        start_command(
            *TINY, f"dataset.root={photos}", f"outputs={tmp_path}", "repeats=1", f"seed={seed}"
        )
        for seed in range(2)
    ]
    errors = [process.communicate(timeout=240)[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * 2, "\n".join(errors)
    assert tracked_statuses(tmp_path) == ["FINISHED"] * 2
    assert len(list((tmp_path / "runs").iterdir())) == 2
    lines = (tmp_path / "test_evaluations.jsonl").read_text().splitlines()
    assert len({json.loads(line)["run"] for line in lines}) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["optim.lrr=1"], "did you mean optim.lr"),
        (["--flag"], "no such switch"),
        (["uii"], "uii: neither a subcommand nor OPTION=VALUE; did you mean ui?"),
        (["zebra"], "zebra: neither a subcommand nor OPTION=VALUE; choices: active, cache"),
        (["sweep", "staus"], "sweep staus: unknown; did you mean status?"),
        (["optim.lr=1", ""], "empty argument"),
        (["dataset=folder"], "dataset.root is missing: dataset=folder needs dataset.root=FOLDER"),
        (["-m", "dataset=csv", "optim.lr=1,2"], "dataset.manifest is missing"),
        (["dataset=folder", "dataset.root=no/such/folder"], "dataset.root"),
        (["dataset=clothing"], "dataset.root: not given"),
        (["dataset=fashion_mnist"], "dataset.root: not given"),
        (["dataset=folder", "model=timm"], "dataset.root, model.name are missing"),
        (["--evaluate-test"], "--evaluate-test needs --multirun"),
        (["resume=~no-such-user/run"], "resume=~no-such-user/run: there is no such user"),
        (["hydra/launcher=processes", "repeats=1"], "has no effect on a single run; add --multi"),
        (["sweep.parent=x"], "sweep.parent=x: only a sweep sets sweep.parent"),
    ],
)
def test_mistake_is_reported_in_one_line_and_leaves_nothing(
    arguments: list[str], message: str, tmp_path: Path
) -> None:
    outputs = [f"outputs={tmp_path}"] if "=" in arguments[-1] or "-" in arguments[0] else []
    done = call_command(*arguments, *outputs)
    assert done.returncode == 2
    assert message in done.stderr and done.stderr.count("\n") == 1
    assert not tmp_path.exists() or not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("option", ["optim.name=Adamm", "optim.name=LBFGS", "model.name=resnet5O"])
def test_unknown_model_or_optimizer_leaves_nothing(
    option: str, photos: Path, tmp_path: Path
) -> None:
    outputs = tmp_path / "outputs"
    tiny = [word for word in TINY if not word.startswith("model=")]
    model = "model=timm" if "model" in option else "model=basic_cnn"
    done = call_command(*tiny, f"dataset.root={photos}", model, option, f"outputs={outputs}")
    assert done.returncode == 2 and option in done.stderr
    assert not outputs.exists()


def test_choices_of_a_config_dir_act_in_every_job_and_in_the_printed_command(
    photos: Path, tmp_path: Path
) -> None:
    folder, lr = tmp_path / "my choices, 1", "0.125"
    (folder / "optim").mkdir(parents=True)
    (folder / "optim" / "mine.yaml").write_text(f"defaults: [sgd]\nlr: {lr}\n")
    mistyped = run_command("--config-dir=my choices, 1", "optim=mien", cwd=tmp_path)
    assert (mistyped.returncode, mistyped.stderr.count("\n")) == (2, 1)
    assert "did you mean mine?" in mistyped.stderr
    options = [*TINY, "repeats=1", f"dataset.root={photos}", "optim=mine", "outputs=o",
               "tracking=none"]  # fmt: skip
    arguments = ("-m", "--config-dir", folder.name, *options, "model.dropout=0,0.5")
    output = call_successfully(*arguments, cwd=tmp_path)
    configs = [yaml.safe_load(file.read_text()) for file in
               tmp_path.glob("o/sweeps/*/*/config/config.yaml")]  # fmt: skip
    assert [config["optim"]["lr"] for config in configs] == [float(lr)] * 2
    (command,) = re.findall(r"scripts/run (--config-dir.*|.*optim=mine.*)", output)
    call_successfully(*shlex.split(command), "outputs=o", cwd=tmp_path)
    (run,) = tmp_path.glob("o/runs/*")
    assert f"lr: {lr}" in (run / "config" / "config.yaml").read_text()


def test_help_names_groups_choices_and_subcommands() -> None:
    output = call_successfully("--help")
    for text in (
        "dataset: clothing, csv, fashion_mnist, folder, garments",
        "experiment: paper_basic_cnn",
        "sweep: dropout, heads, lr, paper_grid, search, split_ratio",
        "--multirun",
        "Compare:\n  compare ",
        "hydra/launcher: inline, processes, ray, slurm",
        "-sc install=bash",
    ):
        assert text in output, output


def test_printed_config_has_the_chosen_values() -> None:
    config = yaml.safe_load(call_successfully("--cfg", "job", "model=resnet50"))
    assert config["model"]["name"] == "resnet50" and config["optim"]["lr"] == 1e-3


HEAVY = {"torch", "timm", "mlflow", "albumentations", "sklearn", "matplotlib", "pandas", "scipy",
         "cv2"}  # fmt: skip
"""Packages that take long to import."""


def imported(*arguments: str, among: set[str]) -> set[str]:
    """Which of these packages a command imports."""
    code = (
        f"import sys; sys.argv = ['fashion_exp', *{list(arguments)!r}]\n"
        "from fashion_exp.__main__ import main\n"
        "main(); print('\\n' + ' '.join(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return among & set(done.stdout.splitlines()[-1].split())


def test_help_imports_nothing_heavy() -> None:
    assert imported("--help", among=HEAVY) == set()


def test_installed_wheel_finds_its_configs(tmp_path: Path) -> None:
    """The wheel alone, unpacked as an installer does, in a directory of its own."""
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", str(tmp_path)]
    subprocess.run([*build, str(REPOSITORY)], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    options = ["tracking=none", "dataset.per_class=8", "dataset.drawn_size=16",
               "training.epochs=1", "repeats=1"]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    done = subprocess.run(
        [*COMMAND, *options], capture_output=True, text=True, cwd=tmp_path, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "outputs" / "runs").glob("*/result.json"))


@pytest.mark.parametrize(
    ("error", "code"), [(KeyboardInterrupt(), 130), (Terminated(), 128 + signal.SIGTERM)]
)
def test_interruption_says_so_or_how_to_continue(
    error: KeyboardInterrupt, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code_of(error) == code
    error.add_note("stopped; the same command continues")
    assert exit_code_of(error) == code
    assert capsys.readouterr().err == "\nstopped\n\nstopped; the same command continues\n"


def test_closed_pipe_is_no_error() -> None:
    pipeline = f"{shlex.join(COMMAND)} --help | true"
    done = subprocess.run(["sh", "-c", pipeline], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stderr == ""
