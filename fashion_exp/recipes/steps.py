"""The steps of a recipe as options of experiments."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fashion_exp.configuration.overrides import split_override
from fashion_exp.configuration.schema import RecipeConfig, network_of
from fashion_exp.errors import InputError, suggest
from fashion_exp.models.build import stage_before_last


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
        if any(option.startswith("training.targets=") for option in options):
            raise InputError(
                f'recipe.steps: "{text}" sets training.targets, which changes what counts as '
                "right; set it for the whole recipe"
            )
        if is_added and not number:
            raise InputError(f'recipe.steps: "{text}" is first, so there is nothing to add it to')
        steps.append(Step(title, options, is_added))
    if len(steps) < 2:
        raise InputError("recipe.steps: needs at least two steps, to compare one with the other")
    return steps


def check_weights(recipe: RecipeConfig) -> None:
    """Raises `InputError` for weights of a network that the recipe does not have."""
    networks = [network_of(name) for name in recipe.backbones or []]
    for name in recipe.weights or {}:
        if name not in networks:
            raise InputError(
                f"recipe.weights.{name}: no network of recipe.backbones; "
                f"{suggest(name, networks) or 'leave it out'}"
            )


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
    names = split_override(point.get("model.backbones", ""))[1].strip("[]").split(",")
    networks = dict.fromkeys(network_of(name) for name in names)
    own = {name: weights[name] for name in networks if name in weights}
    if own:
        items = ",".join(f"{name}:{file!r}" for name, file in own.items())
        return {"model.backbone_weights": f"model.backbone_weights={{{items}}}"}
    name = network_of(split_override(point.get("model.name", ""))[1])
    return {"model.weights": f"model.weights={weights[name]}"} if name in weights else {}


def set_keys(steps: Sequence[Step]) -> tuple[str, ...]:
    """The options that the steps set."""
    options = (split_override(option)[0] for step in steps for option in step.options)
    return tuple(dict.fromkeys(options))
