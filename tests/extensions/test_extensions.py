"""Pieces of the user's own act, belong to a job's identity, and are there when a run is used."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fashion_exp.configuration.composition import parse_command_line
from fashion_exp.configuration.stored_config import load_config
from fashion_exp.errors import InputError
from fashion_exp.evaluation.own_code import RUN_CODE, store_code, use_training_code
from fashion_exp.evaluation.run_dir import RunDir
from fashion_exp.experiment import fold
from fashion_exp.experiment.arguments import parse_arguments
from fashion_exp.experiment.job import run_job
from fashion_exp.extensions.files import read_code, use_code
from fashion_exp.extensions.registry import code_hash
from fashion_exp.sweeps.jobs import JobFactory
from tests.command_line import call_command, call_successfully, only_run, run_successfully
from tests.command_line import tracked_runs as tracked
from tests.conftest import REPOSITORY, TinyRun

SMALL = ("training.epochs=2", "training.batch_size=12", "training.threads=1", "repeats=1")


@pytest.fixture
def pieces(tmp_path: Path) -> Path:
    """The file that the documentation shows."""
    text = (REPOSITORY / "docs" / "extensions.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    file = tmp_path / "my_pieces.py"
    file.write_text(code)
    return file


def write(folder: Path, text: str, name: str = "own.py") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_text(f"import fashion_exp as fx\n{text}\n")
    return file


CONSTANT_LOSS = "@fx.register_loss\ndef flat(logits, targets):\n    return logits.sum(1) * {}\n"


@pytest.mark.slow
def test_documented_pieces_act_and_are_there_when_the_run_is_used(
    pieces: Path, photos: Path, tmp_path: Path
) -> None:
    outputs = tmp_path / "outputs"
    output = call_successfully(
        f"extensions=[{pieces}]", "dataset=csv", "dataset.name=by_name", f"dataset.root={photos}",
        "dataset.image_size=16", "model=timm", "model.name=tiny_net", "model.width=5",
        "training.loss=squared_error", "optim.name=SignSGD", "schedule.name=halving",
        "augmentation.operations=[{name: speckle, strength: 10, p: 0.5}]", *SMALL,
        f"outputs={outputs}",
    )  # fmt: skip
    assert "tiny_net, 158 parameters" in output and "top2 (95 %)" in output
    assert "No interval of gap (validation): one number for each training" in output
    run = only_run(outputs)
    assert (run / "extensions" / "my_pieces.py").read_text() == pieces.read_text()
    history = pd.read_csv(run / "history.csv")
    assert history["lr"].dropna().iloc[-1] < 0.3e-3
    (logged,) = tracked(outputs)
    assert {"val_top2", "val_top2_lo", "test_top2", "val_gap"} <= logged.data.metrics.keys()
    assert "val_gap_lo" not in logged.data.metrics
    pieces.unlink()  # the copy in the run is used
    answer = call_successfully("predict", str(run), str(photos), "--outputs", str(outputs))
    assert "72 photos" in answer
    rng = np.random.default_rng(1)
    for number, name in enumerate(("dress", "pullover", "shirt") * 4):
        (tmp_path / "new" / name).mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "new" / name / f"{number}.png")
    evaluate = ("evaluate", str(run), str(tmp_path / "new"), "--outputs", str(outputs), "--json")
    top2 = json.loads(call_successfully(*evaluate))["top2"]
    assert 0 <= top2[1] < top2[0] < top2[2] <= 1
    file = tmp_path / "model.onnx"
    call_successfully(
        "export", str(run), "--format", "onnx", "--into", str(file), "--outputs", str(outputs)
    )
    assert file.exists()


@pytest.mark.slow
def test_own_metric_of_images_is_compared_by_the_paired_tests(
    pieces: Path, photos: Path, tmp_path: Path
) -> None:
    common = (
        f"extensions=[{pieces}]", "dataset=folder", f"dataset.root={photos}",
        "dataset.image_size=16", "tracking=none", *SMALL, f"outputs={tmp_path}",
    )  # fmt: skip
    for rate in ("1e-2", "1e-6"):
        call_successfully(*common, f"optim.lr={rate}")
    runs = sorted(map(str, (tmp_path / "runs").iterdir()))
    at = ("--outputs", str(tmp_path))
    text = call_successfully("compare", *runs, "--metric", "top2", *at)
    assert "p (adjusted)" in text and "top2" in text and "gap" in text
    refused = call_command("compare", *runs, "--metric", "gap", *at)
    assert refused.returncode == 2 and "no paired test applies" in refused.stderr
    unknown = call_command("compare", *runs, "--metric", "top3", *at)
    assert unknown.returncode == 2 and "no such metric; choices:" in unknown.stderr
    assert "top2" in unknown.stderr


@pytest.mark.slow
def test_changed_file_is_another_job_and_an_equal_one_is_the_same(
    tiny: Callable[..., TinyRun], tmp_path: Path
) -> None:
    first, second = (tmp_path / name for name in "ab")
    files = [write(folder, CONSTANT_LOSS.format(0)) for folder in (first, second)]
    options = ("training.loss=flat", "cache.trainings=true")
    runs = [tiny(f"extensions=[{file}]", *options) for file in files]
    assert runs[0].facts["job_hash"] == runs[1].facts["job_hash"]
    assert runs[1].facts["trainings"].startswith("1 of 1 reused")
    files[1].write_text(files[1].read_text().replace("* 0", "* 1e-3"))
    changed = tiny(f"extensions=[{files[1]}]", *options)
    assert changed.facts["job_hash"] != runs[0].facts["job_hash"]
    assert changed.facts["trainings"].startswith("0 of 1 reused")
    assert changed.text("history.csv") != runs[0].text("history.csv")


def test_file_that_is_edited_during_a_sweep_is_the_planned_one_for_all_jobs(
    photos: Path, tmp_path: Path
) -> None:
    file = write(tmp_path, CONSTANT_LOSS.format(0))
    line = parse_command_line([
        "--multirun", "optim.lr=1e-3,1e-2", f"extensions=[{file}]", "training.loss=flat",
        "dataset=folder", f"dataset.root={photos}", f"outputs={tmp_path / 'outputs'}",
    ])  # fmt: skip
    outputs = tmp_path / "outputs"
    factory = JobFactory(line, outputs / "sweeps" / "s", outputs / "cache", {}, 1, None)
    (first, second), planned = factory.make_grid_jobs(), code_hash()
    file.write_text(file.read_text().replace("* 0", "* 1e-3"))
    proposed = factory.make_job(first.cfg, first.overrides)  # as a search does amid the sweep
    assert proposed.hash == first.hash and code_hash() == planned
    for job in (first, second):
        spec = job.spec(outputs, {})
        use_code([])
        use_training_code(spec.cfg, RunDir(spec.folder))
        assert code_hash() == planned


def test_files_of_one_name_are_both_kept(tiny: Callable[..., TinyRun], tmp_path: Path) -> None:
    loss = write(tmp_path / "a", CONSTANT_LOSS.format(0))
    metric = write(tmp_path / "b", "@fx.register_metric\ndef half(l, p):\n    return 0 * l + .5")
    run = tiny(f"extensions=[{loss},{metric}]", "training.loss=flat")
    assert sorted(os.listdir(run.output / "extensions")) == ["own-2.py", "own.py"]
    assert (run.predictions("test")["metric_half"] == 0.5).all()


CALLBACK = "@fx.register_callback\ndef stop(epoch, metrics):\n    return epoch == 3"


@pytest.mark.slow
def test_callback_ends_a_training_also_a_resumed_one_with_the_copy_of_the_file(
    tiny: Callable[..., TinyRun],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    file = write(tmp_path, CALLBACK)
    options = (f"extensions=[{file}]", "training.epochs=6", "training.threads=1")
    whole = tiny(*options)
    assert whole.history["epoch"].max() == 3
    calls = iter(range(3))

    def interrupt() -> None:
        if next(calls) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(fold, "raise_if_interrupted", interrupt)
        tiny(*options)
    file.write_text(file.read_text().replace("3", "5"))
    run = RunDir(whole.output.with_name("1"))
    assert run_job(load_config(run.config_file), run, options) == 0
    assert TinyRun(run.path).text("history.csv") == whole.text("history.csv")
    assert "own.py has changed since this run was started" in caplog.text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def f(:", "own.py, line 2: SyntaxError"),
        ("\n1 / 0", "own.py, line 3: ZeroDivisionError: division by zero"),
        ("import no_such_package", "own.py, line 2: ModuleNotFoundError"),
        ("raise SystemExit(3)", "own.py, line 2: SystemExit: 3"),
        ("", "own.py registers nothing"),
        (CONSTANT_LOSS.format(0) * 2, "own.py registers the loss flat twice"),
        ("@fx.register_loss\ndef flat(logits): ...", "own.py: flat: a loss is called with (logits"),
        ("@fx.register_loss\ndef focal(logits, targets): ...", "the loss focal, a name that"),
        ("@fx.register_model\ndef resnet50(in_chans): ...", "the model resnet50, a name that timm"),
        ("@fx.register_transform\ndef Affine(image, rng): ...", "a name that albumentations"),
        ("@fx.register_optimizer\nclass Adam:\n  def __init__(self, p): ...", "that torch.optim"),
        ("@fx.register_schedule\ndef cosine(epochs): ...", "the schedule cosine, a name that"),
        ("@fx.register_source\ndef csv(cfg, cache): ...", "the source csv, a name that"),
        ("@fx.register_metric\ndef loss(a, b): ...", "the metric loss, a name that"),
        ("@fx.register_metric\ndef m(a, b): return a[:2]", "own.py: m: gives (2,) for 12 images"),
        (
            "@fx.register_metric\ndef m(a, b): return a * float('nan')",
            "own.py: m: gives numbers that are",
        ),
        ("@fx.register_metric\ndef m(a, b): return a.x", "own.py: m: AttributeError"),
    ],
)
def test_mistake_in_a_file_is_one_line(text: str, message: str, tmp_path: Path) -> None:
    file = write(tmp_path, text)
    done = call_command(f"extensions=[{file}]", f"outputs={tmp_path / 'outputs'}")
    assert done.returncode == 2 and message in done.stderr, done.stderr
    assert done.stderr.count("\n") == 1 and not (tmp_path / "outputs").exists()


def test_unknown_names_and_files_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    file = write(tmp_path, CONSTANT_LOSS.format(0))
    at = f"outputs={tmp_path / 'outputs'}"
    for arguments, message in {
        (f"extensions=[{file}]", "training.loss=flatt"): "did you mean flat?",
        (f"extensions=[{file}]", "dataset=csv", "dataset.name=shop"): "no file of extensions",
        (
            f"extensions=[{file}]",
            "model.depth=2",
            "model=timm",
            "model.name=resnet18",
        ): "model.depth has no effect here: resnet18",
        (f"extensions=[{tmp_path / 'onw.py'}]",): "no such file; did you mean own.py?",
        (f"extensions=[{file},{file}]",): "the file is named twice",
        ("training.loss=flat",): "no such loss",
    }.items():
        done = call_command(*arguments, at)
        assert done.returncode == 2 and message in done.stderr, done.stderr
    assert not (tmp_path / "outputs").exists()


def test_two_files_may_not_register_one_name(tmp_path: Path) -> None:
    files = [write(tmp_path, CONSTANT_LOSS.format(n), f"{n}.py") for n in "12"]
    done = call_command(f"extensions=[{files[0]},{files[1]}]")
    assert "2.py registers the loss flat and so does 1.py" in done.stderr


@pytest.mark.slow
def test_code_of_a_run_from_elsewhere_is_executed_only_if_the_user_says_so(
    pieces: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call_successfully(
        f"extensions=[{pieces}]", "dataset=folder", f"dataset.root={photos}", "model=timm",
        "model.name=tiny_net", "dataset.image_size=16", "tracking=none", *SMALL,
        f"outputs={tmp_path / 'outputs'}",
    )  # fmt: skip
    moved = tmp_path / "elsewhere" / "runs" / "copy"
    shutil.copytree(only_run(tmp_path / "outputs"), moved)
    predict = ("predict", str(moved), str(photos), "--outputs", str(tmp_path / "elsewhere"))
    assert call_command(*predict).returncode == 0  # the file itself is still there
    pieces.write_text("")
    refused = call_command(*predict)
    assert refused.returncode == 2 and f"set {RUN_CODE}=1" in refused.stderr
    monkeypatch.setenv(RUN_CODE, "1")
    assert call_command(*predict).returncode == 0
    (moved / "extensions" / "my_pieces.py").write_text("import os")
    assert "changed since the run was trained with it" in call_command(*predict).stderr


@pytest.mark.slow
def test_code_beside_a_config_that_names_none_is_not_executed_either(
    tiny: Callable[..., TinyRun], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a study could have it executed by a run that is resumed or extended."""
    run = RunDir(tiny("training.epochs=1").output)
    own = tmp_path / "own.py"
    own.write_text("raise RuntimeError('executed')")
    store_code(read_code([str(own)]), run)
    own.unlink()
    extend = [f"extend={run.path}", "training.epochs=2"]
    with pytest.raises(InputError, match=f"set {RUN_CODE}=1"):
        parse_arguments(extend)
    with monkeypatch.context() as patch, pytest.raises(InputError, match="executed"):
        patch.setenv(RUN_CODE, "1")
        parse_arguments(extend)
    run.result_file.unlink()
    with pytest.raises(InputError, match=f"set {RUN_CODE}=1"):
        parse_arguments([f"resume={run.path}"])


