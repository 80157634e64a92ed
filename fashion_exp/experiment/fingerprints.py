"""What a job is: everything that its result depends on, as a hash."""

from __future__ import annotations

import hashlib
import json

from fashion_exp.configuration.schema import (
    RESULT_NEUTRAL_OPTIONS,
    Config,
    flatten_options,
    to_plain,
)
from fashion_exp.training.device import Compute

RESOLVED = frozenset(
    {"model.weights", "sweep.weights", "training.device", "training.precision", "training.threads",
     "dataset.root", "dataset.labels", "dataset.quarantine", "dataset.groups"}
)  # fmt: skip
"""Knobs that stand in the identity by what they came to."""


def job_identity(cfg: Config, data: str, weights: str, compute: Compute) -> str:
    """Hash of the knobs, the data's fingerprint, the weights' and the arithmetic.

    The same photos elsewhere, or the same weights under another name, are the same job.
    """
    excluded = RESULT_NEUTRAL_OPTIONS | RESOLVED
    return short_hash(
        {
            "knobs": {k: v for k, v in flatten_options(to_plain(cfg)) if k not in excluded},
            "data": data,
            "weights": weights,
            "threads": compute.threads,
            "precision": compute.dtype,
            "device": compute.device.type,
        }
    )


def short_hash(value: object) -> str:
    """Sixteen hexadecimal digits of a value that JSON can hold."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
