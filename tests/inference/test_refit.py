"""A refit has the recipe of its run, more photos, and no accuracy of its own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from rich.console import Console

from fashion_exp.commands.refit import run as refit_command
from fashion_exp.comparison.find_runs import find_runs
from fashion_exp.errors import InputError
from fashion_exp.experiment.divergence import Diverged
from fashion_exp.inference.predict import predict
from fashion_exp.inference.refit import describe, refit
from fashion_exp.inference.trained_run import TrainedRun, load_run
from fashion_exp.models.metadata import read_metadata, training_images
from fashion_exp.reporting.progress import Progress
from fashion_exp.tools.doctor.files import findings
from tests.command_line import documented_keys
from tests.conftest import TinyRun

pytestmark = pytest.mark.slow


@pytest.fixture
def study(trained_folder: Path, tmp_path: Path) -> TrainedRun:
    """A copy of the tiny run, whose outputs folder may be written to."""
    earlier_refits = shutil.ignore_patterns("refits")  # of other tests with the same run
    shutil.copytree(trained_folder.parents[1], tmp_path / "outputs", ignore=earlier_refits)
    return load_run("tiny", tmp_path / "outputs")


def fitted(study: TrainedRun, **options: object) -> TrainedRun:
    with Progress(Console(quiet=True)) as progress:
        return refit(study, progress, **options)  # type: ignore[arg-type]


def trained_on(run: TrainedRun, name: str) -> set[str]:
    file = run.run.checkpoints / f"{name}-last.safetensors"
    return set(training_images(file, read_metadata(file)))


@pytest.mark.parametrize("with_test", [False, True])
def test_refit_trains_on_all_photos_but_those_of_the_test(
    with_test: bool, study: TrainedRun
) -> None:
    outputs = study.run.path.parents[1]
    (study.run.evaluations / "shop").mkdir(parents=True)
    run = fitted(study, models=1, with_test=with_test)
    assert not run.run.evaluations.exists()  # they are of other models
    split = pd.read_csv(study.run.split_file)
    used = split if with_test else split[split["r0f0"] != "test"]
    assert run.model_names == ("r0f0",) and trained_on(run, "r0f0") == set(used["image_id"])
    assert len(used) > (split["r0f0"] == "train").sum()
    assert run.run.path.parent == outputs / "refits"
    assert find_runs([], outputs, None) == [study.run.path]
    assert describe(run)[0].startswith("1 model trained for 3 epochs on all ")
    assert f"({len(used)})" in describe(run)[0]
    assert "Their accuracy is not measured." in describe(run)[1]
    of_model = study.predictions("test").query("repeat == 0")
    assert run.predictions("test").equals(of_model.reset_index(drop=True))


def test_refit_is_a_function_of_run_and_photos(study: TrainedRun, photos: Path) -> None:
    first, second = fitted(study), fitted(study)
    tables = [next(predict(run, [photos])) for run in (first, second, study)]
    assert first.run.path != second.run.path and first.model_names == study.model_names
    pd.testing.assert_frame_equal(tables[0], tables[1])
    assert not np.allclose(tables[0]["probability"], tables[2]["probability"])


@pytest.mark.parametrize("models", [0, -1, 3])
def test_number_of_models_is_that_of_trainings_at_most(study: TrainedRun, models: int) -> None:
    with pytest.raises(InputError, match=f"--models {models}: from 1 to 2"):
        fitted(study, models=models)


def test_interrupted_refit_continues_to_the_same_models(
    study: TrainedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, epochs, outputs = fitted(study), list[int](), study.run.path.parents[1]

    def interrupt(_: object, epoch: int, loss: float) -> None:
        epochs.append(epoch)
        if len(epochs) == 5:
            raise KeyboardInterrupt

    monkeypatch.setattr("fashion_exp.inference.refit.check_loss", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fitted(study)
    (hidden,) = outputs.glob("refits/.*")
    assert [f.where for f in findings(outputs) if f.what == "an interrupted refit"] == [str(hidden)]
    continued = fitted(study)
    assert epochs == [1, 2, 3, 1, 2, 2, 3] and not hidden.exists()
    for name in whole.model_names:
        first, second = (run.model(name).state_dict() for run in (whole, continued))
        assert all(torch.equal(first[key], second[key]) for key in first)


def test_diverged_refit_leaves_nothing(study: TrainedRun, monkeypatch: pytest.MonkeyPatch) -> None:
    def diverge(*_: object) -> None:
        raise Diverged("the loss became nan")

    monkeypatch.setattr("fashion_exp.inference.refit.check_loss", diverge)
    with pytest.raises(Diverged):
        fitted(study)
    assert not list((study.run.path.parents[1] / "refits").iterdir())


@pytest.mark.parametrize(
    ("split", "models"),
    [(["split=kfold", "split.folds=3", "repeats=1"], 3), (["split=official", "repeats=1"], 1)],
)
def test_refit_joins_training_and_validation_photos(
    split: list[str], models: int, tiny: Callable[..., TinyRun]
) -> None:
    output = tiny(*split, "model.width=4", "model.depth=1").output
    study = load_run(output, output.parent)
    run = fitted(study)
    parts = pd.read_csv(study.run.split_file)
    development = parts.loc[parts["r0f0"].isin(["train", "validation"]), "image_id"]
    assert len(run.model_names) == models
    assert all(trained_on(run, name) == set(development) for name in run.model_names)


def test_command_names_the_folder_and_predicts_by_its_name(
    study: TrainedRun, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs = study.run.path.parents[1]
    assert refit_command(["tiny", "--models", "1", "--outputs", str(outputs)]) == 0
    (folder,) = (outputs / "refits").iterdir()
    assert f"models: {folder}" in capsys.readouterr().out
    tables = predict(load_run(folder.name[-4:], outputs), [photos])
    assert sum(len(table) for table in tables) == 72
    assert refit_command(["tiny", "--models", "1", "--json", "--outputs", str(outputs)]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed.keys() == documented_keys("refit")
    assert Path(printed["path"]) in (outputs / "refits").iterdir() and printed["study"] == "tiny"
    for reference, models, message in (
        ("tiny", "3", "--models 3: from 1 to 2"), (folder.name, "1", "is a refit"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=message):
            refit_command([reference, "--models", models, "--outputs", str(outputs)])


def test_changed_photos_are_refused_and_leave_nothing(
    study: TrainedRun, photos: Path, tmp_path: Path
) -> None:
    changed = tmp_path / "photos"
    shutil.copytree(photos, changed)
    (changed / "train" / "dress" / "00.png").unlink()
    study.run.paths_file.unlink()
    text = study.run.config_file.read_text().replace(str(photos), str(changed))
    study.run.config_file.write_text(text)
    with pytest.raises(InputError, match="have changed since"):
        fitted(load_run(study.run.path, tmp_path))
    assert not (tmp_path / "outputs" / "refits").exists()


def test_refit_has_the_average_of_the_weights(tiny: Callable[..., TinyRun], tmp_path: Path) -> None:
    """The weights themselves are those of the same training without an average."""
    states = []
    for decay in ("null", "0.9"):
        run = tiny(f"training.ema_decay={decay}", "repeats=1", "training.epochs=2")
        refitted = fitted(load_run(run.output, tmp_path / "outputs"))
        states.append(refitted.model("r0f0").head.state_dict())
    assert not any(torch.equal(states[0][key], states[1][key]) for key in states[0])
