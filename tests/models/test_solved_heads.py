"""Heads solved on features: nearest neighbors, and layers that keep their digits."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from fashion_exp.models.solved_heads import NearestNeighbors, SolvedLinear


def filled(neighbors: int = 5) -> tuple[NearestNeighbors, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    features = torch.randn(60, 8) * torch.logspace(-2, 2, 8) + 1
    labels = torch.arange(60) % 3
    head = NearestNeighbors(8, 3, neighbors)
    head.fill(features, labels, features.mean(0), features.std(0, correction=0))
    return head, features, labels


def test_probabilities_are_corrected_votes_of_scikit_learn() -> None:
    head, features, labels = filled()
    new = torch.randn(40, 8) * torch.logspace(-2, 2, 8) + 1
    neighbors = KNeighborsClassifier(5, metric="cosine")
    reference = make_pipeline(StandardScaler(), neighbors).fit(features.numpy(), labels.numpy())
    votes = 5 * reference.predict_proba(new.numpy())
    probabilities = head(new).softmax(1).numpy()
    assert np.allclose(probabilities, (votes + 1) / (5 + 3), atol=1e-6)


def test_checkpoint_brings_its_own_rows() -> None:
    head, features, _ = filled()
    empty = nn.Sequential(NearestNeighbors(8, 3, 5))
    empty.load_state_dict(nn.Sequential(head).state_dict(), strict=False)
    assert torch.equal(empty(features), head(features))


def test_checkpoint_of_earlier_versions_uses_features_as_they_are() -> None:
    head, features, labels = filled()
    state = nn.Sequential(head).state_dict()
    earlier = {name: value for name, value in state.items() if name not in ("0.mean", "0.scale")}
    loaded, plain = nn.Sequential(NearestNeighbors(8, 3, 5)), NearestNeighbors(8, 3, 5)
    loaded.load_state_dict(earlier)
    plain.fill(features, labels, torch.zeros(8), torch.ones(8))
    plain.rows = head.rows
    assert torch.equal(loaded(features), plain(features))


def test_views_of_an_image_have_one_vote() -> None:
    """Of the nearest one; the votes are those of an image for which it alone is stored."""
    _, features, labels = filled()
    views = torch.stack([features, -features, torch.randn(60, 8)], 1).flatten(0, 1)
    head = NearestNeighbors(8, 3, 1)
    unchanged = torch.zeros(8), torch.ones(8)
    head.fill(views, labels, *unchanged)
    assert torch.equal(head(-features).argmax(1), labels)
    every = NearestNeighbors(8, 3, 60)
    every.fill(views, labels, *unchanged)
    votes = 63 * every(torch.randn(5, 8)).softmax(1) - 1
    assert torch.allclose(votes, torch.full((5, 3), 20.0), atol=1e-4)
    copy = nn.Sequential(NearestNeighbors(8, 3, 1))
    copy.load_state_dict(nn.Sequential(head).state_dict(), strict=False)
    assert torch.equal(copy(features), head(features))


def test_autocast_changes_no_digit() -> None:
    """A folded layer subtracts terms that are larger than its logits."""
    knn, features, _ = filled()
    linear = SolvedLinear(8, 3)
    linear.fill(100 * torch.randn(3, 8), torch.randn(3))
    for head in (knn, linear):
        plain = head(features)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert torch.equal(head(features), plain)
