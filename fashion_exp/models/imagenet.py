"""What the ImageNet classifier of a pretrained network says: words and probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch

from fashion_exp.models.compat import import_timm
from fashion_exp.models.plan import ModelPlan
from fashion_exp.models.weights import read_state

CLASSES = 1_000
_TOLERANCE = 1e-3
"""Of the logits of a random image, as a share of the largest."""


@dataclass(frozen=True)
class ImageNetClassifier:
    """The last layer of a network, from its features to ImageNet's classes."""

    layer: torch.nn.Linear

    @property
    def width(self) -> int:
        return self.layer.in_features

    @torch.inference_mode()
    def probabilities(self, features: torch.Tensor) -> torch.Tensor:
        """(n, 1000) for features (n, width)."""
        return torch.as_tensor(self.layer(features).softmax(1))


@cache
def imagenet_descriptions() -> tuple[str, ...]:
    """Names and definition of each of the 1,000 classes, from WordNet: "jersey, T-shirt, tee shirt:
    a close-fitting pullover shirt"."""
    import_timm()
    from timm.data import ImageNetInfo

    return tuple(ImageNetInfo("imagenet-1k").label_descriptions(detailed=True))


@torch.inference_mode()
def find_classifier(name: str, plan: ModelPlan) -> ImageNetClassifier | None:
    """The ImageNet classifier in the weights of a network of timm; None if they have none, or if it
    reads anything but the mean of the feature map."""
    timm = import_timm()
    if plan.weights.path is None or plan.channels != 3 or not timm.is_model(name):
        return None
    network = timm.create_model(name, pretrained=False).eval()
    layer = network.get_classifier()
    if not isinstance(layer, torch.nn.Linear) or layer.out_features != CLASSES:
        return None
    state = read_state(network, plan.weights.path, plan.channels)
    try:
        missing = network.load_state_dict(state, strict=False).missing_keys
    except RuntimeError:  # a last layer of other classes
        return None
    if any(not key.endswith("num_batches_tracked") for key in missing):
        return None
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(1, 3, plan.size, plan.size, generator=generator)
    feature_map = network.forward_features(images)
    expected = network.forward_head(feature_map)
    if feature_map.ndim != 4 or feature_map.shape[1] != layer.in_features:
        return None
    difference = (layer(feature_map.mean((2, 3))) - expected).abs().max() / expected.abs().max()
    return ImageNetClassifier(layer) if float(difference) < _TOLERANCE else None
