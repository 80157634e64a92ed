"""Builds a `Classifier`: timm's network, weights, head and frozen part."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from fashion_exp.configuration.schema import Head, ModelConfig, network_of, single_backbones
from fashion_exp.errors import InputError, suggest
from fashion_exp.extensions.registry import code_hash, own_pieces
from fashion_exp.models.classifier import Classifier
from fashion_exp.models.compat import import_timm
from fashion_exp.models.dropout import Dropout
from fashion_exp.models.known_networks import is_known, remembered
from fashion_exp.models.layers import drops_paths
from fashion_exp.models.one_vs_rest import OneVsRest
from fashion_exp.models.registry import MODELS, find_builder
from fashion_exp.models.shared_networks import share_network
from fashion_exp.models.side_by_side import HeadAlone, SideBySide, StoredNetwork
from fashion_exp.models.solved_heads import DEFAULT_NEIGHBORS, NearestNeighbors, SolvedLinear
from fashion_exp.models.weights import Weights, load_into, refuse_other_network

if TYPE_CHECKING:
    from fashion_exp.models.plan import ModelPlan


def build_model(
    cfg: ModelConfig, plan: ModelPlan, classes: int, seed: int, one_vs_rest: bool = False,
    share: bool = False,
) -> Classifier:  # fmt: skip
    """A classifier whose random initialization depends on `seed` alone.

    `one_vs_rest` is for training with binary cross-entropy. Backbones side by side are those that
    each would be alone. `share`: a frozen network may be that of an earlier model, which must not
    change it.

    Raises `InputError` for an unknown model or stage, and for weights that do not fit.
    """
    backbones, widths = [], []
    for single, network_plan in zip(single_backbones(cfg), plan.networks, strict=True):
        torch.manual_seed(seed)
        if share and plan.freeze == "backbone":
            backbone, width = _shared_backbone(single, network_plan, seed)
        else:
            backbone, width = _build_backbone(single, network_plan)
        backbones.append(backbone)
        widths.append(width)
    model = SideBySide(backbones, plan) if plan.reads_features else backbones[0]
    head = _head(cfg, sum(widths), classes)
    model.head = head.append(OneVsRest()) if one_vs_rest else head
    model.freeze(plan.freeze, plan.freeze_option)
    if cfg.drop_path and not drops_paths(model):
        raise _no_paths(cfg)
    model.to(memory_format=torch.channels_last)
    assert model.parameter_counts().trainable > 0 or cfg.head is Head.knn
    return model


def build_head(
    cfg: ModelConfig, plan: ModelPlan, classes: int, stored: Sequence[StoredNetwork],
    build_backbones: Callable[[], Sequence[Classifier]],
) -> Classifier:  # fmt: skip
    """What `build_model` gives with a head that is solved and is going to be filled, without its
    frozen networks: `stored` says what their features are."""
    assert cfg.head.is_solved and plan.freeze == "backbone"
    model = HeadAlone(stored, plan, build_backbones)
    model.head = _head(cfg, sum(network.width for network in stored), classes)
    return model


def _build_backbone(cfg: ModelConfig, plan: ModelPlan) -> tuple[Classifier, int]:
    """A network with its weights and without a head, and the width of its features."""
    network = _create_network(cfg, plan.channels)
    model = _classifier(cfg, network, plan)
    width = _prune_and_measure(model, plan)
    if plan.weights.path is not None:
        load_into(network, plan.weights, plan.channels)
    model.remove_later_stages()
    return model, width


def _shared_backbone(cfg: ModelConfig, plan: ModelPlan, seed: int) -> tuple[Classifier, int]:
    is_random = plan.weights.path is None
    network_options = replace(cfg, dropout=0.0, hidden=None)  # the head is built for each job
    return share_network(
        f"{network_options} {plan} {seed if is_random else ''} {code_hash()}",
        seed,
        lambda: _build_backbone(cfg, plan),
        lambda: _create_network(cfg, plan.channels),
    )


def _classifier(cfg: ModelConfig, network: nn.Module, plan: ModelPlan) -> Classifier:
    pool, stage = cfg.pool.value if cfg.pool else "avg", cfg.name.partition(":")[2]
    return Classifier(network, cfg.head is Head.new, pool, plan.mean, plan.std, stage)


_NOT_MEASURABLE = RuntimeError, AssertionError, NotImplementedError


@dataclass(frozen=True)
class ModelSize:
    """Numbers of values that a model holds, and that one image makes it compute."""

    parameters: int
    trainable: int
    activations: int
    """Of all layers together."""
    largest_activation: int


def measure_model(cfg: ModelConfig, plan: ModelPlan, classes: int) -> ModelSize:
    """The size of a model without building it: little memory is used and little is computed.

    What cannot be measured so counts as 0. Backbones side by side compute one after the other.
    """
    sizes = [
        _measure_network(single, network_plan, classes)
        for single, network_plan in zip(single_backbones(cfg), plan.networks, strict=True)
    ]
    return ModelSize(
        sum(size.parameters for size in sizes),
        sum(size.trainable for size in sizes),
        sum(size.activations for size in sizes),
        max(size.largest_activation for size in sizes),
    )


_measured: dict[str, ModelSize] = {}
"""By what a size depends on: the jobs of a sweep have few different models."""


def _measure_network(cfg: ModelConfig, plan: ModelPlan, classes: int) -> ModelSize:
    """Those of timm are measured once for all processes: it takes a second of imports."""
    plain = replace(cfg, dropout=0.0, weights="none", backbone_weights={})
    key = f"{plain} {plan.freeze} {plan.size} {plan.channels} {classes} {code_hash()}"
    if key not in _measured:

        def measure() -> dict[str, int]:
            return asdict(_measure_new_network(cfg, plan, classes))

        is_ours = find_builder(network_of(cfg.name)) is not None
        size = measure() if is_ours else remembered("size", key, measure)
        _measured[key] = ModelSize(**size)
    return _measured[key]


def _measure_new_network(cfg: ModelConfig, plan: ModelPlan, classes: int) -> ModelSize:
    outputs = [0]

    def record(_: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        if isinstance(output, torch.Tensor) and not any(output is given for given in inputs):
            outputs.append(output.numel())

    with torch.no_grad(), suppress(*_NOT_MEASURABLE):
        with torch.device("meta"):
            network = _create_network(cfg, plan.channels)
        # Meta tensors import PyTorch's compiler at the first operation, which takes a second.
        device = "cpu" if _largest_size(network, plan.size) < _SMALL else "meta"
        with torch.device(device), torch.random.fork_rng(devices=[]):
            network = _create_network(cfg, plan.channels) if device == "cpu" else network
            model = _classifier(cfg, network, plan).eval()
            model.remove_later_stages()
        for module in model.modules():
            if not [*module.children()]:
                module.register_forward_hook(record)
        size = (1, plan.channels, plan.size, plan.size)
        with suppress(*_NOT_MEASURABLE):  # images that are too small are reported later
            width = model.features(torch.zeros(size, dtype=torch.uint8, device=device)).shape[1]
            with torch.device("meta"):
                model.head = _head(cfg, width, classes)
        model.freeze(plan.freeze, plan.freeze_option)
        counts = model.parameter_counts()
        return ModelSize(counts.total, counts.trainable, sum(outputs), max(outputs))
    return ModelSize(0, 0, 0, 0)


_SMALL = 1e8
"""Values that are computed rather than measured on tensors without values."""


def _largest_size(network: nn.Module, size: int) -> int:
    """A bound for the parameters, and for the values that an image of `size` px makes a network of
    convolutions compute."""
    parameters = [p for p in network.parameters() if p.ndim]
    return max(sum(p.numel() for p in parameters), sum(len(p) for p in parameters) * size**2)


def check_architecture(cfg: ModelConfig, weights: Weights, channels: int) -> None:
    """Raises `InputError` if a file of weights belongs to another network; loads nothing.

    `cfg` has the options of one backbone.
    """
    with torch.device("meta"):
        network = _create_network(cfg, channels)
    refuse_other_network(network, weights, channels)


def stage_before_last(name: str) -> str:
    """The stage of a network of timm before its last one, by the name that `freeze` takes.

    Of NAME:STAGE, STAGE is the last one. Raises `InputError` for a network whose stages are not
    known, and for a stage that it does not have.
    """
    check_model_name(name)
    network_name, _, last = name.partition(":")
    if not find_builder(network_name):
        timm = import_timm()

        with torch.device("meta"):
            network = timm.create_model(network_name, pretrained=False, num_classes=0)
        stages = [str(stage["module"]) for stage in getattr(network, "feature_info", [])]
        if last and last not in stages:
            known = suggest(last, stages) or f"stages: {', '.join(stages)}"
            raise InputError(f"model.name={name}: no such stage; {known}")
        if last:
            stages = stages[: stages.index(last) + 1]
        modules = dict(network.named_modules())
        if len(stages) > 1 and stages[-2] in modules:
            return stages[-2]
    raise InputError(f"model.name={name}: its stages are not known; set model.freeze=STAGE")


def check_model_name(name: str) -> None:
    """Raises `InputError` for a model that neither this package nor timm nor the user has."""
    name = network_of(name)
    if not find_builder(name) and not is_known(name):
        timm = import_timm()

        names = [*MODELS, *own_pieces("model"), *timm.list_models()]
        raise InputError(
            f"model.name={name}: no such model in timm or fashion_exp; "
            f"{suggest(name, names) or 'timm.list_models() lists them'}"
        )


def check_model_options(cfg: ModelConfig) -> None:
    """Raises `InputError` for `depth` or `width` if the network has no such argument."""
    builder = find_builder(network_of(cfg.name))
    accepted = inspect.signature(builder).parameters if builder else {}
    accepts_any = any(argument.kind is argument.VAR_KEYWORD for argument in accepted.values())
    for option in _set_options(cfg):
        if option not in accepted and not accepts_any:
            raise InputError(f"model.{option} has no effect here: {cfg.name} has no such argument")


def _set_options(cfg: ModelConfig) -> dict[str, int]:
    options = {"depth": cfg.depth, "width": cfg.width}
    return {name: value for name, value in options.items() if value is not None}


def is_shipped_or_timm(name: str) -> bool:
    """Whether a name is that of a network of this package or of timm."""
    return name in MODELS or is_known(name)


def _create_network(cfg: ModelConfig, channels: int) -> nn.Module:
    """A network of this package or of timm, without its last layer and without its dropout.

    `model.dropout` applies to our head and means the same for every model.
    """
    name = network_of(cfg.name)
    if builder := find_builder(name):
        if cfg.drop_path:
            raise _no_paths(cfg)
        set_options = _set_options(cfg)
        return builder(in_chans=channels, **set_options)
    timm = import_timm()

    check_model_name(name)
    rate = {"drop_path_rate": cfg.drop_path} if cfg.drop_path else {}
    try:
        return timm.create_model(name, pretrained=False, num_classes=0, in_chans=channels, **rate)
    except TypeError:
        if not rate:
            raise
        raise _no_paths(cfg) from None


def _no_paths(cfg: ModelConfig) -> InputError:
    return InputError(
        f"model.drop_path={cfg.drop_path:g} has no effect: {cfg.name} has no residual branch that "
        "timm can drop, or none that is trained; set model.drop_path=0, model.freeze=none or "
        "another model.name"
    )


def _head(cfg: ModelConfig, width: int, classes: int) -> nn.Sequential:
    hidden = (cfg.hidden if cfg.hidden is not None else [256]) if cfg.head is Head.new else []
    layers: list[nn.Module] = []
    if cfg.head is Head.knn:
        neighbors = cfg.neighbors or DEFAULT_NEIGHBORS
        return nn.Sequential(NearestNeighbors(width, classes, neighbors))
    if cfg.head.is_solved:
        return nn.Sequential(SolvedLinear(width, classes))
    for units in hidden:
        layers += [nn.Linear(width, units), nn.ReLU(), Dropout(cfg.dropout)]
        width = units
    layers += [] if hidden else [Dropout(cfg.dropout)]
    return nn.Sequential(*layers, nn.Linear(width, classes))


@torch.no_grad()
def _prune_and_measure(model: Classifier, plan: ModelPlan) -> int:
    """Removes children of the network that features do not pass; returns the features' width.

    A VGG16 with a new head, for example, loses the two dense layers of its own classifier. Raises
    `InputError` if the images are too small for the network.
    """
    used: set[str] = set()
    hooks = [
        module.register_forward_hook(lambda *_, name=name: used.add(name))
        for name, child in model.network.named_children()
        for module in child.modules()
    ]
    was_training = model.training
    model.eval()
    try:
        images = torch.zeros(1, plan.channels, plan.size, plan.size, dtype=torch.uint8)
        width = model.features(images).shape[1]
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"dataset.image_size: {plan.size} px does not suit this network ({reason}); "
            "set dataset.image_size"
        ) from None
    finally:
        model.train(was_training)
        for hook in hooks:
            hook.remove()
    for name in [name for name, _ in model.network.named_children() if name not in used]:
        setattr(model.network, name, nn.Identity())
    return width
