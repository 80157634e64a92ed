"""Building classifiers: heads, freezing, initial weights, and rejected inputs."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from fashion_exp.configuration.composition import parse_command_line
from fashion_exp.errors import InputError
from fashion_exp.models.build import build_model, check_architecture, check_model_options
from fashion_exp.models.classifier import Classifier
from fashion_exp.models.plan import ModelPlan, plan_model
from fashion_exp.models.weights import find_weights

pytestmark = pytest.mark.slow


def plan(*overrides: str, size: int = 32) -> ModelPlan:
    cfg = parse_command_line([*overrides]).jobs[0]
    weights = find_weights(cfg.model.name, cfg.model.weights)
    return plan_model(cfg.model, cfg.dataset, cfg.optim, weights, size)


def build(*overrides: str, size: int = 32, classes: int = 3, seed: int = 0) -> Classifier:
    cfg = parse_command_line([*overrides]).jobs[0]
    return build_model(cfg.model, plan(*overrides, size=size), classes, seed)


def timm(name: str, *overrides: str, weights: str | Path = "none") -> tuple[str, ...]:
    return ("model=timm", f"model.name={name}", f"model.weights={weights}", *overrides)


IMAGES = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
SMALL = ("test_resnet", "test_vit", "test_convnext", "test_efficientnet", "resnet18", "vgg11")


@pytest.mark.parametrize("head", ["own", "new"])
@pytest.mark.parametrize("name", ["basic_cnn", *SMALL])
def test_every_model_outputs_one_logit_per_class(name: str, head: str) -> None:
    size = 160 if name == "test_vit" else 64 if name == "vgg11" else 32
    overrides = () if name == "basic_cnn" else timm(name)
    model = build(*overrides, f"model.head={head}", size=size)
    logits = model.eval()(torch.zeros(2, 3, size, size, dtype=torch.uint8))
    assert logits.shape == (2, 3)
    counts = model.parameter_counts()
    assert counts.total == counts.trainable + counts.frozen and 0 < counts.head <= counts.total


def test_batch_norm_over_single_pixels_is_found_unless_frozen() -> None:
    """Networks that halve the image five times see 1×1 px of an image of 32 px."""
    model = build(*timm("resnet18"), size=32)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert model.single_value_norms(32, 3)[0] == "network.layer4.0.bn1"
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert not model.single_value_norms(64, 3)
    assert not build(*timm("resnet18", "model.freeze=backbone")).single_value_norms(32, 3)
    assert not build(size=32).single_value_norms(32, 3)


def test_basic_cnn_of_the_paper_is_a_convolution_and_a_dense_layer() -> None:
    counts = build(size=96).parameter_counts()
    assert counts.total == (3 * 9 * 32 + 32) + (32 * 94 * 94 * 3 + 3)


@pytest.mark.parametrize("takes_any", [True, False])
def test_network_with_any_arguments_takes_the_width(
    takes_any: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def some(in_chans: int = 3, **options: int) -> None: ...
    def none(in_chans: int = 3) -> None: ...

    builder = some if takes_any else none
    monkeypatch.setattr("fashion_exp.models.build.find_builder", lambda name: builder)
    cfg = parse_command_line(["model.width=5"]).jobs[0].model
    with nullcontext() if takes_any else pytest.raises(InputError, match="has no such argument"):
        check_model_options(cfg)


def test_initial_weights_depend_on_the_seed() -> None:
    first, repeated, other = (build(seed=seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[k], repeated[k]) for k in first)
    assert not all(torch.equal(first[k], other[k]) for k in first)


@pytest.mark.parametrize("name", ["test_resnet", "vgg11", "test_efficientnet"])
def test_dropout_is_the_heads_alone(name: str) -> None:
    """Without dropout training and evaluation agree, since the frozen batch-norm is fixed."""
    for dropout, differs in (("0", False), ("0.5", True)):
        model = build(*timm(name, f"model.dropout={dropout}", "model.freeze=backbone"), size=64)
        images = torch.randint(0, 256, (4, 3, 64, 64), dtype=torch.uint8)
        with torch.no_grad():
            training, evaluation = model.train()(images), model.eval()(images)
        assert torch.allclose(training, evaluation, atol=1e-5) is not differs


def test_new_head_replaces_the_networks_dense_layers() -> None:
    overrides = timm("vgg11", "model.head=new", "model.pool=flatten", "model.hidden=[8]")
    model = build(*overrides, size=64)
    assert next(model.head.parameters()).shape == (8, 512 * 2 * 2)
    assert not list(model.network.pre_logits.parameters())


def test_frozen_backbone_and_its_batch_norm_do_not_change() -> None:
    model = build(*timm("test_resnet", "model.freeze=backbone")).train()
    assert not any(p.requires_grad for p in model.network.parameters())
    assert model.parameter_counts().trainable == model.parameter_counts().head
    before = {name: tensor.clone() for name, tensor in model.network.state_dict().items()}
    model(IMAGES).sum().backward()
    assert all(torch.equal(before[k], v) for k, v in model.network.state_dict().items())
    assert set(model.trainable_state()) == {"head.1.weight", "head.1.bias"}


def test_freezing_up_to_a_stage_trains_the_later_ones() -> None:
    model = build(*timm("test_resnet", "model.freeze=layer2")).train()
    assert not any(p.requires_grad for p in model.network.layer2.parameters())
    assert all(p.requires_grad for p in model.network.layer3.parameters())
    assert not model.network.layer1[0].bn1.training and model.network.layer4[0].bn1.training
    state = model.trainable_state()
    assert {name for name, p in model.named_parameters() if p.requires_grad} <= set(state)
    assert not any(name.startswith("network.layer1.") for name in state)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (timm("resnet5"), "no such model in timm or fashion_exp; did you mean resnet50"),
        (timm("test_resnet", "model.freeze=layr3"), "did you mean layer3"),
        (timm("test_resnet", "model.freeze=all"), "stages: conv1, bn1, layer1, layer2"),
        (("model.depth=8",), "dataset.image_size: 32 px does not suit this network"),
        (
            timm("test_resnet", "model.freeze=backbone", "optim.backbone_lr_factor=0.1"),
            "backbone_lr_factor=0.1 has no effect",
        ),
        (
            timm("test_resnet", "model.freeze=backbone", "optim.layer_decay=0.5"),
            "layer_decay=0.5 has no effect",
        ),
    ],
)
def test_rejects_impossible_models(overrides: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError) as error:
        build(*overrides)
    assert message in str(error.value)


def test_random_backbone_is_frozen_only_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match="a frozen random backbone learns nothing"):
        plan("model=resnet50", "model.freeze=backbone")
    forced = plan("model=resnet50", "model.freeze=backbone", "model.weights=none")
    assert forced.freeze == "backbone"
    assert plan("model=resnet50").freeze == "none"


def test_unavailable_imagenet_weights_name_the_remedies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match=r"HF_HOME.*model\.weights=FILE.*model\.weights=none"):
        find_weights("resnet50", "imagenet")
    auto = find_weights("resnet50", "auto")
    assert auto.path is None and "random initialisation, because" in auto.source
    assert auto.identity == "random"


def save_weights(folder: Path, suffix: str = "safetensors") -> Path:
    model = build(*timm("test_resnet"), seed=5)
    state = {k: v.contiguous() for k, v in model.network.state_dict().items()}
    path = folder / f"weights.{suffix}"
    if suffix == "safetensors":
        save_file(state, path, {"mean": "0.1 0.2 0.3", "std": "0.4 0.5 0.6", "size": "48"})
    else:
        torch.save({"state_dict": {f"module.{k}": v for k, v in state.items()}}, path)
    return path


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_weights_file_is_loaded_and_freezes_the_backbone(tmp_path: Path, suffix: str) -> None:
    overrides = timm("test_resnet", weights=save_weights(tmp_path, suffix))
    loaded = build(*overrides).network.state_dict()
    expected = build(*timm("test_resnet"), seed=5).network.state_dict()
    assert all(torch.equal(loaded[k], expected[k]) for k in expected)
    assert plan(*overrides).freeze == "backbone"
    assert len(plan(*overrides).weights.sha256) == 64


def test_input_format_comes_from_the_files_metadata(tmp_path: Path) -> None:
    model = plan(*timm("test_resnet", weights=save_weights(tmp_path)), size=99)
    assert (model.size, model.mean, model.std) == (48, (0.1, 0.2, 0.3), (0.4, 0.5, 0.6))


def test_rejects_preprocessing_that_contradicts_the_weights(tmp_path: Path) -> None:
    overrides = timm("test_resnet", "dataset.image_size=64", weights=save_weights(tmp_path))
    with pytest.raises(
        InputError, match=r"dataset\.image_size=64: the weights were trained with 48"
    ):
        plan(*overrides)
    assert plan(*overrides, "model.preprocessing=dataset").size == 64


def test_rejects_weights_of_another_network(tmp_path: Path) -> None:
    overrides = timm("test_vit", "model.preprocessing=dataset", weights=save_weights(tmp_path))
    with pytest.raises(
        InputError, match=r"weights of another network.*\(\d+ missing: .*unexpected"
    ):
        build(*overrides, size=160)


def test_weights_of_another_network_name_the_model_that_they_fit(tmp_path: Path) -> None:
    file = tmp_path / "resnet18.pth"
    torch.save({"model": build(*timm("resnet18")).network.state_dict()}, file)
    cfg = parse_command_line([*timm("test_resnet", weights=file)]).jobs[0]
    with pytest.raises(InputError, match=r"another network.*they fit model\.name=resnet18"):
        check_architecture(cfg.model, find_weights("test_resnet", str(file)), 3)
    check_architecture(replace(cfg.model, name="resnet18"), find_weights("resnet18", str(file)), 3)


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    state = build(*timm("test_resnet")).network.state_dict()
    state["bn1.bias"][0] = float("nan")
    torch.save(state, tmp_path / "diverged.pth")
    with pytest.raises(InputError, match=r"1 of \d+ tensors are not finite \(bn1\.bias\)"):
        build(*timm("test_resnet", weights=tmp_path / "diverged.pth"))


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_rejects_files_that_are_no_checkpoint(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"garbage.{suffix}"
    path.write_bytes(b"no checkpoint" * 9)
    with pytest.raises(InputError, match=r"model\.weights"):
        build(*timm("test_resnet", weights=path))


def test_loading_a_checkpoint_executes_no_code(tmp_path: Path) -> None:
    class Malicious:
        def __reduce__(self) -> tuple:
            return (Path(tmp_path / "executed").touch, ())

    path = tmp_path / "malicious.pth"
    torch.save({"state_dict": Malicious()}, path)
    with pytest.raises(InputError, match="no checkpoint that can be loaded safely"):
        build(*timm("test_resnet", weights=path))
    assert not (tmp_path / "executed").exists()


def test_missing_file_suggests_the_nearest(tmp_path: Path) -> None:
    save_weights(tmp_path)
    with pytest.raises(InputError, match=r"did you mean weights\.safetensors"):
        find_weights("test_resnet", str(tmp_path / "weight.safetensors"))


def test_grayscale_input_sums_the_first_convolutions_channels(tmp_path: Path) -> None:
    overrides = timm("test_resnet", "dataset.channels=1", weights=save_weights(tmp_path))
    gray, color = build(*overrides), build(*timm("test_resnet"), seed=5)
    first = color.network.pretrained_cfg["first_conv"] + ".weight"
    summed = color.network.state_dict()[first].sum(1, keepdim=True)
    assert torch.allclose(gray.network.state_dict()[first], summed)


def test_mobilenet_weights_fit(mobilenet: Path) -> None:
    overrides = timm("mobilenetv1_100", weights=mobilenet)
    model = plan(*overrides)
    assert (model.size, model.mean, model.freeze) == (224, (0.5, 0.5, 0.5), "backbone")
    assert build(*overrides).parameter_counts().trainable == 1024 * 3 + 3
