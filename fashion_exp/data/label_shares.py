"""Labels that name several classes: "dress|shirt" or, with shares, "dress:0.7|shirt:0.3"."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from fashion_exp.data.sources.classes import normalize_name
from fashion_exp.errors import InputError

SEPARATOR = "|"
"""Between several classes of one label."""
SHARE = ":"
"""Between a class and its share."""

Shares = Mapping[str, float]
"""{class: share > 0}; the shares of an image sum to 1. Empty: the image is excluded."""


def parse_shares(text: str, location: str) -> dict[str, float]:
    """The shares of a label; classes without numbers have equal ones. Numbers are scaled to a sum
    of 1, so votes may be counted: "dress:2|shirt:1".

    Raises `InputError` that names the `location` for a class twice, an empty one, a number that is
    not positive, or numbers for some of the classes only.
    """
    shares: dict[str, float | None] = {}
    for part in text.split(SEPARATOR):
        name, share = _parse_part(part)
        if not name or name in shares:
            problem = "an empty class" if not name else f"the class '{name}' twice"
            raise InputError(f"{location}: the label '{text}' has {problem}; correct it")
        shares[name] = share
    numbers = [share for share in shares.values() if share is not None]
    if numbers and len(numbers) < len(shares):
        raise InputError(
            f"{location}: the label '{text}' gives some classes a share and some none; give all or "
            "none"
        )
    if any(not 0 < number < math.inf for number in numbers):
        raise InputError(
            f"{location}: the label '{text}' has a share that is not above 0; leave out that class"
        )
    return scaled({name: 1.0 if share is None else share for name, share in shares.items()})


def label_names(text: str) -> tuple[str, ...]:
    """The classes that a label names; the text itself if it is no list of classes."""
    if SEPARATOR not in text:
        return (text,)
    try:
        return tuple(parse_shares(text, ""))
    except InputError:
        return (text,)


def with_names(labels: Iterable[str]) -> set[str]:
    """The labels, and the classes that those of several classes name."""
    return {name for label in {*labels} for name in (label, *label_names(label))}


def _parse_part(part: str) -> tuple[str, float | None]:
    name, separator, number = part.rpartition(SHARE)
    try:
        share = float(number) if separator else None
    except ValueError:  # a colon inside the name of a class
        share = None
    return normalize_name(part if share is None else name), share


def scaled(weights: Shares) -> dict[str, float]:
    """The weights divided by their sum, by class in alphabetical order."""
    total = math.fsum(weights.values())
    return {name: weights[name] / total for name in sorted(weights)}


def mean_shares(labels: Iterable[Shares]) -> dict[str, float]:
    """Of several labels of one image, which count alike."""
    total: dict[str, float] = {}
    for label in labels:
        for name, share in label.items():
            total[name] = total.get(name, 0.0) + share
    return scaled(total)


def format_shares(shares: Shares) -> str:
    """As `parse_shares` reads it: "dress", "dress|shirt", or "dress:0.7|shirt:0.3"."""
    if len({round(share, 6) for share in shares.values()}) < 2:
        return SEPARATOR.join(shares)
    return SEPARATOR.join(f"{name}{SHARE}{share:.4g}" for name, share in shares.items())
