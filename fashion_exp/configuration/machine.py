"""Limits of options that this machine sets."""

from __future__ import annotations

from fashion_exp.configuration.schema import Config
from fashion_exp.errors import InputError
from fashion_exp.process import cpu_count, is_distributed


def check_machine(cfg: Config) -> None:
    """Raises `InputError` for more threads or processes than the cores of this machine allow."""
    cores, training = cpu_count(), cfg.training
    limits = {"threads": max(64, 4 * cores), "workers": max(16, 4 * cores)}
    if not is_distributed():
        limits["processes"] = max(2, cores)
        if training.processes > limits["processes"]:
            import torch  # takes seconds

            limits["processes"] = max(limits["processes"], torch.cuda.device_count())
    for name, limit in limits.items():
        value = getattr(training, name)
        if value is not None and value > limit:
            raise InputError(
                f"training.{name}={value}: more than {limit}, the limit on this machine with "
                f"{cores} CPU cores"
            )
