"""The settings that acted in a run: its options, with `auto` and the like resolved."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

from fashion_exp.configuration.schema import RESULT_NEUTRAL_OPTIONS
from fashion_exp.configuration.solved_heads import options_without_effect
from fashion_exp.configuration.validation import OPTION_CONDITIONS

PHOTOS = "photos"
"""The setting that differs if the same options found other images."""

_IGNORED = RESULT_NEUTRAL_OPTIONS | {
    "confidence", "training.threads", "model.backbones", "model.backbone_weights",
}  # fmt: skip
"""Threads change the last digits only, and the confidence no prediction; `model.name` has the
backbones, and `model.weights` the hashes of their weights."""

_DATA_SOURCE = (
    "classes", "root", "manifest", "labels", "quarantine", "groups", "download", "max_left_out",
    "max_megapixels",
)  # fmt: skip
"""Options of the dataset that act through the images and labels they find only."""

_NORMALIZATION = ("dataset.mean", "dataset.std")
_INPUT_FORMAT = (
    "dataset.image_size", "dataset.channels", "dataset.fit", "dataset.interpolation",
    *_NORMALIZATION,
)  # fmt: skip

_REQUESTED = (None, "auto", "imagenet", "none")
"""Values of `model.weights` where the hash of the weights is not known."""

_INPUT = re.compile(
    r"(?P<size>\d+) px, (?P<channels>\d+) channels, (?P<interpolation>\w+)"
    r"(, mean (?P<mean>[^,]+), std (?P<std>[^,]+))?"
)
"""The fact `input`; earlier versions did not record mean and standard deviation."""


def settings_in_force(options: Mapping[str, Any], facts: Mapping[str, str]) -> dict[str, Any]:
    """By option name; None for an option that the head of the run does not read.

    `facts` holds what the run resolved; earlier versions recorded less.
    """
    settings = {
        name: value
        for name, value in options.items()
        if name not in _IGNORED and not name.startswith("sweep.")
    }
    resolved: dict[str, object] = {
        "training.precision": facts.get("precision"),
        "training.device": facts.get("device", "").partition(":")[0] or None,
        "model.freeze": facts.get("freeze"),
        "model.weights": facts.get("weights_sha256"),
        "extensions": facts.get("extensions"),
    }
    if match := _INPUT.fullmatch(facts.get("input", "")):
        resolved |= {
            "dataset.image_size": int(match["size"]),
            "dataset.interpolation": match["interpolation"],
            "dataset.mean": match["mean"],
            "dataset.std": match["std"],
        }
        if match["mean"] is None:  # not recorded
            settings = {k: v for k, v in settings.items() if k not in _NORMALIZATION}
    for name, value in resolved.items():
        if name in settings and value is not None:
            settings[name] = value
    if facts.get("augmentation") == "none" and "augmentation.operations" in settings:
        settings["augmentation.operations"] = []
    frozen = facts.get("freeze") in (None, "backbone") or settings.get("model.unfreeze")
    if not frozen:
        settings.pop("augmentation.on_frozen", None)  # acts on frozen backbones only
    for name in [name for name in settings if name.startswith("seeds.")]:
        if settings[name] == settings.get("seed"):
            del settings[name]  # follows `seed`
    settings |= {name: None for name in _without_effect(settings) if name in settings}
    return settings | {PHOTOS: facts.get("data_fingerprint")}


def differing_settings(runs: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """The settings in force that differ between the runs, each with its value in every run.

    A setting that only one of the versions that made the runs knows is left out, as is one that
    follows from another difference, or that is the same in all runs whose head reads it.
    """
    names = [name for name in runs[0] if all(name in run for run in runs)]
    values = {name: [run[name] for run in runs] for name in names}
    differing = {name: values[name] for name in names if _differ(_values_read(name, runs))}
    if not _differ(values.get(PHOTOS, [])):
        for option in _DATA_SOURCE:
            differing.pop(f"dataset.{option}", None)
    elif any(name.startswith("dataset.") and name not in _INPUT_FORMAT for name in differing):
        del differing[PHOTOS]
    if not any(name in differing for name in _INPUT_FORMAT):
        differing.pop("model.preprocessing", None)
    return differing


def follow_from_network(
    runs: Sequence[Mapping[str, Any]], typed: Sequence[Mapping[str, Any]]
) -> set[str]:
    """The settings that differ only because other networks have other weights, which bring their
    own input format: `model.name` says it.

    `typed` are the options of the runs. A setting that was typed is not among them, nor are
    pretrained weights against random ones, nor what differs between runs of one network.
    """
    networks = [run.get("model.name") for run in runs]
    if not _differ(networks):
        return set()
    names = {name for name in _INPUT_FORMAT if all(run.get(name) is None for run in typed)}
    if _differ([run.get("model.preprocessing") for run in runs]):
        names = set()
    hashes = [run.get("model.weights") for run in runs]
    if not any(value in _REQUESTED for value in hashes):
        are_random = ["random" in str(value).split("+") for value in hashes]
        names |= set() if _differ(are_random) else {"model.weights"}
    return {
        name
        for name in names
        if not any(
            a.get("model.name") == b.get("model.name") and _differ([a.get(name), b.get(name)])
            for a, b in combinations(runs, 2)
        )
    }


def follows_from_choice(
    name: str, runs: Sequence[Mapping[str, Any]], differing: Sequence[str]
) -> bool:
    """Whether an option differs only because some of the runs made a choice without it."""
    values = _values_read(name, runs)
    if not _differ(values):
        return True
    if name not in OPTION_CONDITIONS or all(value is not None for value in values):
        return False
    group = name.partition(".")[0]
    choices = ("name", "head", "operations", "on_frozen")
    return any(f"{group}.{choice}" in differing for choice in choices)


def _without_effect(run: Mapping[str, Any]) -> tuple[str, ...]:
    return options_without_effect(run.get("model.head", ""))


def _values_read(name: str, runs: Sequence[Mapping[str, Any]]) -> list[Any]:
    """The values of a setting in the runs whose head reads it."""
    return [run[name] for run in runs if name not in _without_effect(run)]


def _differ(values: Sequence[Any]) -> bool:
    return len({repr(value) for value in values}) > 1
