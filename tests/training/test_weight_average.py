"""The average of the weights equals PyTorch's, and leaves the training as it is."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from fashion_exp.training.weight_average import WeightAverage
from tests.training.test_fit import INPUTS, LABELS, new_model, sgd, train


def test_average_equals_pytorchs_averaged_model() -> None:
    """With a decay that the first updates reach; batch-norm statistics are averaged too."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 2))
    reference = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.1), use_buffers=True)
    reference.update_parameters(model)  # its first update copies the model
    average = WeightAverage(model.state_dict(keep_vars=True), 0.1)
    optimizer = sgd(model)
    for _ in range(4):
        nn.functional.cross_entropy(model(INPUTS), LABELS).backward()
        optimizer.step()
        optimizer.zero_grad()
        average.update()
        reference.update_parameters(model)
    with average.applied():
        averaged = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert averaged.pop("1.num_batches_tracked") == 4
    for name, tensor in averaged.items():
        assert torch.equal(tensor, reference.module.state_dict()[name]), name


def test_fit_averages_after_each_update_and_trains_the_same() -> None:
    plain, model = new_model(), new_model()
    train(plain, sgd(plain), batch_size=3, accumulate=2, epochs=3)
    values = [model.weight.detach().clone()]
    average = WeightAverage(model.state_dict(keep_vars=True), 0.5)
    optimizer = sgd(model)
    optimizer.register_step_post_hook(lambda *_: values.append(model.weight.detach().clone()))
    train(model, optimizer, batch_size=3, accumulate=2, epochs=3, average=average)
    assert torch.equal(model.weight, plain.weight) and len(values) == 1 + 3 * 2
    expected = values[0].double()
    for n, value in enumerate(values[1:]):
        decay = min(0.5, (1 + n) / (10 + n))
        expected = decay * expected + (1 - decay) * value
    with average.applied():
        assert torch.allclose(model.weight.double(), expected, atol=1e-7)
        assert not torch.equal(model.weight, plain.weight)
    assert torch.equal(model.weight, plain.weight)


def test_weights_come_back_after_an_error() -> None:
    model = new_model()
    average = WeightAverage(model.state_dict(keep_vars=True), 0.5)
    train(model, sgd(model), average=average)
    before = model.weight.detach().clone()
    with pytest.raises(ZeroDivisionError), average.applied():
        _ = 1 / 0
    assert torch.equal(model.weight, before)