def test_job_is_not_trained_with_the_code_that_its_folder_came_with(tmp_path: Path) -> None:
    names = ("theirs", "mine")
    for name in names:
        (tmp_path / f"{name}.py").write_text(f"# {name}")
    theirs, mine = (read_code([str(tmp_path / f"{name}.py")]) for name in names)
    job = RunDir(tmp_path / "sweeps" / "lr" / "job")
    store_code(theirs, job)
    store_code(theirs, job)
    for files in (mine, ()):
        with pytest.raises(InputError, match="has the code of other files"):
            store_code(files, job)


@pytest.mark.slow
def test_processes_of_a_sweep_have_the_pieces(pieces: Path, photos: Path, tmp_path: Path) -> None:
    output = run_successfully(
        "--multirun", "hydra/launcher=processes", "hydra.launcher.jobs=2", "optim.lr=1e-3,1e-2",
        f"extensions=[{pieces}]", "dataset=folder", f"dataset.root={photos}", "model=timm",
        "model.name=tiny_net", "training.loss=squared_error", "dataset.image_size=16",
        "tracking=none", *SMALL, f"outputs={tmp_path}",
    )  # fmt: skip
    assert "2 jobs: 2 to run" in output
    copies = list((tmp_path / "sweeps").rglob("extensions/my_pieces.py"))
    assert len(copies) == 2
