"""Libraries still follow the private conventions that `models/compat.py` uses."""

from __future__ import annotations

import subprocess
import sys

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


COMPILER = """if True:
    import sys, torch
    from fashion_exp.models.compat import import_timm

    def is_imported():
        return any(name.startswith("torch._dynamo") for name in sys.modules)

    network = import_timm().create_model("test_resnet", num_classes=3)
    images = torch.rand(2, 3, 32, 32)
    network(images).sum().backward()
    assert all(p.grad is not None for p in network.parameters())
    assert not is_imported() and "_dynamo" not in vars(torch)
    from torchvision import tv_tensors
    from torchvision.ops import roi_align

    assert roi_align(images, torch.tensor([[0.0, 0, 0, 4, 4]]), 2).shape == (1, 3, 2, 2)
    image = tv_tensors.Image(images[0])
    assert type(tv_tensors.wrap(images[1], like=image)) is tv_tensors.Image and is_imported()
    expected = network.eval()(images)
    assert torch.equal(torch.compile(network, backend="eager")(images), expected)
    assert torch.equal(torch.export.export(network, (images,)).module()(images), expected)
    print("done")
"""


@pytest.mark.slow
def test_compiler_is_imported_when_it_is_used() -> None:
    done = subprocess.run([sys.executable, "-c", COMPILER], capture_output=True, text=True)
    assert done.stdout == "done\n", done.stderr
