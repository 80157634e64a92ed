"""`model.unfreeze` trains the head first, on stored features, then more of the backbone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from fashion_exp.configuration.composition import parse_command_line
from fashion_exp.errors import InputError
from fashion_exp.experiment import inputs
from fashion_exp.experiment.setup import build_dry_run
from fashion_exp.models.build import measure_model
from fashion_exp.models.plan import plan_model
from fashion_exp.models.weights import find_weights
from fashion_exp.training.device import Compute
from tests.command_line import fork_successfully, only_run
from tests.conftest import TinyRun
from tests.experiment.resuming import interrupt_and_resume

pytestmark = pytest.mark.slow

FROZEN = ("model.depth=2", "model.width=4", "model.weights=none", "model.freeze=backbone",
          "training.epochs=4", "model.dropout=0.3")  # fmt: skip
STAGED = (*FROZEN, "model.unfreeze={2:convolutions.0,3:none}")


def test_first_phase_equals_a_run_with_a_frozen_backbone_bit_for_bit(
    tiny: Callable[..., TinyRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds: list[str] = []
    for name in ("TrainingFeatures", "TrainingImages"):
        kind = getattr(inputs, name)

        def record(*args: object, kind: type = kind) -> object:
            kinds.append(kind.__name__)
            return kind(*args)

        monkeypatch.setattr(inputs, name, record)
    frozen, staged = tiny(*FROZEN), tiny(*STAGED)
    assert kinds == ["TrainingFeatures"] * 2 + ["TrainingImages"] * 2
    columns = ["epoch", "part", "loss", "accuracy", "lr"]
    expected, history = (run.history[columns] for run in (frozen, staged))
    assert history[:4].equals(expected[:4]) and not history[4:].equals(expected[4:])
    saved = [load_file(next(run.output.glob("checkpoints/*-last.*"))) for run in (frozen, staged)]
    assert not any(name.startswith("network.") for name in saved[0])
    assert {name for name in saved[1] if name.startswith("network.")} == {
        f"network.convolutions.{layer}.{kind}" for layer in (0, 3) for kind in ("weight", "bias")
    }


def test_early_stopping_waits_for_the_last_phase(tiny: Callable[..., TinyRun]) -> None:
    """With a rate at which no epoch is better than the first."""
    stopping = ("training.early_stopping=1", "optim.lr=30", "training.epochs=6")
    frozen = tiny(*FROZEN, *stopping)
    assert frozen.history["epoch"].max() < 4
    staged = tiny(*FROZEN, *stopping, "model.unfreeze={3:none}")
    assert staged.history["epoch"].max() == 4


@pytest.mark.parametrize("epochs", [1, 2])
def test_run_interrupted_within_or_between_phases_is_resumed(
    epochs: int, tiny: Callable[..., TinyRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt_and_resume(tiny, monkeypatch, *STAGED, "training.ema_decay=0.9", epochs=epochs)


def test_best_epoch_of_the_first_phase_is_evaluated_with_its_own_backbone(
    tiny: Callable[..., TinyRun],
) -> None:
    """The second phase changes the backbone; the checkpoint has the one of the best epoch."""
    run = tiny(*FROZEN, "model.unfreeze={3:none}", "optim.lr=0.2", "training.keep=best")
    history = run.history.query("part == 'validation'")
    stored = int(history[history["kept"]]["epoch"].item())
    assert stored <= 3
    labels = run.predictions("validation")["label"]
    correct = run.predictions("validation").filter(regex="^p_").to_numpy().argmax(1)
    names = np.array(["dress", "pullover", "shirt"])
    accuracy = float((names[correct] == labels).mean())
    assert accuracy == pytest.approx(history.set_index("epoch")["accuracy"][stored])


def test_two_processes_train_what_one_does_in_every_phase(
    tiny: Callable[..., TinyRun], photos: Path, tmp_path: Path
) -> None:
    options = (*STAGED, "model.dropout=0", "training.precision=fp32", "augmentation.mixup_alpha=1")
    single = tiny(*options)
    fork_successfully(
        "dataset=folder", f"dataset.root={photos}", "dataset.image_size=16", "repeats=1",
        "training.batch_size=12", "training.threads=1", "training.processes=2", "tracking=none",
        f"outputs={tmp_path / 'two'}", *options,
    )  # fmt: skip
    two = TinyRun(only_run(tmp_path / "two"))
    expected = single.history["loss"].to_numpy()
    assert two.history["loss"].to_numpy() == pytest.approx(expected, rel=1e-4)


def test_held_stages_are_in_evaluation_mode_until_they_are_trained() -> None:
    (cfg,) = parse_command_line(
        ["model=timm", "model.name=test_resnet", "model.weights=none", "model.freeze=backbone",
         "model.unfreeze={1:layer3,2:none}", "training.threads=1"]
    ).jobs  # fmt: skip
    plan = plan_model(cfg.model, cfg.dataset, cfg.optim, find_weights("test_resnet", "none"), 32)
    assert plan.phases == ((0, "backbone"), (1, "layer3"), (2, "none")) and plan.freeze == "none"
    assert plan.frozen_part == "backbone, from epoch 2 on layer3, from epoch 3 on none"
    trainee = build_dry_run(cfg, plan, 3, Compute(torch.device("cpu"), "fp32", 1))
    model, state = trainee.model, set(trainee.model.trainable_state())
    everything = {"conv1", "bn1", "layer1", "layer2", "layer3", "layer4"}
    expected = {"backbone": set(), "layer3": {"layer4"}, "none": everything}
    for part, training in expected.items():
        model.hold(part)
        model.train()
        norms = {n.split(".")[0] for n, m in model.network.named_modules()
                 if isinstance(m, torch.nn.BatchNorm2d) and m.training}  # fmt: skip
        assert norms == training
        assert set(model.trainable_state()) == state and "network.conv1.0.weight" in state


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("model.unfreeze={9:none}",), "model.unfreeze: 9: not a number of epochs from 1 to 3"),
        (("model.unfreeze={a:none}",), "model.unfreeze: a: not a number of epochs"),
        (("model.unfreeze={1:convolution}",), "model.unfreeze=convolution: .*did you mean"),
        (("model.unfreeze={1:backbone}",), "1: backbone trains no more of the network"),
        (
            ("model.freeze=none", "model.unfreeze={1:none}"),
            "model.unfreeze has no effect: nothing is frozen",
        ),
    ],
)
def test_unfreezing_without_effect_is_refused(overrides: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        (cfg,) = parse_command_line([*FROZEN, *overrides, "training.threads=1"]).jobs
        plan = plan_model(cfg.model, cfg.dataset, cfg.optim, find_weights("basic_cnn", "none"), 16)
        build_dry_run(cfg, plan, 3, Compute(torch.device("cpu"), "fp32", 1))


def test_unknown_stage_is_refused_by_the_option_that_names_it_before_images_are_read() -> None:
    (cfg,) = parse_command_line([*FROZEN, "model.unfreeze={1:layer9}"]).jobs
    plan = plan_model(cfg.model, cfg.dataset, cfg.optim, find_weights("basic_cnn", "none"), 16)
    with pytest.raises(InputError, match=r"model\.unfreeze=layer9: "):
        measure_model(cfg.model, plan, 3)
