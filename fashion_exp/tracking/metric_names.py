"""What the tracked metrics mean, as the notes in MLflow's UI explain it."""

from __future__ import annotations

from collections.abc import Iterable

_OF_A_PART = {
    "acc": "accuracy on the {part} images, mean over the trainings; the exact match with "
    "training.targets=several",
    "lo": "lower limit of its Wilson interval, over the different {part} images",
    "hi": "upper limit of its Wilson interval",
    "n": "number of different {part} images",
    "t_lo": "lower limit of its t-interval, over the trainings (from four trainings on)",
    "t_hi": "upper limit of its t-interval",
    "f1": "macro F1 on the {part} images, mean over the trainings",
    "loss": "cross-entropy on the {part} images in nats, mean over the trainings; with "
    "training.targets=several binary cross-entropy",
    "hamming": "share of wrong decisions over the classes of an image",
    "mAP": "mean average precision over the classes, mean over the trainings",
}
_PARTS = {"val": "validation", "test": "test"}

MEANINGS = {
    **{
        f"{prefix}_{name}": text.format(part=part)
        for prefix, part in _PARTS.items()
        for name, text in _OF_A_PART.items()
    },
    "f_loss": "training loss of the epoch, with augmentation and dropout",
    "f_acc": "training accuracy of the epoch, with augmentation and dropout",
    "f_val_loss": "validation loss after the epoch",
    "f_val_acc": "validation accuracy after the epoch",
    "f_lr": "learning rate of the epoch",
    "f_c": "C of a logistic head",
    "f_c_loss": "held-out loss of the cross-validation that chose C",
    "f_img_s": "training images per second",
    "s_val_acc": "validation accuracy of a sweep's winner; s_val_lo and s_val_hi: its interval",
    "s_test_acc": "test accuracy of a sweep's winner",
    "s_jobs": "number of jobs of a sweep; s_failed: of those that did not finish",
}
"""By name of the metric; `f_` are those of one training, by epoch."""


def meanings_table(names: Iterable[str] = MEANINGS) -> str:
    """A Markdown table of the metrics among `names` that have a meaning here."""
    wanted = set(names)
    rows = [f"| `{name}` | {text} |" for name, text in MEANINGS.items() if name in wanted]
    return "\n".join(["| metric | meaning |", "|---|---|", *rows])
