"""A soup has the mean of its models' weights, and is judged on photos that no model has seen."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from fashion_exp.errors import InputError
from fashion_exp.evaluation.run_dir import RunDir
from fashion_exp.inference.predict import predict
from fashion_exp.inference.soup import make_soup, sentences
from fashion_exp.inference.trained_run import TrainedRun, load_run
from fashion_exp.models.metadata import read_metadata, training_images
from fashion_exp.models.weight_soup import average_states, recompute_norms
from fashion_exp.reporting.console import plain_console
from fashion_exp.reporting.progress import Progress
from tests.command_line import call_command, call_successfully, documented_keys
from tests.conftest import TinyRun

pytestmark = pytest.mark.slow


def tuned(backbone_files: dict[str, Path], *more: str) -> tuple[str, ...]:
    """Fine-tuning of a network with pretrained weights."""
    return (
        "model=timm", "model.name=test_resnet", f"model.weights={backbone_files['test_resnet']}",
        "dataset.image_size=null", "model.freeze=none", "repeats=3", "optim.lr=1e-3", *more,
    )  # fmt: skip


def load(run: TinyRun, tmp_path: Path) -> TrainedRun:
    return load_run(run.output, tmp_path / "outputs")


def quiet() -> Progress:
    return Progress(plain_console(stderr=True))


def test_soup_of_fine_tuned_models_is_judged_and_predicts(
    tiny: Callable[..., TinyRun], backbone_files: dict[str, Path], tmp_path: Path, photos: Path
) -> None:
    run = load(tiny(*tuned(backbone_files)), tmp_path)
    made = make_soup(run, quiet())
    assert made.averaged == run.model_names == ("r0f0", "r1f0", "r2f0")
    (file,) = made.trained.run.checkpoints.glob("*.safetensors")
    states = [load_file(run.run.checkpoints / f"{name}-last.safetensors") for name in made.averaged]
    soup = load_file(file)
    assert torch.allclose(
        soup["head.1.weight"], torch.stack([s["head.1.weight"] for s in states]).mean(0)
    )
    statistics = next(name for name in soup if name.endswith("running_var"))
    assert made.norms > 0
    assert not torch.allclose(
        soup[statistics], torch.stack([s[statistics] for s in states]).mean(0)
    )
    trained_on = set(training_images(file, read_metadata(file)))
    test = set(run.predictions("test")["image_id"])
    assert trained_on and not trained_on & test
    assert made.accuracy is not None and made.evaluations == 2
    frame = pd.concat(predict(made.trained, [str(photos)]))
    by_path = frame.set_index("path")["predicted"]
    rows = run.predictions("test").drop_duplicates("image_id")
    hits = [
        by_path[str(photos / path)] == label
        for path, label in zip(rows["path"], rows["label"], strict=True)
    ]
    assert sum(hits) / len(hits) == pytest.approx(made.accuracy.estimate)
    assert any("Test accuracy" in line for line in sentences(made))


def test_soup_of_linear_heads_is_the_mean_of_their_logits(
    tiny: Callable[..., TinyRun], backbone_files: dict[str, Path], tmp_path: Path
) -> None:
    options = tuned(backbone_files, "model.freeze=backbone", "model.head=logistic", "model.c=1")
    defaults = ("training.epochs=8", "training.batch_size=32", "optim.lr=1e-3")
    run = load(tiny(*options, *defaults), tmp_path)
    made = make_soup(run, quiet())
    images = torch.randint(0, 256, (4, 3, 24, 24), dtype=torch.uint8)
    logits = torch.stack([run.model(name)(images) for name in run.model_names]).mean(0)
    assert torch.allclose(made.trained.model("r0f0")(images), logits, atol=1e-4)
    assert made.norms == 0


def test_greedy_soup_needs_photos_that_no_model_was_trained_on(
    tiny: Callable[..., TinyRun], backbone_files: dict[str, Path], tmp_path: Path
) -> None:
    shared = load(tiny(*tuned(backbone_files, "split.redraw=false")), tmp_path)
    made = make_soup(shared, quiet(), greedy=True)
    assert 1 <= len(made.averaged) <= 3
    folds = load(
        tiny(*tuned(backbone_files, "split=kfold", "split.folds=2", "repeats=1")), tmp_path
    )
    with pytest.raises(InputError, match="none can choose among them"):
        make_soup(folds, quiet(), greedy=True)
    assert make_soup(folds, quiet()).averaged == ("r0f0", "r0f1")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("repeats=2",), "start from different random weights"),
        (("TUNED", "repeats=1"), "has one model"),
        (("TUNED", "model.head=new"), "the hidden layers of model.head=new start"),
    ],
)
def test_models_of_different_starts_are_refused(
    options: tuple[str, ...], message: str, tiny: Callable[..., TinyRun],
    backbone_files: dict[str, Path], tmp_path: Path,
) -> None:  # fmt: skip
    if options[0] == "TUNED":
        options = tuned(backbone_files, *options[1:])
    run = load(tiny(*options, "training.epochs=1"), tmp_path)
    with pytest.raises(InputError, match=message):
        make_soup(run, quiet())
    assert not (tmp_path / "outputs" / "refits").exists()


def test_held_out_test_stays_held_out(
    tiny: Callable[..., TinyRun], backbone_files: dict[str, Path], tmp_path: Path
) -> None:
    run = tiny(*tuned(backbone_files), hold_out_test=True)
    outputs = ("--outputs", str(tmp_path / "outputs"))
    text = call_successfully("soup", str(run.output), *outputs)
    assert "the test of the run is held out" in " ".join(text.split())
    assert not (tmp_path / "outputs" / "test_evaluations.jsonl").exists()
    result = json.loads(
        call_successfully("soup", str(run.output), "--evaluate-test", "--json", *outputs)
    )
    assert result.keys() == documented_keys("refit") | documented_keys("soup")
    assert result["test"]["evaluations"] == 2 and len(result["test"]["accuracy"]) == 3
    folder = RunDir(Path(result["path"]))
    assert folder.is_refit and re.match(r".*-soup-.*", folder.path.name)
    again = call_command("soup", result["path"], *outputs)
    assert again.returncode == 2 and "a refit or soup" in again.stderr
    card = call_successfully("card", result["path"], *outputs)
    assert "The mean of the weights of r0f0, r1f0, r2f0" in (folder.path / "card.md").read_text(), (
        card
    )


def test_statistics_are_those_of_all_batches() -> None:
    torch.manual_seed(0)
    states = [{"a": torch.randn(3), "n": torch.tensor(4)} for _ in range(2)]
    mean = average_states(states)
    assert torch.allclose(mean["a"], (states[0]["a"] + states[1]["a"]) / 2) and mean["n"] == 4


def test_norms_that_training_did_not_change_are_left_alone(trained: TrainedRun) -> None:
    model = trained.model("r0f0")  # basic_cnn has no batch norm
    assert recompute_norms(model, iter([])) == 0
