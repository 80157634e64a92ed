"""Where and how precisely to compute, decided once from the hardware."""

from __future__ import annotations

import ctypes
import os
import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch

_SMALLEST_IN_BF16 = 16
"""px"""


@dataclass(frozen=True)
class Compute:
    """A device, a precision ("fp32" or "bf16") and the CPU threads of one operation."""

    device: torch.device
    dtype: str
    threads: int

    def precision(self, inputs: torch.Tensor) -> AbstractContextManager[object]:
        """The context that a batch of images, or of features, is computed in."""
        if self.dtype == "fp32" or self._is_unsafe(inputs):
            return nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)

    def _is_unsafe(self, inputs: torch.Tensor) -> bool:
        """Whether bf16 may give wrong gradients.

        In PyTorch 2.13 to 2.15 on CPUs with bf16, a convolution with stride 2 over a map of 1×1
        leaves parts of its weight's gradient unwritten. Networks with five halvings meet that map
        from images of 16 px on downwards.
        """
        on_cpu, images = self.device.type == "cpu", inputs.ndim == 4
        return on_cpu and images and min(inputs.shape[-2:]) <= _SMALLEST_IN_BF16

    def move(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor.to(self.device, non_blocking=True)


def choose_compute(device: str, precision: str, threads: int | None) -> Compute:
    """The compute that the knobs mean on this machine, made deterministic for the process.

    Raises `ValueError` for a device that is not there.
    """
    chosen = _device(device)
    dtype = precision if precision != "auto" else ("bf16" if _has_bf16(chosen) else "fp32")
    threads = threads or cores()
    torch.set_num_threads(threads)
    if chosen.type == "cpu":
        _keep_freed_memory()
    if chosen.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cudnn.benchmark = False
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


def cores() -> int:
    """CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _device(wanted: str) -> torch.device:
    present = ["cpu"]
    present += ["cuda"] if torch.cuda.is_available() else []
    present += ["mps"] if torch.backends.mps.is_available() else []
    if wanted == "auto":
        return torch.device(present[-1])
    try:
        device = torch.device(wanted)
    except RuntimeError:
        raise ValueError(f"{wanted}: no device; here are {', '.join(present)}") from None
    if device.type not in present or (device.index or 0) >= _count(device.type):
        raise ValueError(f"{wanted}: not on this machine; here are {', '.join(present)}")
    return device


def _count(kind: str) -> int:
    return torch.cuda.device_count() if kind == "cuda" else 1


def _has_bf16(device: torch.device) -> bool:
    """Whether bf16 arithmetic is in the hardware: emulated, it is slower than fp32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        abilities = torch.cpu.get_capabilities()
        return bool(abilities.get("amx_bf16") or abilities.get("avx512_bf16"))
    return False
