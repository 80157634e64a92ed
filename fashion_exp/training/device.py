"""Where and how precisely to compute, decided once from the hardware."""

from __future__ import annotations

import ctypes
import math
import os
import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import nn

_UNSAFE_IN_BF16 = 16
"""px"""

_SLOWER_IN_BF16 = 32
"""px"""

_FEWEST_FEATURES_IN_BF16 = 48


@dataclass(frozen=True)
class Compute:
    """A device, a precision and the CPU threads of one operation.

    `dtype` is "fp32", "bf16", or "auto_bf16" for bf16 where it gains. `depthwise` says that the
    network's convolutions are of the kind whose gradients take longer in bf16.
    """

    device: torch.device
    dtype: str
    threads: int
    depthwise: bool = False

    def precision(self, inputs: torch.Tensor) -> AbstractContextManager[object]:
        """The context that a batch of images, or of features, is computed in."""
        if self.dtype == "fp32" or self._is_unsafe(inputs) or self._is_slower(inputs):
            return nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)

    def _is_slower(self, inputs: torch.Tensor) -> bool:
        """Whether fp32 takes no longer, where the choice is ours.

        Measured on a CPU with AMX. A small batch of features pays for casting the head's weights
        and gets nothing for it; so do small images, and networks with depthwise convolutions. On a
        GPU a small head is bound by the number of operations, and casts are operations.
        """
        if self.dtype != "auto_bf16":
            return False
        if inputs.ndim == 2:
            return len(inputs) < _FEWEST_FEATURES_IN_BF16
        small = inputs.ndim == 4 and min(inputs.shape[-2:]) <= _SLOWER_IN_BF16
        return self.device.type == "cpu" and (small or self.depthwise)

    def _is_unsafe(self, inputs: torch.Tensor) -> bool:
        """Whether bf16 may give wrong gradients.

        In PyTorch 2.13 to 2.15 on CPUs with bf16, a convolution with stride 2 over a map of 1×1
        leaves parts of its weight's gradient unwritten. Networks with five halvings meet that map
        from images of 16 px on downwards.
        """
        on_cpu, images = self.device.type == "cpu", inputs.ndim == 4
        return on_cpu and images and min(inputs.shape[-2:]) <= _UNSAFE_IN_BF16

    def ready(self, tensor: torch.Tensor) -> torch.Tensor:
        """Where `move` can copy it from while the device computes: page-locked for a GPU."""
        return tensor.pin_memory() if self.device.type == "cuda" else tensor

    def move(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor.to(self.device, non_blocking=True)


def choose_compute(device: str, precision: str, threads: int, place: int = 0) -> Compute:
    """The compute that the knobs mean on this machine, made deterministic for the process.

    `place` is that of the process among those of this machine which train together: each has a GPU
    of its own. Raises `ValueError` for a device that is not there.
    """
    chosen = _device(device, place)
    dtype = precision if precision != "auto" else "auto_bf16" if _has_bf16(chosen) else "fp32"
    torch.set_num_threads(threads)
    if chosen.type == "cpu":
        _keep_freed_memory()
    if chosen.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cudnn.benchmark = False  # it would choose by the clock
        torch.backends.cuda.matmul.allow_tf32 = False  # fp32 means that, and bf16 is faster
        torch.backends.cudnn.allow_tf32 = False
        torch.use_deterministic_algorithms(True, warn_only=True)
    return Compute(chosen, dtype, threads)


def _keep_freed_memory() -> None:
    """Has glibc reuse large blocks instead of handing each back to the system.

    Every step frees its activations and asks for them again; fresh pages cost the basic CNN a
    third of its time, ResNet50 a tenth. Other systems' allocators are left as they are.
    """
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        trim_threshold, mmap_max = -1, -4
        libc.mallopt(mmap_max, 0)
        libc.mallopt(trim_threshold, 2**31 - 1)


def threads_per_process(processes: int, of: int | None = None) -> int:
    """CPU threads for each of so many processes at once, `of` so many cores if not of all."""
    return max(1, (of or cpu_count()) // processes)


def cpu_count() -> int:
    """CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _device(wanted: str, place: int) -> torch.device:
    present = ["cpu"]
    present += ["cuda"] if torch.cuda.is_available() else []
    present += ["mps"] if torch.backends.mps.is_available() else []
    try:
        device = torch.device(present[-1] if wanted == "auto" else wanted)
    except RuntimeError:
        raise ValueError(f"{wanted}: no device; here are {', '.join(present)}") from None
    if device.type not in present or (device.index or 0) >= _count(device.type):
        raise ValueError(f"{wanted}: not on this machine; here are {', '.join(present)}")
    if place and (device.index is not None or place >= _places(device.type)):
        raise ValueError(
            f"{wanted}: not for {place + 1} processes: each needs a {device.type} device of its "
            f"own, of {_count(device.type)}; training.processes={_count(device.type)}, or "
            "training.device=cpu"
        )
    return torch.device("cuda", place) if place and device.type == "cuda" else device


def is_depthwise(network: nn.Module) -> bool:
    """Whether a network is built of depthwise convolutions, as MobileNet and EfficientNet are.

    ConvNeXt, which has them too, does most of its work in dense layers.
    """
    modules = list(network.modules())
    convolutions = [m for m in modules if isinstance(m, nn.Conv2d)]
    dense = [m for m in modules if isinstance(m, nn.Linear)]
    return len(convolutions) > len(dense) and any(
        m.groups == m.in_channels > 1 for m in convolutions
    )


def _count(kind: str) -> int:
    return torch.cuda.device_count() if kind == "cuda" else 1


def _places(kind: str) -> float:
    """How many processes a kind of device has room for."""
    return math.inf if kind == "cpu" else _count(kind)


def _has_bf16(device: torch.device) -> bool:
    """Whether bf16 arithmetic is in the hardware: emulated, it is slower than fp32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        abilities = torch.cpu.get_capabilities()
        return bool(abilities.get("amx_bf16") or abilities.get("avx512_bf16"))
    return False
