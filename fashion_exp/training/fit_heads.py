"""Trains many heads together, each as `fit` would train it alone, bit for bit.

A head is small: calling PyTorch takes longer than computing. So the heads take their steps at the
same time. Those that are trained on the same images read a batch once, one call computes all
gradients, and one call of the optimizer updates all heads with the same options. Every matrix
product, loss and update has the operands that it has in `fit`, so that no digit differs.
"""

from __future__ import annotations

import copy
import time
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

import torch
from torch import nn

from fashion_exp.training.device import Compute
from fashion_exp.training.fit import Batches, EpochResult, set_learning_rate
from fashion_exp.training.losses import Criterion


@dataclass(frozen=True)
class HeadTraining:
    """A head and what trains it: arguments of `fit`, by their names.

    What several heads share is one object: the `batches` of the same images are read once, and
    heads with one `lr_factor` and the same options of the optimizer are updated together.
    """

    head: nn.Sequential
    batches: Batches
    optimizer: torch.optim.Optimizer
    criterion: Criterion
    lr_factor: Callable[[float], float]
    clip_norm: float | None
    seed_of_epoch: Callable[[int], int]


def fit_heads(
    trainings: Sequence[HeadTraining], compute: Compute, *, epoch: int, accumulate: int
) -> list[EpochResult]:
    """Trains every head for one epoch; gives the results in the order of the trainings.

    The batches of all trainings have the same sizes. Each result has its share of the seconds.
    """
    start = time.perf_counter()
    updates = _join_updates(trainings)
    passes = _share_inputs(trainings, epoch, compute)
    loss_sums = torch.zeros(len(trainings), device=compute.device)
    correct = torch.zeros(len(trainings), device=compute.device, dtype=torch.int64)
    total, views, update_count, pending = len(trainings[0].batches), 0, 0, 0
    for batches in _read_together(trainings, epoch):
        if pending == 0:
            for update in updates:
                update.set_learning_rate(epoch + views / total)
        losses, hits = _losses_and_hits(trainings, passes, batches, compute)
        (losses / accumulate).backward(torch.ones_like(losses))
        size = len(next(iter(batches.values()))[1])
        views, pending = views + size, pending + 1
        if pending == accumulate or views == total:
            for training in trainings:
                if training.clip_norm is not None:
                    nn.utils.clip_grad_norm_(training.head.parameters(), training.clip_norm)
            for update in updates:
                update.step()
            update_count, pending = update_count + 1, 0
        loss_sums += losses.detach() * size
        correct += hits
    for update in updates:
        update.give_back()
    seconds = (time.perf_counter() - start) / len(trainings)
    rates = [training.optimizer.param_groups[-1]["lr"] for training in trainings]
    return [
        EpochResult(epoch, loss_sum / views, count / views, lr, update_count, seconds, views)
        for loss_sum, count, lr in zip(loss_sums.tolist(), correct.tolist(), rates, strict=True)
    ]


_Batch = tuple[torch.Tensor, torch.Tensor]
"""Inputs and labels."""


def _read_together(trainings: Sequence[HeadTraining], epoch: int) -> Iterator[dict[int, _Batch]]:
    """The next batch of every source, by the source's id."""
    sources = {id(training.batches): training.batches for training in trainings}
    for batches in zip(*(source.epoch(epoch) for source in sources.values()), strict=True):
        yield dict(zip(sources, batches, strict=True))


def _losses_and_hits(
    trainings: Sequence[HeadTraining], passes: Sequence[_ForwardPass],
    batches: dict[int, _Batch], compute: Compute,
) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    """The loss of each head on its batch, and how many images it classified correctly."""
    losses = [torch.empty(0)] * len(trainings)
    hits = losses.copy()
    for forward in passes:
        inputs, labels = map(compute.move, batches[forward.source])
        with compute.precision(inputs):
            for index, logits in forward(inputs):
                losses[index] = trainings[index].criterion(logits.float(), labels)
                hits[index] = (logits.detach().argmax(1) == labels).sum()
    return torch.stack(losses), torch.stack(hits)


