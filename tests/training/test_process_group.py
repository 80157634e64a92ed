"""The processes of a group compute together what a single process would."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from fashion_exp.training.losses import Criterion
from fashion_exp.training.process_group import ProcessGroup


def processes(size: int) -> list[ProcessGroup]:
    return [ProcessGroup(rank, size) for rank in range(size)]


@given(views=st.integers(1, 30), size=st.integers(1, 5))
def test_shards_partition_a_batch(views: int, size: int) -> None:
    labels = torch.zeros(views, dtype=torch.int64)
    shards = [(p.shard(torch.arange(views)), p.loss_weight(labels, None)) for p in processes(size)]
    assert all(len(shard) for shard, _ in shards), "every process needs at least one image"
    counted = sorted(int(view) for shard, weight in shards if weight for view in shard)
    assert counted == list(range(views))
    assert sum(weight for _, weight in shards) == pytest.approx(1)


@given(
    views=st.integers(1, 12),
    size=st.integers(1, 4),
    weighted=st.booleans(),
    smoothing=st.sampled_from([0.0, 0.2]),
    name=st.sampled_from(["cross_entropy", "focal", "bce"]),
    mixed=st.booleans(),
    seed=st.integers(0, 99),
)
def test_weighted_losses_and_gradients_add_up_to_those_of_the_whole_batch(
    views: int, size: int, weighted: bool, smoothing: float, name: str, mixed: bool, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(views, 4, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, 3, (views,), generator=generator)
    if mixed:
        classes = nn.functional.one_hot(labels, 3).double()
        labels = 0.3 * classes + 0.7 * classes.roll(1, 0)
    weights = torch.tensor([1.0, 5.0, 0.3], dtype=torch.float64) if weighted else None
    criterion = Criterion(name, weights, smoothing)
    model = nn.Linear(4, 3).double()

    whole = criterion(model(inputs), labels)
    expected = torch.autograd.grad(whole, model.weight)[0]
    losses = [
        criterion(model(p.shard(inputs)), p.shard(labels)) * p.loss_weight(labels, weights)
        for p in processes(size)
    ]
    gradients = [torch.autograd.grad(loss, model.weight)[0] for loss in losses]
    # Loss weights are computed in single precision.
    assert torch.allclose(torch.stack(losses).sum(), whole, rtol=1e-6)
    assert torch.allclose(torch.stack(gradients).sum(0), expected, rtol=1e-5, atol=1e-6)


def test_single_process_changes_nothing() -> None:
    group, values = ProcessGroup(), torch.tensor([0.1, 0.7])
    group.all_reduce(values)
    group.barrier()
    assert group.is_main_process and torch.equal(group.shard(values), values)
    assert group.loss_weight(torch.tensor([0, 1]), None) == 1
    assert group.broadcast("message") == "message"
    assert torch.equal(group.gather(values, 2), torch.tensor([0.1, 0.7]))
