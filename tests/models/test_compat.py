"""timm's modules still follow the private conventions that `models/compat.py` uses."""

from __future__ import annotations

import pytest
import timm

from fashion_exp.models.compat import checkpoint_filter


@pytest.mark.parametrize(
    ("name", "function"),
    [("test_vit", "checkpoint_filter_fn"), ("vgg11", "_filter_fn"), ("test_resnet", None)],
)
def test_checkpoint_filter_is_found(name: str, function: str | None) -> None:
    network = timm.create_model(name, num_classes=0)
    assert getattr(checkpoint_filter(network), "__name__", None) == function
