"""Several frozen backbones side by side: features stored once, joined as they are alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import load_file

from fashion_exp.configuration.composition import parse_command_line
from fashion_exp.configuration.schema import single_backbones
from fashion_exp.errors import InputError
from fashion_exp.experiment.checkpoints import load_model
from fashion_exp.inference.predict import predict
from fashion_exp.inference.trained_run import load_run
from fashion_exp.models.backbones import unused_backbones
from fashion_exp.models.build import build_model, measure_model
from fashion_exp.models.plan import plan_backbones
from fashion_exp.models.weights import find_weights
from tests.backbone_runs import RunTiny, load, options
from tests.conftest import TinyRun

pytestmark = pytest.mark.slow


def counts(run: TinyRun) -> str:
    return run.facts["features"]


def test_backbones_share_their_stored_features_with_other_combinations(
    tiny: RunTiny, backbone_files: dict[str, Path], tmp_path: Path
) -> None:
    """Each of the 72 photos is computed once by each backbone, in whatever run that is."""
    a, b = backbone_files
    both = tiny(*options(backbone_files, a, b))
    assert counts(both) == "0 of 144 from cache"
    assert counts(tiny(*options(backbone_files, a))) == "72 of 72 from cache"
    alone = tiny("model=timm", f"model.name={b}", f"model.weights={backbone_files[b]}",
                 "dataset.image_size=null")  # fmt: skip
    assert counts(alone) == "72 of 72 from cache" and alone.facts["pixels"] == "72 of 72 from cache"
    assert counts(tiny(*options(backbone_files, b, a))) == "144 of 144 from cache"
    assert counts(tiny(*options(backbone_files, a, f"{a}:layer2"))) == "72 of 144 from cache"
    assert len([*(tmp_path / "outputs" / "cache" / "features").glob("[!.]*")]) == 3


def test_order_and_set_of_backbones_are_part_of_the_identity(
    tiny: RunTiny, backbone_files: dict[str, Path]
) -> None:
    a, b = backbone_files
    runs = [tiny(*options(backbone_files, *names)) for names in ((a,), (a, b), (b, a))]
    assert len({run.facts["job_hash"] for run in runs}) == 3
    assert runs[1].facts["weights_sha256"].count("+") == 1
    assert runs[1].text("history.csv") != runs[2].text("history.csv")
    assert tiny(*options(backbone_files, a, b)).text("history.csv") == runs[1].text("history.csv")


def test_joined_features_are_those_of_each_backbone_alone(
    tiny: RunTiny, backbone_files: dict[str, Path]
) -> None:
    a, b = backbone_files
    photo = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    features = []
    for names in ((a, b), (a,), (b,)):
        run = load(tiny(*options(backbone_files, *names)))
        image = torch.from_numpy(run.preprocess(photo)).permute(2, 0, 1)[None]
        result = run.predict_batch(image).features
        assert result is not None
        features.append(result)
    assert np.array_equal(features[0], np.concatenate(features[1:], axis=1))


def test_prediction_of_photos_equals_the_stored_evaluation(
    tiny: RunTiny, backbone_files: dict[str, Path], photos: Path
) -> None:
    a, b = backbone_files
    made = tiny(*options(backbone_files, a, b, f"{a}:layer2"), "repeats=2")
    run = load(made)
    stored = made.predictions("test").set_index("path")
    columns = [f"p_{name}" for name in run.classes]
    for repeat, name in enumerate(run.model_names):
        own = stored[stored["repeat"] == repeat]
        paths = [str(photos / path) for path in own.index]
        (table,) = predict(run, paths, models=[name], coverage=None)
        assert np.array_equal(table[columns].to_numpy(), own[columns].to_numpy())


def test_moved_outputs_have_the_files_of_all_backbones(
    tiny: RunTiny, backbone_files: dict[str, Path], photos: Path, tmp_path: Path
) -> None:
    a, b = backbone_files
    copies = {name: Path(shutil.copy(file, tmp_path)) for name, file in backbone_files.items()}
    made = tiny(*options(copies, a, b))
    run = shutil.copytree(made.output, tmp_path / "outputs" / "runs" / "both")
    (before,) = predict(load_run(run, tmp_path / "outputs"), [photos])
    shutil.move(tmp_path / "outputs", tmp_path / "moved")
    for file in copies.values():
        file.unlink()
    assert not unused_backbones(tmp_path / "moved")
    (after,) = predict(load_run("both", tmp_path / "moved"), [photos])
    assert before.equals(after)
    (stored, _) = (tmp_path / "moved" / "weights").glob("[!.]*")
    stored.unlink()
    with pytest.raises(InputError, match="its frozen backbone is missing"):
        load_run("both", tmp_path / "moved")


def test_each_backbone_has_its_own_weights_and_input(
    tiny: RunTiny, backbone_files: dict[str, Path]
) -> None:
    a, b = backbone_files
    made = tiny(*options(backbone_files, a, b))
    plans = load(made).plan.networks
    assert [(plan.size, plan.interpolation) for plan in plans] == [
        (24, "bilinear"), (32, "bicubic"),
    ]  # fmt: skip
    assert [plan.mean[0] for plan in plans] == [0.4, 0.5]
    assert [plan.weights.path and plan.weights.path.read_bytes() for plan in plans] == [
        file.read_bytes() for file in backbone_files.values()
    ]
    assert made.facts["input"].startswith("24 px, 3 channels, bilinear, mean 0.4 0.4 0.4")
    assert "+ 32 px, 3 channels, bicubic, mean 0.5" in made.facts["input"]


def test_parameters_add_up(tiny: RunTiny, backbone_files: dict[str, Path]) -> None:
    a, b = backbone_files
    cfg = parse_command_line(options(backbone_files, a, b)).jobs[0]
    weights = [find_weights(single.name, single.weights) for single in single_backbones(cfg.model)]
    plan = plan_backbones(cfg.model, cfg.dataset, cfg.optim, weights, 0)
    model = build_model(cfg.model, plan, 3, 0)
    networks = [timm.create_model(name, num_classes=0) for name in (a, b)]
    numbers = [sum(p.numel() for p in network.parameters()) for network in networks]
    width = sum(network.num_features for network in networks)
    count = model.parameter_counts()
    assert (count.frozen, count.head) == (sum(numbers), 3 * width + 3)
    assert abs(measure_model(cfg.model, plan, 3).parameters - count.total) <= 3


def test_stage_is_the_mean_of_its_output_without_the_layers_behind(
    tiny: RunTiny, backbone_files: dict[str, Path]
) -> None:
    a = "test_resnet"
    run = load(tiny(*options(backbone_files, f"{a}:layer2")))
    model = load_model(run.config, run.plan, 3, run.run.checkpoints, 0, 0)
    whole = timm.create_model(a, num_classes=0).eval()
    whole.load_state_dict(load_file(backbone_files[a]))
    images = torch.randint(0, 256, (2, 3, 24, 24), dtype=torch.uint8)
    inputs = (images - model.mean) / model.std
    output: list[torch.Tensor] = []
    whole.get_submodule("layer2").register_forward_hook(lambda *call: output.append(call[2]))
    with torch.no_grad():
        whole(inputs)
        assert torch.allclose(model.features(images), output[0].mean((2, 3)), atol=1e-6)
    assert model.parameter_counts().frozen < sum(p.numel() for p in whole.parameters())


FROZEN_ONLY = "side by side only frozen; set model.freeze=backbone"
VIEWS_ONLY = "set augmentation.on_frozen=views"


@pytest.mark.parametrize(
    ("names", "overrides", "message"),
    [
        ("test_resnet,test_efficientnet", ["model.freeze=none"], FROZEN_ONLY),
        ("test_resnet,test_efficientnet",
         ["augmentation=light", "augmentation.on_frozen=apply"], VIEWS_ONLY),
        ("test_resnet,test_vit", ["model.weights=none"], "test_vit: the weights are random"),
        ("test_resnet:layer9,test_resnet", [], "stage layer9: not in this network; did you mean"),
        ("test_resnet,test_resne", [], "test_resne: no such model"),
    ],
)  # fmt: skip
def test_refusals_name_the_option_and_the_remedy(
    tiny: RunTiny, backbone_files: dict[str, Path], capsys: pytest.CaptureFixture[str], names: str,
    overrides: list[str], message: str,
) -> None:  # fmt: skip
    with pytest.raises(AssertionError):
        tiny(*options(backbone_files, *names.split(",")), *overrides)
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_checkpoint_of_several_networks_starts_no_network(
    tiny: RunTiny, backbone_files: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    run = tiny(*options(backbone_files, *backbone_files)).output
    with pytest.raises(AssertionError):
        tiny("model=timm", "model.name=test_resnet", f"model.weights={run}")
    assert "the head of 2 networks side by side" in capsys.readouterr().err


def test_views_are_augmented_in_the_format_of_each_backbone(
    tiny: RunTiny, backbone_files: dict[str, Path]
) -> None:
    views = ("augmentation=light", "augmentation.on_frozen=views", "augmentation.views=2")
    run = tiny(*options(backbone_files, *backbone_files), *views)
    assert run.facts["views"] == "0 of 288 from cache"
    assert json.loads(run.facts["parameters"])["frozen"] > 0
