"""What the processes of a team add up to is what one process would have computed."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from fashion_exp.training.process_group import ProcessGroup


def teams(size: int) -> list[ProcessGroup]:
    return [ProcessGroup(rank, size) for rank in range(size)]


@given(views=st.integers(1, 30), size=st.integers(1, 5))
def test_each_view_of_a_batch_counts_in_one_process(views: int, size: int) -> None:
    labels = torch.zeros(views, dtype=torch.int64)
    batch = torch.arange(views)
    shares = [(t.share(batch), t.part(labels, None)) for t in teams(size)]
    assert all(len(own) for own, _ in shares), "a process without an image could not go on"
    assert sorted(int(v) for own, part in shares if part for v in own) == list(range(views))
    assert sum(part for _, part in shares) == pytest.approx(1)


@given(
    views=st.integers(1, 12),
    size=st.integers(1, 4),
    weighted=st.booleans(),
    smoothing=st.sampled_from([0.0, 0.2]),
    seed=st.integers(0, 99),
)
def test_the_parts_losses_and_gradients_are_those_of_the_whole_batch(
    views: int, size: int, weighted: bool, smoothing: float, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(views, 4, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, 3, (views,), generator=generator)
    weights = torch.tensor([1.0, 5.0, 0.3], dtype=torch.float64) if weighted else None
    criterion = nn.CrossEntropyLoss(weights, label_smoothing=smoothing)
    net = nn.Linear(4, 3).double()

    whole = criterion(net(inputs), labels)
    expected = torch.autograd.grad(whole, net.weight)[0]
    losses = [
        criterion(net(t.share(inputs)), t.share(labels)) * t.part(labels, weights)
        for t in teams(size)
    ]
    gradients = [torch.autograd.grad(loss, net.weight)[0] for loss in losses]
    # the parts are numbers of single precision
    assert torch.allclose(torch.stack(losses).sum(), whole, rtol=1e-6)
    assert torch.allclose(torch.stack(gradients).sum(0), expected, rtol=1e-5, atol=1e-6)


def test_alone_nothing_is_changed() -> None:
    team, values = ProcessGroup(), torch.tensor([0.1, 0.7])
    team.total(values)
    assert team.is_main_process and torch.equal(team.share(values), values)
    assert team.part(torch.tensor([0, 1]), None) == 1 and team.told("word") == "word"
    assert torch.equal(team.merged(values, 2), torch.tensor([0.1, 0.7]))
