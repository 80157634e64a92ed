"""From a name to a `Classifier`: timm's network, the weights, a head, the frozen part."""

from __future__ import annotations

import timm
import torch
from torch import nn

import fashion_exp.models.basic_cnn  # noqa: F401 (registers the model with timm)
from fashion_exp.configuration.schema import Head, ModelConfig
from fashion_exp.errors import InputError, suggest
from fashion_exp.models.classifier import Classifier
from fashion_exp.models.dropout import Dropout
from fashion_exp.models.plan import ModelPlan
from fashion_exp.models.weights import load_into


def build_model(cfg: ModelConfig, plan: ModelPlan, classes: int, seed: int) -> Classifier:
    """A classifier whose random part is a function of `seed`.

    Raises `InputError` for an unknown name or stage, for weights that do not fit, and for a model
    without anything to train.
    """
    torch.manual_seed(seed)
    network = create_network(cfg, plan.channels)
    model = Classifier(
        network, cfg.head is Head.new, cfg.pool.value if cfg.pool else "avg", plan.mean, plan.std
    )
    width = _probe(model, plan)
    if plan.weights.path is not None:
        load_into(network, plan.weights, plan.channels)
    model.head = _head(cfg, width, classes)
    model.freeze(plan.freeze)
    model.to(memory_format=torch.channels_last)
    assert model.report().trainable > 0
    assert [p for p in model.head.parameters()][-1].shape == (classes,)
    return model


def create_network(cfg: ModelConfig, channels: int) -> nn.Module:
    """timm's network without its last layer. Its own dropout is off: `model.dropout` is the head's,
    and means the same in every model."""
    if not timm.is_model(cfg.name):
        raise InputError(
            f"model.name={cfg.name}: no model of timm or of ours; "
            f"{suggest(cfg.name, timm.list_models()) or 'timm.list_models() lists them'}"
        )
    own = {"depth": cfg.depth, "width": cfg.width} if cfg.name == "basic_cnn" else {}
    return timm.create_model(cfg.name, pretrained=False, num_classes=0, in_chans=channels, **own)


def _head(cfg: ModelConfig, width: int, classes: int) -> nn.Module:
    hidden = (cfg.hidden if cfg.hidden is not None else [256]) if cfg.head is Head.new else []
    layers: list[nn.Module] = []
    for units in hidden:
        layers += [nn.Linear(width, units), nn.ReLU(), Dropout(cfg.dropout)]
        width = units
    layers += [] if hidden else [Dropout(cfg.dropout)]
    return nn.Sequential(*layers, nn.Linear(width, classes))


@torch.no_grad()
def _probe(model: Classifier, plan: ModelPlan) -> int:
    """The features' width; children that the features do not pass through are taken out.

    So a VGG16 with a new head does not drag along the two dense layers of its own classifier.
    Raises `InputError` where the images are too small for the network.
    """
    reached: set[str] = set()
    hooks = [
        module.register_forward_hook(lambda *_, child=child: reached.add(child))
        for child, top in model.network.named_children()
        for module in top.modules()
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
    for child in [name for name, _ in model.network.named_children() if name not in reached]:
        setattr(model.network, child, nn.Identity())
    return width
