"""A name, weights and a head become a classifier; what does not fit is told with its keys."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from fashion_exp.configuration.composition import parse_command_line
from fashion_exp.errors import InputError
from fashion_exp.models.build import build_model
from fashion_exp.models.classifier import Classifier
from fashion_exp.models.plan import ModelPlan, plan_model
from fashion_exp.models.weights import find_weights


def planned(*overrides: str, size: int = 32) -> ModelPlan:
    cfg = parse_command_line([*overrides]).jobs[0]
    weights = find_weights(cfg.model.name, cfg.model.weights)
    return plan_model(cfg.model, cfg.dataset, cfg.optim, weights, size)


def built(*overrides: str, size: int = 32, classes: int = 3, seed: int = 0) -> Classifier:
    cfg = parse_command_line([*overrides]).jobs[0]
    return build_model(cfg.model, planned(*overrides, size=size), classes, seed)


def timm(name: str, *more: str) -> tuple[str, ...]:
    return ("model=timm", f"model.name={name}", "model.weights=none", *more)


IMAGES = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
SMALL = ("test_resnet", "test_vit", "test_convnext", "test_efficientnet", "resnet18", "vgg11")


@pytest.mark.parametrize("head", ["own", "new"])
@pytest.mark.parametrize("name", ["basic_cnn", *SMALL])
def test_any_model_ends_in_the_classes(name: str, head: str) -> None:
    size = 160 if name == "test_vit" else 64 if name == "vgg11" else 32
    overrides = () if name == "basic_cnn" else timm(name)
    model = built(*overrides, f"model.head={head}", size=size)
    logits = model.eval()(torch.zeros(2, 3, size, size, dtype=torch.uint8))
    assert logits.shape == (2, 3)
    report = model.report()
    assert report.total == report.trainable + report.frozen and 0 < report.head <= report.total


def test_the_papers_basic_cnn_is_a_convolution_and_a_dense_layer() -> None:
    report = built(size=96).report()
    assert report.total == (3 * 9 * 32 + 32) + (32 * 94 * 94 * 3 + 3)


def test_initial_weights_are_a_function_of_the_seed() -> None:
    one, again, other = (built(seed=seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(one[k], again[k]) for k in one)
    assert not all(torch.equal(one[k], other[k]) for k in one)


@pytest.mark.parametrize("name", ["test_resnet", "vgg11", "test_efficientnet"])
def test_dropout_means_the_same_in_every_model(name: str) -> None:
    """None: training and evaluation differ only by batch-norm, which is held; some: they differ."""
    for dropout, differs in (("0", False), ("0.5", True)):
        model = built(*timm(name, f"model.dropout={dropout}", "model.freeze=backbone"), size=64)
        images = torch.randint(0, 256, (4, 3, 64, 64), dtype=torch.uint8)
        with torch.no_grad():
            training, evaluating = model.train()(images), model.eval()(images)
        assert torch.allclose(training, evaluating, atol=1e-5) is not differs


def test_a_new_head_has_its_hidden_layers_and_drags_no_old_one_along() -> None:
    model = built(
        *timm("vgg11", "model.head=new", "model.pool=flatten", "model.hidden=[8]"), size=64
    )
    assert [tuple(p.shape) for p in model.head.parameters()][:1] == [(8, 512 * 2 * 2)]
    assert not list(model.network.pre_logits.parameters())


def test_a_frozen_backbone_learns_nothing_and_its_batch_norm_stands_still() -> None:
    model = built(*timm("test_resnet", "model.freeze=backbone")).train()
    assert model.backbone_frozen and model.report().trainable == model.report().head
    before = {name: tensor.clone() for name, tensor in model.network.state_dict().items()}
    model(IMAGES).sum().backward()
    assert all(torch.equal(before[k], v) for k, v in model.network.state_dict().items())
    assert set(model.learned_state()) == {"head.1.weight", "head.1.bias"}


def test_freezing_up_to_a_stage_leaves_the_later_ones() -> None:
    model = built(*timm("test_resnet", "model.freeze=layer2")).train()
    assert not any(p.requires_grad for p in model.network.layer2.parameters())
    assert all(p.requires_grad for p in model.network.layer3.parameters())
    assert not model.network.layer1[0].bn1.training and model.network.layer4[0].bn1.training


def test_a_checkpoint_holds_all_that_learns_and_no_more() -> None:
    model = built(*timm("test_resnet", "model.freeze=layer2"))
    learned = model.learned_state()
    assert {n for n, p in model.named_parameters() if p.requires_grad} <= set(learned)
    assert not any(name.startswith("network.layer1.") for name in learned)


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (timm("resnet5"), "no model of timm or of ours; did you mean resnet50"),
        (timm("test_resnet", "model.freeze=layr3"), "did you mean layer3"),
        (("model.depth=8",), "dataset.image_size: 32 px does not suit this network"),
    ],
)
def test_a_model_that_cannot_be_is_told(overrides: tuple[str, ...], told: str) -> None:
    with pytest.raises(InputError) as refusal:
        built(*overrides)
    assert told in str(refusal.value)


def test_a_random_backbone_is_frozen_only_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match="a random backbone learns nothing"):
        planned("model=resnet50", "model.freeze=backbone")
    assert planned("model=resnet50", "model.freeze=backbone", "model.weights=none").freeze
    assert planned("model=resnet50").freeze == "none"


def test_imagenet_weights_that_cannot_be_had_name_three_ways_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match=r"HF_HOME.*model\.weights=FILE.*model\.weights=none"):
        find_weights("resnet50", "imagenet")
    auto = find_weights("resnet50", "auto")
    assert auto.path is None and "random initialisation, because" in auto.source
    assert auto.identity == "random"


def _saved(tmp_path: Path, name: str = "test_resnet", suffix: str = "safetensors") -> Path:
    state = {k: v.contiguous() for k, v in built(*timm(name), seed=5).network.state_dict().items()}
    path = tmp_path / f"weights.{suffix}"
    if suffix == "safetensors":
        save_file(state, path, {"mean": "0.1 0.2 0.3", "std": "0.4 0.5 0.6", "size": "48"})
    else:
        torch.save({"state_dict": {f"module.{k}": v for k, v in state.items()}}, path)
    return path


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_weights_of_a_file_are_loaded_and_freeze_the_backbone(tmp_path: Path, suffix: str) -> None:
    path = _saved(tmp_path, suffix=suffix)
    from_file = (*timm("test_resnet")[:2], f"model.weights={path}")
    loaded = built(*from_file).network.state_dict()
    expected = built(*timm("test_resnet"), seed=5).network.state_dict()
    assert all(torch.equal(loaded[k], expected[k]) for k in expected)
    assert planned(*from_file).freeze == "backbone"
    assert len(planned(*from_file).weights.sha256) == 64


def test_the_file_says_what_the_network_was_trained_to_see(tmp_path: Path) -> None:
    path = _saved(tmp_path)
    plan = planned(*timm("test_resnet")[:2], f"model.weights={path}", size=99)
    assert (plan.size, plan.mean, plan.std) == (48, (0.1, 0.2, 0.3), (0.4, 0.5, 0.6))


def test_preprocessing_against_the_weights_needs_a_word(tmp_path: Path) -> None:
    weights = (*timm("test_resnet")[:2], f"model.weights={_saved(tmp_path)}")
    with pytest.raises(
        InputError, match=r"dataset\.image_size=64: the weights were trained with 48"
    ):
        planned(*weights, "dataset.image_size=64")
    assert planned(*weights, "dataset.image_size=64", "model.preprocessing=dataset").size == 64


def test_weights_of_another_network_are_refused_with_their_keys(tmp_path: Path) -> None:
    path = _saved(tmp_path)
    with pytest.raises(InputError, match=r"does not fit this model \(\d+ missing: .*left over"):
        built("model=timm", "model.name=test_vit", f"model.weights={path}", "model.freeze=none",
              "model.preprocessing=dataset", size=160)  # fmt: skip


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"rubbish.{suffix}"
    path.write_bytes(b"no checkpoint" * 9)
    with pytest.raises(InputError, match=r"model\.weights"):
        built(*timm("test_resnet")[:2], f"model.weights={path}")


def test_a_checkpoint_may_run_no_code(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple:
            return (Path(tmp_path / "exploded").touch, ())

    torch.save({"state_dict": Bomb()}, tmp_path / "bomb.pth")
    with pytest.raises(InputError, match="no checkpoint that can be loaded safely"):
        built(*timm("test_resnet")[:2], f"model.weights={tmp_path / 'bomb.pth'}")
    assert not (tmp_path / "exploded").exists()


def test_a_missing_file_gets_the_nearest(tmp_path: Path) -> None:
    _saved(tmp_path)
    with pytest.raises(InputError, match=r"did you mean weights\.safetensors"):
        find_weights("test_resnet", str(tmp_path / "weight.safetensors"))


def test_grey_input_sums_the_first_convolutions_colours(tmp_path: Path) -> None:
    path = _saved(tmp_path)
    grey = built(*timm("test_resnet")[:2], f"model.weights={path}", "dataset.channels=1")
    colour = built(*timm("test_resnet"), seed=5)
    first = colour.network.pretrained_cfg["first_conv"] + ".weight"
    summed = colour.network.state_dict()[first].sum(1, keepdim=True)
    assert torch.allclose(grey.network.state_dict()[first], summed)


def test_the_real_backbone_fits(mobilenet: Path) -> None:
    overrides = ("model=timm", "model.name=mobilenetv1_100", f"model.weights={mobilenet}")
    plan = planned(*overrides)
    assert (plan.size, plan.mean, plan.freeze) == (224, (0.5, 0.5, 0.5), "backbone")
    assert built(*overrides).report().trainable == 1024 * 3 + 3
