"""Trains many heads together, each as `fit` would train it alone, bit for bit.

A head is small: calling PyTorch takes longer than computing. So the heads take their steps at the
same time. Those that are trained on the same images read a batch once, linear heads are multiplied
by it in one call, and one call of the optimizer updates all heads with the same options. Every loss
and update has the operands that it has in `fit`, and a joint product is used where it gives the
same digits as single ones, so that no digit differs.
"""

from __future__ import annotations

import copy
import time
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import takewhile

import torch
from torch import nn
from torch.nn import functional as F

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
        for forward in passes:
            forward.finish_gradients()
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
            every = forward(inputs)
            for index, logits in zip(forward.indices, every, strict=True):
                losses[index] = trainings[index].criterion(logits.float(), labels)
            with torch.no_grad():
                right = torch.stack([*every]).argmax(2) == labels
            for index, count in zip(forward.indices, right.sum(1), strict=True):
                hits[index] = count
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
        self.indices = [index for index, _ in members]
        self._shared = first.head[: _count_weightless(first.head)]
        self._own = [training.head[len(self._shared) :] for _, training in members]
        self._stack = _LinearStack.of(self._own)
        self._compute = compute
        self._is_random = _is_random(first.head)
        torch.manual_seed(first.seed_of_epoch(epoch))
        self._random_state = _random_state(compute)

    def __call__(self, inputs: torch.Tensor) -> Sequence[torch.Tensor]:
        """The logits of each head; `finish_gradients` is to follow after their backward pass."""
        if self._is_random:
            _set_random_state(self._random_state, self._compute)
        inputs = self._shared(inputs)
        if self._stack is not None and self._stack.is_exact(inputs):
            logits: Sequence[torch.Tensor] = self._stack(inputs).unbind()
        else:
            logits = [layers(inputs) for layers in self._own]
        if self._is_random:
            self._random_state = _random_state(self._compute)
        return logits

    def finish_gradients(self) -> None:
        if self._stack is not None:
            self._stack.finish_gradients()


class _LinearStack:
    """Linear layers with the same inputs, whose parameters are parts of one tensor."""

    def __init__(self, layers: Sequence[nn.Linear]) -> None:
        self._weight = torch.stack([layer.weight.detach() for layer in layers])
        self._bias = torch.stack([layer.bias.detach() for layer in layers])
        self._weight_grad = torch.zeros_like(self._weight)
        self._bias_grad = torch.zeros_like(self._bias)
        self._pending: tuple[torch.Tensor, torch.Tensor] | None = None
        for number, layer in enumerate(layers):
            layer.weight.data, layer.weight.grad = self._weight[number], self._weight_grad[number]
            layer.bias.data, layer.bias.grad = self._bias[number], self._bias_grad[number]

    @classmethod
    def of(cls, heads: Sequence[nn.Sequential]) -> _LinearStack | None:
        """None if the heads are more than one linear layer each."""
        layers = [layer for head in heads for layer in head if isinstance(layer, nn.Linear)]
        return cls(layers) if len(layers) == sum(map(len, heads)) == len(heads) > 1 else None

    def is_exact(self, inputs: torch.Tensor) -> bool:
        """Whether the joint products have the digits of single ones for inputs of this shape."""
        autocast = torch.get_autocast_dtype(inputs.device.type)
        dtype = autocast if torch.is_autocast_enabled(inputs.device.type) else inputs.dtype
        shape = *inputs.shape, self._bias.shape[1]
        return _is_joint_product_exact(
            shape, len(self._bias), dtype, inputs.device, torch.get_num_threads()
        )

    def __call__(self, inputs: torch.Tensor) -> torch.Tensor:
        """Logits (heads, batch, classes), a leaf whose gradient `finish_gradients` uses."""
        with torch.no_grad():
            logits, operand = _joint_linear(inputs, self._weight, self._bias)
        logits.requires_grad_()
        self._pending = logits, operand
        return logits

    def finish_gradients(self) -> None:
        """Adds the gradients of the parameters, after the backward pass."""
        if self._pending is not None:
            logits, operand = self._pending
            assert logits.grad is not None
            weight, bias = _joint_gradients(logits.grad, operand)
            self._weight_grad += weight
            self._bias_grad += bias
            self._pending = None


def _joint_linear(
    inputs: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """`F.linear` for weights (heads, classes, width): logits (heads, batch, classes), and the
    inputs (heads, batch, width) in the precision in which they are multiplied."""
    device = inputs.device.type
    if torch.is_autocast_enabled(device):
        dtype = torch.get_autocast_dtype(device)
        inputs, weight, bias = inputs.to(dtype), weight.to(dtype), bias.to(dtype)
    operand = inputs.expand(len(weight), *inputs.shape)
    return torch.baddbmm(bias[:, None], operand, weight.transpose(1, 2)), operand


def _joint_gradients(
    grad: torch.Tensor, operand: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    """Of the weights and biases, float32, from that of the logits."""
    return torch.bmm(grad.transpose(1, 2), operand).float(), grad.sum(1).float()


@cache
def _is_joint_product_exact(
    shape: tuple[int, ...], heads: int, dtype: torch.dtype, device: torch.device, threads: int
) -> bool:
    """Compares joint with single products of noise: which digits a library computes depends on the
    shape, the processor and the number of threads. `shape` is (batch, width, classes)."""
    batch, width, classes = shape
    generator = torch.Generator().manual_seed(0)

    def noise(*size: int) -> torch.Tensor:
        return torch.randn(*size, generator=generator).to(device)

    inputs, weight, bias = noise(batch, width), noise(heads, classes, width), noise(heads, classes)
    slopes = noise(heads, batch, classes)
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
        with torch.no_grad():
            logits, operand = _joint_linear(inputs, weight, bias)
        gradients = _joint_gradients(slopes.to(logits), operand)
        for head in range(heads):
            own = weight[head].clone().requires_grad_(), bias[head].clone().requires_grad_()
            single = F.linear(inputs, *own)
            single.backward(slopes[head].to(single))
            alone = single, *(parameter.grad for parameter in own)
            joint = logits[head], *(gradient[head] for gradient in gradients)
            if not all(map(torch.equal, alone, joint)):  # type: ignore[arg-type]
                return False
    return True


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
        self._joint.zero_grad(set_to_none=False)  # gradients may be parts of a joint tensor

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
