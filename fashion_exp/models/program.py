"""The program that is exported: photos in, probabilities out, resizing included."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from fashion_exp.models.classifier import Classifier

_PRECISION = 2.0**22
"""Pillow's weights are integers of this unit (`PRECISION_BITS` in its Resample.c)."""


class Program(nn.Module):
    """Maps uint8 photos (n, height, width, 3) of one size to three tensors.

    These are the ensemble's probabilities (n, classes), the mean over its models; those of each
    model (models, n, classes); and the features (n, width) of the network that all models share,
    without columns if they share none. Each model's logits are divided by its temperature for the
    first tensor alone.
    """

    temperatures: torch.Tensor

    def __init__(
        self, models: Sequence[Classifier], temperatures: Sequence[float], resize: nn.Module
    ) -> None:
        super().__init__()
        self.resize = resize
        self.shared = len(models) == 1 or all(_same(models[0], other) for other in models[1:])
        self.networks: Any = nn.ModuleList(models[:1] if self.shared else models)
        self.heads = nn.ModuleList(model.evaluation_head for model in models)
        self.register_buffer("temperatures", torch.tensor(temperatures).view(-1, 1, 1))

    def forward(self, photos: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        images = self.resize(photos).permute(0, 3, 1, 2)
        features = [network.features(images) for network in self.networks]
        by_head = features * len(self.heads) if self.shared else features
        logits = torch.stack([h(x) for h, x in zip(self.heads, by_head, strict=True)]).float()
        calibrated = (logits / self.temperatures).softmax(2).mean(0)
        return calibrated, logits.softmax(2), features[0] if self.shared else images[:, 0, 0, :0]


def trace(
    program: Program, shape: tuple[int, int, int], any_size: bool = False
) -> torch.export.ExportedProgram:
    """The program for any number of photos of a shape (height, width, channels), or of any."""
    dynamic = torch.export.Dim.DYNAMIC
    axes = {axis: dynamic for axis in ((0, 1, 2) if any_size else (0,))}
    photos = torch.zeros((2, 96, 128, 3) if any_size else (2, *shape), dtype=torch.uint8)
    with torch.no_grad():
        return torch.export.export(program, (photos,), dynamic_shapes=(axes,))


def _same(a: Classifier, b: Classifier) -> bool:
    """Whether two models have the same network, head excluded."""
    states = a.network.state_dict(), b.network.state_dict()
    return all(torch.equal(tensor, states[1][name]) for name, tensor in states[0].items())


class Resize(nn.Module):
    """Fits photos (n, height, width, 3) of any size into (n, size, size, channels), both uint8.

    Gives what `data/geometry.py` gives with Pillow, bit for bit: Pillow's integer arithmetic is
    exact in float64. Its resampling is a matrix product over the columns, rounded to 8 bits, and
    another over the rows, which a graph of any runtime can compute, also for sizes unknown in
    advance. "nearest" is not among the filters: there Pillow adds up rounding errors.
    """

    def __init__(self, size: int, fit: str, interpolation: str, channels: int) -> None:
        super().__init__()
        self.size, self.fit, self.interpolation = size, fit, interpolation
        self.channels = channels

    def forward(self, photos: torch.Tensor) -> torch.Tensor:
        pixels = photos.double()
        if self.channels == 1:  # Pillow's luma, ITU-R 601-2
            weights = torch.tensor([19595.0, 38470.0, 7471.0], dtype=torch.double)
            pixels = ((pixels @ weights + 32768) / 65536).floor().unsqueeze(3)
        height, width = _length(pixels, 1), _length(pixels, 2)
        edge = torch.minimum(height, width) if self.fit == "crop" else torch.maximum(height, width)
        columns, in_columns = self._weights(width, edge, torch.arange(pixels.shape[2]))
        rows, in_rows = self._weights(height, edge, torch.arange(pixels.shape[1]))
        # Pillow 13 begins with the rows if the height shrinks much more than the width.
        shrunk = [n - inside.sum() for n, inside in ((height, in_rows), (width, in_columns))]
        rows_first = (shrunk[0] > 0) & (shrunk[0] > 2 * shrunk[1])
        resized = torch.where(
            rows_first,
            _across(columns, _down(rows, pixels)),
            _down(rows, _across(columns, pixels)),
        )
        if self.fit == "pad":
            inside = (in_rows[:, None] & in_columns[None, :])[None, :, :, None]
            resized = torch.where(inside, resized, pixels.mean((1, 2), keepdim=True).round())
        return resized.to(torch.uint8)

    def _weights(
        self, length: torch.Tensor, edge: torch.Tensor, source: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Pillow's integer weights (size, length) of the source pixels of one axis for each target
        pixel, and which target pixels the photo covers (size,)."""
        target = torch.arange(self.size, dtype=torch.double)
        begin, extent = torch.zeros_like(length), length
        covered = torch.full_like(length, float(self.size))
        if self.fit == "crop":
            begin, extent = ((length - edge) / 2).floor(), edge
        elif self.fit == "pad":
            # torch computes `self.size / edge` as size * (1 / edge), which rounds twice: 150 of
            # 384 px to 224 would be below 87.5, and round to another size than Pillow's.
            scale = torch.full_like(edge, self.size) / edge
            covered = (length * scale).round().clamp(min=1)
            target = target - ((self.size - covered) / 2).floor()
        scale = extent / covered
        inside = (target >= 0) & (target < covered)
        center = (begin + (target + 0.5) * scale)[:, None]
        pixel = source.double()[None, :]
        support, kernel = _KERNELS[self.interpolation]
        stretch = scale.clamp(min=1)
        first = (center - support * stretch + 0.5).trunc()
        last = (center + support * stretch + 0.5).trunc()
        values = kernel((pixel - center + 0.5) * (1 / stretch))
        values = torch.where((pixel >= first) & (pixel < last), values, 0.0)
        total = values.sum(1, keepdim=True)
        weights = values / torch.where(total == 0, 1.0, total) * _PRECISION
        return (weights + torch.where(weights < 0, -0.5, 0.5)).trunc(), inside


class _PackedResize(nn.Module):
    """Fits photos into several geometries, laid out as `data.geometry.PackedGeometry` has them."""

    def __init__(self, parts: Sequence[Resize]) -> None:
        super().__init__()
        self._parts = nn.ModuleList(parts)

    def forward(self, photos: torch.Tensor) -> torch.Tensor:
        return torch.cat([part(photos).flatten(1, 2) for part in self._parts], dim=1)[:, None]


def resize_for(parts: Sequence[Resize]) -> nn.Module:
    """The resizing into one or several geometries."""
    return parts[0] if len(parts) == 1 else _PackedResize(parts)


def _length(pixels: torch.Tensor, axis: int) -> torch.Tensor:
    """The size of an axis as a number of the graph."""
    return torch.ones_like(pixels[0, :, 0, 0] if axis == 1 else pixels[0, 0, :, 0]).sum()


def _across(columns: torch.Tensor, pixels: torch.Tensor) -> torch.Tensor:
    return _to_8_bits(torch.einsum("nhwc,xw->nhxc", pixels, columns))


def _down(rows: torch.Tensor, pixels: torch.Tensor) -> torch.Tensor:
    return _to_8_bits(torch.einsum("nhxc,yh->nyxc", pixels, rows))


def _to_8_bits(sums: torch.Tensor) -> torch.Tensor:
    return ((sums + _PRECISION / 2) / _PRECISION).floor().clamp(0, 255)


def _triangle(x: torch.Tensor) -> torch.Tensor:
    return (1 - x.abs()).clamp(min=0)


def _cubic(x: torch.Tensor) -> torch.Tensor:
    """Keys' kernel with a = -0.5."""
    x, a = x.abs(), -0.5
    near = ((a + 2.0) * x - (a + 3.0)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * a
    return torch.where(x < 1, near, torch.where(x < 2, far, 0.0))


def _lanczos(x: torch.Tensor) -> torch.Tensor:
    return torch.where((x >= -3) & (x < 3), _sinc(x) * _sinc(x / 3), 0.0)


def _sinc(x: torch.Tensor) -> torch.Tensor:
    x = x * math.pi
    return torch.where(x == 0, 1.0, x.sin() / torch.where(x == 0, 1.0, x))


_KERNELS: dict[str, tuple[float, Callable[[torch.Tensor], torch.Tensor]]] = {
    "bilinear": (1.0, _triangle),
    "bicubic": (2.0, _cubic),
    "lanczos": (3.0, _lanczos),
}
"""Half the width of each filter in target pixels, and its weight by distance."""