class _ForwardPass:
    """The forward pass of heads that compute the same from a batch up to their first weights.

    They have the same images, seed, and first layers without weights (dropout). Heads that draw
    random numbers later are alone in their pass.
    """

    def __init__(
        self, members: Sequence[tuple[int, HeadTraining]], epoch: int, compute: Compute
    ) -> None:
        first = members[0][1]
        self.source = id(first.batches)
        self._shared = first.head[: _count_weightless(first.head)]
        self._own = [(index, t.head[len(self._shared) :]) for index, t in members]
        self._compute = compute
        self._is_random = _is_random(first.head)
        torch.manual_seed(first.seed_of_epoch(epoch))
        self._random_state = _random_state(compute)

    def __call__(self, inputs: torch.Tensor) -> Iterator[tuple[int, torch.Tensor]]:
        """The index and the logits of each head."""
        if self._is_random:
            _set_random_state(self._random_state, self._compute)
        inputs = self._shared(inputs)
        for index, layers in self._own:
            yield index, layers(inputs)
        if self._is_random:
            self._random_state = _random_state(self._compute)


def _share_inputs(
    trainings: Sequence[HeadTraining], epoch: int, compute: Compute
) -> list[_ForwardPass]:
    alike: defaultdict[Hashable, list[tuple[int, HeadTraining]]] = defaultdict(list)
    for index, training in enumerate(trainings):
        head = training.head.train()
        first = _count_weightless(head)
        key = id(training.batches), training.seed_of_epoch(epoch), repr(head[:first])
        alike[index if _is_random(head[first:]) else key].append((index, training))
    return [_ForwardPass(members, epoch, compute) for members in alike.values()]


def _count_weightless(head: nn.Sequential) -> int:
    """The number of layers before the first one with weights."""
    return len(list(takewhile(lambda layer: not [*layer.parameters()], head)))


def _is_random(layers: Iterable[nn.Module]) -> bool:
    return any(isinstance(layer, nn.Dropout) and layer.p > 0 for layer in layers)


def _random_state(compute: Compute) -> torch.Tensor:
    is_cuda = compute.device.type == "cuda"
    return torch.cuda.get_rng_state(compute.device) if is_cuda else torch.get_rng_state()


def _set_random_state(state: torch.Tensor, compute: Compute) -> None:
    if compute.device.type == "cuda":
        torch.cuda.set_rng_state(state, compute.device)
    else:
        torch.set_rng_state(state)


class _JointUpdate:
    """The update of all heads that have the same optimizer, options and schedule."""

    def __init__(self, trainings: Sequence[HeadTraining]) -> None:
        self._optimizers = [training.optimizer for training in trainings]
        self._lr_factor = trainings[0].lr_factor
        self._joint = copy.copy(self._optimizers[0])
        self._joint.state = defaultdict(dict)
        self._joint.param_groups = []
        for groups in zip(*(o.param_groups for o in self._optimizers), strict=True):
            parameters = [parameter for group in groups for parameter in group["params"]]
            self._joint.param_groups.append({**groups[0], "params": parameters})
        for optimizer in self._optimizers:
            self._joint.state.update(optimizer.state)

    def set_learning_rate(self, time: float) -> None:
        """`time` is in epochs."""
        set_learning_rate(self._joint, self._lr_factor(time))

    def step(self) -> None:
        self._joint.step()
        self._joint.zero_grad()

    def give_back(self) -> None:
        """Leaves every optimizer as if it had made the updates itself."""
        for optimizer in self._optimizers:
            for own, joint in zip(optimizer.param_groups, self._joint.param_groups, strict=True):
                own.update(joint | {"params": own["params"]})
                for parameter in own["params"]:
                    if parameter in self._joint.state:
                        optimizer.state[parameter] = self._joint.state[parameter]


def _join_updates(trainings: Sequence[HeadTraining]) -> list[_JointUpdate]:
    alike: defaultdict[Hashable, list[HeadTraining]] = defaultdict(list)
    for training in trainings:
        optimizer = training.optimizer
        groups = [{**group, "params": len(group["params"])} for group in optimizer.param_groups]
        alike[type(optimizer).__name__, repr(groups), id(training.lr_factor)].append(training)
    return [_JointUpdate(members) for members in alike.values()]
