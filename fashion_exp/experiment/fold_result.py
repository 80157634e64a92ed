"""What a training gives."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class FoldResult:
    """A finished training: predictions, a history with a row per epoch and part, and a record.

    The record has the fold and repeat; the numbers of training images, updates and seconds; and
    the accuracy on as many training images as there are validation images, measured as validation
    is: in evaluation mode, without augmentation (`plain_images`, `plain_accuracy`). A saved record
    also has the training's fingerprint (`identity`).
    """

    validation: pd.DataFrame
    test: pd.DataFrame
    history: pd.DataFrame
    record: dict[str, float | str]
