"""Heads solved on features: nearest neighbors, and layers that keep their digits."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.neighbors import KNeighborsClassifier
from torch import nn

from fashion_exp.models.solved_heads import NearestNeighbors, SolvedLinear


def filled(neighbors: int = 5) -> tuple[NearestNeighbors, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    features, labels = torch.randn(60, 8), torch.arange(60) % 3
    head = NearestNeighbors(8, 3, neighbors)
    head.fill(features, labels)
    return head, features, labels


def test_probabilities_are_corrected_votes_of_scikit_learn() -> None:
    head, features, labels = filled()
    new = torch.randn(40, 8)
    reference = KNeighborsClassifier(5, metric="cosine").fit(features, labels)
    votes = 5 * reference.predict_proba(new.numpy())
    probabilities = head(new).softmax(1).numpy()
    assert np.allclose(probabilities, (votes + 1) / (5 + 3), atol=1e-6)


def test_checkpoint_brings_its_own_rows() -> None:
    head, features, _ = filled()
    empty = nn.Sequential(NearestNeighbors(8, 3, 5))
    empty.load_state_dict(nn.Sequential(head).state_dict(), strict=False)
    assert torch.equal(empty(features), head(features))


def test_autocast_changes_no_digit() -> None:
    """A folded layer subtracts terms that are larger than its logits."""
    knn, features, _ = filled()
    linear = SolvedLinear(8, 3)
    linear.fill(100 * torch.randn(3, 8), torch.randn(3))
    for head in (knn, linear):
        plain = head(features)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert torch.equal(head(features), plain)
