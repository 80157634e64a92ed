"""Small tables of predictions."""

from __future__ import annotations

import numpy as np
import pandas as pd

CLASSES = ("dress", "shirt")


def table(correct: np.ndarray, prefix: str = "i") -> pd.DataFrame:
    """Predictions of items in two classes; `correct` (n,) has 1 for right and 0 for wrong."""
    n = len(correct)
    label = np.arange(n) % 2
    predicted = np.where(np.asarray(correct) == 1, label, 1 - label)
    names = np.array(CLASSES, dtype=object)
    return pd.DataFrame(
        {
            "id": [f"{prefix}{number:03}" for number in range(n)],
            "label": names[label],
            "p_dress": np.where(predicted == 0, 0.8, 0.2),
            "p_shirt": np.where(predicted == 1, 0.8, 0.2),
        }
    )


def random_table(seed: int, accuracy: float, n: int = 120) -> pd.DataFrame:
    return table((np.random.default_rng(seed).random(n) < accuracy).astype(int))
