"""Models that share a frozen network equal models that are built alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from fashion_exp.configuration.composition import parse_command_line
from fashion_exp.models.build import build_model
from fashion_exp.models.classifier import Classifier
from fashion_exp.models.plan import plan_model
from fashion_exp.models.weights import find_weights


def built(seed: int, *options: str, share: bool, weights: str = "none") -> Classifier:
    fixed = ["model=timm", "model.name=test_resnet", "dataset.image_size=32"]
    fixed += [f"model.weights={weights}", "model.freeze=backbone", "model.preprocessing=dataset"]
    cfg = parse_command_line([*fixed, *options]).jobs[0]
    plan = plan_model(cfg.model, cfg.dataset, cfg.optim, find_weights("test_resnet", weights), 32)
    return build_model(cfg.model, plan, 3, seed, share=share)


@pytest.mark.parametrize("pretrained", [False, True])
def test_shared_network_gives_the_model_that_is_built_alone(
    pretrained: bool, tmp_path: Path
) -> None:
    """Also with another seed, whose head must not depend on who built the network."""
    weights = "none"
    if pretrained:
        weights = str(tmp_path / "network.safetensors")
        state = built(9, share=False).network.state_dict()
        save_file({name: tensor.contiguous() for name, tensor in state.items()}, weights)
    for seed, option in ((0, "model.dropout=0.1"), (0, "model.head=new"), (1, "model.dropout=0.1"),
                         (0, "model.dropout=0.5")):  # fmt: skip
        shared = built(seed, option, share=True, weights=weights)
        alone = built(seed, option, share=False, weights=weights)
        wanted = alone.state_dict()
        assert shared.state_dict().keys() == wanted.keys()
        assert all(torch.equal(tensor, wanted[key]) for key, tensor in shared.state_dict().items())
        assert shared.trainable_state().keys() == alone.trainable_state().keys()


def test_models_share_the_network_and_not_the_head() -> None:
    first, second = (built(3, f"model.dropout={rate}", share=True) for rate in (0.1, 0.2))
    assert first.network is second.network and first.head is not second.head
    assert [layer.p for layer in (first.head[0], second.head[0])] == [0.1, 0.2]  # type: ignore[index]
    assert built(3, "model.dropout=0.1", share=False).network is not first.network
