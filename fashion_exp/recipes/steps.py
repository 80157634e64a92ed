"""The steps of a recipe as options of experiments, and what a step will cost."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from fashion_exp.configuration.overrides import split_override
from fashion_exp.configuration.schema import Config, RecipeConfig, single_backbones
from fashion_exp.errors import InputError
from fashion_exp.models.build import build_model, stage_before_last
from fashion_exp.models.plan import plan_backbones
from fashion_exp.models.weights import find_weights
from fashion_exp.training.device import Compute
from fashion_exp.training.fit import extract_features

BACKWARD = 2
"""Time of a backward pass in forward passes: it computes the gradients of inputs and weights."""
_BATCH = 8


@dataclass(frozen=True)
class Step:
    title: str
    options: tuple[str, ...]
    """Overrides with placeholders: {backbone}, {backbones}, {stage}, {epochs}."""
    is_added: bool
    """Whether the options are added to those of the best step so far."""


def parse_steps(texts: Sequence[str]) -> list[Step]:
    """The steps of `recipe.steps`: "TITLE: OPTION=VALUE …", or "TITLE: + OPTION=VALUE …".

    Raises `InputError` for a step of another form.
    """
    steps = []
    for number, text in enumerate(texts):
        title, colon, line = text.partition(": ")
        words = line.split()
        is_added = words[:1] == ["+"]
        options = tuple(words[is_added:])
        if not colon or not options or not all("=" in option for option in options):
            raise InputError(
                f'recipe.steps: "{text}" must be "TITLE: OPTION=VALUE …", or "TITLE: + OPTION=VALUE'
                ' …" to add options to the best step so far'
            )
        if is_added and not number:
            raise InputError(f'recipe.steps: "{text}" is first, so there is nothing to add it to')
        steps.append(Step(title, options, is_added))
    if len(steps) < 2:
        raise InputError("recipe.steps: needs at least two steps, to compare one with the other")
    return steps


def why_impossible(step: Step, recipe: RecipeConfig) -> str:
    """Why a step cannot be run with the backbones of the recipe; empty if it can."""
    backbones, line = recipe.backbones or [], " ".join(step.options)
    if "{backbones}" in line and len(backbones) < 2:
        return f"recipe.backbones={backbones} has one network only"
    if "{stage}" in line:
        try:
            stage_before_last(backbones[0])
        except InputError as error:
            return str(error)
    return ""


def point_of(step: Step, recipe: RecipeConfig, best: Sequence[str]) -> tuple[str, ...]:
    """The overrides of a step that is possible; `best` are those of the best step so far.

    Raises `InputError` for an unknown placeholder.
    """
    backbones = recipe.backbones or []
    values = {
        "backbone": backbones[0],
        "backbones": f"[{','.join(backbones)}]",
        "epochs": str(recipe.epochs),
    }
    if any("{stage}" in option for option in step.options):
        values["stage"] = stage_before_last(backbones[0])
    point = {split_override(option)[0]: option for option in best if step.is_added}
    for option in step.options:
        key, _ = split_override(option)
        for name, value in values.items():
            option = option.replace(f"{{{name}}}", value)
        if unknown := re.search(r"\{\w+\}", option):
            raise InputError(
                f"recipe.steps: {unknown.group()} in {option} is unknown; known are {{backbone}}, "
                "{backbones}, {stage} and {epochs}"
            )
        point[key] = option
    return tuple((point | _weights(point, recipe.weights or {})).values())


def _weights(point: Mapping[str, str], weights: Mapping[str, str]) -> dict[str, str]:
    """The overrides that give the networks of a step the weights of the recipe, by option."""
    networks = split_override(point.get("model.backbones", ""))[1].strip("[]").split(",")
    own = {name: weights[name] for name in networks if name in weights}
    if own:
        items = ",".join(f"{name}:{file!r}" for name, file in own.items())
        return {"model.backbone_weights": f"model.backbone_weights={{{items}}}"}
    name = split_override(point.get("model.name", ""))[1]
    return {"model.weights": f"model.weights={weights[name]}"} if name in weights else {}


def set_keys(steps: Sequence[Step]) -> tuple[str, ...]:
    """The options that the steps set."""
    options = (split_override(option)[0] for step in steps for option in step.options)
    return tuple(dict.fromkeys(options))


def estimate_seconds(cfg: Config, compute: Compute, cache: Path) -> float:
    """At most how long a step trains, from the time of a forward pass.

    With a frozen backbone each image passes it once; else in each epoch of each training, forward
    and backward.
    """
    from fashion_exp.data.sources.load import load_images_cached  # imports the data sources

    images = load_images_cached(cfg.dataset, cache)
    seconds, freeze = 0.0, ""
    for single in single_backbones(cfg.model):
        weights = find_weights(single.name, single.weights)
        plan = plan_backbones(single, cfg.dataset, cfg.optim, [weights], images.native_size)
        model = build_model(single, plan, len(images.classes), seed=0).to(compute.device).eval()
        batch = torch.zeros(_BATCH, plan.channels, plan.size, plan.size, dtype=torch.uint8)
        extract_features(model, batch, compute)  # the first one is slow
        started = time.perf_counter()
        extract_features(model, batch, compute)
        seconds += (time.perf_counter() - started) / _BATCH * len(images.rows)
        freeze = plan.freeze
    if freeze == "backbone":
        return seconds
    trainings = cfg.repeats * (cfg.split.folds or 1)
    return seconds * (1 + BACKWARD) * cfg.training.epochs * trainings
