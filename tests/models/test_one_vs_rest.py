"""Probabilities of a model that was trained with binary cross-entropy."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from fashion_exp.configuration.composition import parse_command_line
from fashion_exp.errors import InputError
from fashion_exp.models.build import build_model
from fashion_exp.models.one_vs_rest import OneVsRest
from fashion_exp.models.plan import plan_model
from fashion_exp.models.timm_folder import save_timm_folder
from fashion_exp.models.weights import find_weights

LOGITS = torch.tensor([[2.0, -1.0, 0.0], [-90.0, -95.0, -99.0]])


def test_probabilities_are_the_sigmoids_divided_by_their_sum() -> None:
    layer = OneVsRest()
    assert torch.equal(layer(LOGITS), LOGITS)
    probabilities = layer.eval()(LOGITS).softmax(1)
    sigmoids = LOGITS.double().sigmoid()
    expected = (sigmoids / sigmoids.sum(1, keepdim=True)).float()
    assert torch.allclose(probabilities, expected, atol=1e-6)


def test_probabilities_are_the_class_shares_where_the_loss_is_lowest() -> None:
    """Images that look alike: half of them of class 0, 30 % of class 1, 20 % of class 2."""
    shares = torch.tensor([0.5, 0.3, 0.2])
    logits = torch.zeros(3, requires_grad=True)
    optimizer = torch.optim.SGD([logits], lr=2)
    for _ in range(200):
        optimizer.zero_grad()
        F.binary_cross_entropy_with_logits(logits, shares).backward()
        optimizer.step()
    probabilities = OneVsRest().eval()(logits[None]).softmax(1)
    assert torch.allclose(probabilities, shares[None], atol=1e-3)
    assert logits.softmax(0)[0] > 0.56, "the softmax of the logits is overconfident"


def test_export_as_a_network_of_timm_is_refused(tmp_path: Path) -> None:
    (cfg,) = parse_command_line(["model=timm", "model.name=test_resnet"]).jobs
    plan = plan_model(cfg.model, cfg.dataset, cfg.optim, find_weights("test_resnet", "none"), 32)
    model = build_model(cfg.model, plan, 2, seed=0, one_vs_rest=True)
    with pytest.raises(InputError, match=r"training\.loss=bce"):
        save_timm_folder(tmp_path / "x", model, "test_resnet", plan, "crop", ("a", "b"), 1.0)
