"""Device, precision and thread count of a run, chosen once from the hardware."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import nn

from fashion_exp.process import cpu_count

_BF16_UNSAFE_UP_TO_PX = 16
_BF16_SLOWER_UP_TO_PX = 32
_BF16_MIN_FEATURE_BATCH = 48


@dataclass(frozen=True)
class Compute:
    """A device, a precision and the number of CPU threads per operation.

    `dtype` is "fp32", "bf16", or "auto_bf16": bf16 where it is faster. `depthwise` says whether the
    network consists of depthwise convolutions, whose gradients take longer in bf16.
    """

    device: torch.device
    dtype: str
    threads: int
    depthwise: bool = False

    def precision(self, inputs: torch.Tensor) -> AbstractContextManager[object]:
        """The autocast context for a batch of images or of features."""
        if self.dtype == "fp32" or self._is_unsafe(inputs) or self._is_slower(inputs):
            return nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)

    def _is_slower(self, inputs: torch.Tensor) -> bool:
        """Whether bf16 is no faster than fp32, if the choice is automatic.

        Measured on a CPU with AMX. Casting the head's weights costs more than a small batch of
        features gains. Small images and depthwise convolutions gain nothing either. On a GPU the
        number of operations bounds a small head, and casts are operations.
        """
        if self.dtype != "auto_bf16":
            return False
        if inputs.ndim == 2:
            return len(inputs) < _BF16_MIN_FEATURE_BATCH
        is_small = inputs.ndim == 4 and min(inputs.shape[-2:]) <= _BF16_SLOWER_UP_TO_PX
        return self.device.type == "cpu" and (is_small or self.depthwise)

    def _is_unsafe(self, inputs: torch.Tensor) -> bool:
        """Whether bf16 may give wrong gradients.

        In PyTorch 2.13 to 2.15, on CPUs with bf16, a convolution with stride 2 over a 1×1 map
        leaves parts of its weight's gradient unwritten. Networks that halve the image five times
        reach such a map for images of 16 px or less.
        """
        is_cpu, are_images = self.device.type == "cpu", inputs.ndim == 4
        return is_cpu and are_images and min(inputs.shape[-2:]) <= _BF16_UNSAFE_UP_TO_PX

    def pin_memory(self, tensor: torch.Tensor) -> torch.Tensor:
        """The tensor in page-locked memory if the device is a GPU, so that `move` can overlap."""
        return tensor.pin_memory() if self.device.type == "cuda" else tensor

    def move(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor.to(self.device, non_blocking=True)


def choose_compute(device: str, precision: str, threads: int, local_rank: int = 0) -> Compute:
    """Resolves `training.device`, `precision` and `threads`; makes the process deterministic.

    `local_rank` is the rank among the processes of one training on this machine; each uses its own
    GPU. Raises `ValueError` for a device that is not available.
    """
    resolved = _resolve_device(device, local_rank)
    dtype = precision if precision != "auto" else "auto_bf16" if _has_bf16(resolved) else "fp32"
    torch.set_num_threads(threads)
    if resolved.type == "cpu":
        _keep_freed_memory()
    if resolved.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cudnn.benchmark = False  # it selects kernels by their measured time
        torch.backends.cuda.matmul.allow_tf32 = False  # bf16 is faster; fp32 stays exact
        torch.backends.cudnn.allow_tf32 = False
        torch.use_deterministic_algorithms(True, warn_only=True)
    return Compute(resolved, dtype, threads)


def _keep_freed_memory() -> None:
    """Makes glibc reuse large blocks instead of returning them to the system.

    Every step frees its activations and allocates them again. Fresh pages cost the basic CNN a
    third of its time and ResNet50 a tenth. Allocators of other systems stay as they are.
    """
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        trim_threshold, mmap_max = -1, -4
        libc.mallopt(mmap_max, 0)
        libc.mallopt(trim_threshold, 2**31 - 1)


def threads_per_process(processes: int, cores: int | None = None) -> int:
    """CPU threads for each of several concurrent processes that share `cores` (default: all)."""
    return max(1, (cores or cpu_count()) // processes)


_SMALL_HEAD = 2**17
"""Weights. With two threads instead of one, heads of 3,072 weights took 1.6 times as long."""


@contextmanager
def using_training_threads(model: nn.Module, compute: Compute) -> Iterator[None]:
    """In the block PyTorch has the threads that train the model, afterwards `Compute.threads`."""
    torch.set_num_threads(training_threads(model, compute))
    try:
        yield
    finally:
        torch.set_num_threads(compute.threads)


def training_threads(model: nn.Module, compute: Compute) -> int:
    """CPU threads that train a model: one for a small linear head on stored features, as several
    would wait for each other longer than they compute. `Compute.threads` for all others."""
    layers = [layer for layer in model.modules() if [*layer.parameters(recurse=False)]]
    is_head = isinstance(model, nn.Sequential) and [*map(type, layers)] == [nn.Linear]
    size = sum(parameter.numel() for parameter in model.parameters())
    return 1 if is_head and size <= _SMALL_HEAD else compute.threads


def _resolve_device(name: str, local_rank: int) -> torch.device:
    counts = {"cpu": 1}
    if torch.cuda.is_available():
        counts["cuda"] = torch.cuda.device_count()
    if torch.backends.mps.is_available():
        counts["mps"] = 1
    available = ", ".join(counts)
    try:
        device = torch.device(list(counts)[-1] if name == "auto" else name)
    except RuntimeError:
        raise ValueError(f"{name}: no device; here are {available}") from None
    count = counts.get(device.type, 0)
    if (device.index or 0) >= count:
        raise ValueError(f"{name}: not on this machine; here are {available}")
    has_room = device.type == "cpu" or local_rank < count
    if local_rank and (device.index is not None or not has_room):
        raise ValueError(
            f"{name}: too few devices for {local_rank + 1} processes, which need one "
            f"{device.type} device each; set training.processes={count} or training.device=cpu"
        )
    return torch.device("cuda", local_rank) if local_rank and device.type == "cuda" else device


def is_depthwise(network: nn.Module) -> bool:
    """Whether a network consists of depthwise convolutions, as MobileNet and EfficientNet do.

    ConvNeXt has them too but does most of its work in dense layers.
    """
    modules = list(network.modules())
    convolutions = [m for m in modules if isinstance(m, nn.Conv2d)]
    dense = [m for m in modules if isinstance(m, nn.Linear)]
    return len(convolutions) > len(dense) and any(
        m.groups == m.in_channels > 1 for m in convolutions
    )


def _has_bf16(device: torch.device) -> bool:
    """Whether the hardware has bf16 arithmetic; emulation is slower than fp32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        features = torch.cpu.get_capabilities()
        return bool(features.get("amx_bf16") or features.get("avx512_bf16"))
    return False
