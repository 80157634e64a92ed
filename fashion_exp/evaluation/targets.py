"""What counts as right where labels have several classes, in words."""

from __future__ import annotations

from collections.abc import Mapping


def measures(facts: Mapping[str, str]) -> tuple[str, str]:
    """What the accuracy and the loss of a run are called."""
    if facts.get("targets", "").startswith("several"):
        return "exact match", "binary cross-entropy"
    return "accuracy", "cross-entropy"


def describe_targets(facts: Mapping[str, str]) -> str:
    """What is right if labels have several classes; empty if they have one."""
    kind, _, photos = facts.get("targets", "").partition(": ")
    if kind == "soft":
        return (
            f"Several classes are in the labels of {photos}. A prediction is right if it is an "
            "accepted class: one with more than half of the largest share. The cross-entropy is "
            "to the shares."
        )
    if kind == "several":
        return (
            f"Several classes are in the labels of {photos}. Accuracy is the share of exact "
            "matches, F1 that at thresholds chosen on the validation photos (for each fifth of "
            "these by the others), and the loss binary cross-entropy, the mean over the classes."
        )
    return ""
