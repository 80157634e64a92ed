"""Plans a recipe: its folder, its command line as that of a sweep, and the job of each step."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fashion_exp.configuration.composition import CommandLine, compose_grid_point
from fashion_exp.configuration.machine import check_machine
from fashion_exp.configuration.overrides import split_override
from fashion_exp.configuration.schema import RESULT_NEUTRAL_OPTIONS, RecipeConfig
from fashion_exp.errors import InputError
from fashion_exp.experiment.fingerprints import short_hash
from fashion_exp.paths import outputs_dir
from fashion_exp.recipes.steps import Step, estimate_seconds, point_of, set_keys, why_impossible
from fashion_exp.reporting.formats import duration
from fashion_exp.sweeps.jobs import JobFactory, SweepJob


@dataclass(frozen=True)
class PlannedStep:
    """A step that can be run, or the reason why it cannot."""

    title: str
    options: tuple[str, ...]
    job: SweepJob | None = None
    reason: str = ""
    bound: float | None = None
    """On the seconds that it takes; None if it has been run, or if that is unknown."""


def recipe_folder(line: CommandLine) -> Path:
    """`sweep.name` in the sweeps of the outputs, or a name from the recipe and the options."""
    cfg = line.jobs[0]
    name = cfg.sweep.name
    if name is None:
        options = sorted(text for text in line.job_overrides[0] if _affects_name(text))
        name = f"{cfg.recipe.name}-"
        name += short_hash([options, cfg.recipe.steps or [], cfg.recipe.backbones or []])[:6]
    elif not re.fullmatch(r"\w[\w.-]{,99}", name):
        raise InputError(f"sweep.name={name}: not a folder name; use letters, digits, '_' and '-'")
    return outputs_dir(cfg.outputs) / "sweeps" / name


def as_sweep(line: CommandLine, steps: Sequence[Step]) -> CommandLine:
    """The command line as that of a sweep over the steps, with the first step as its job.

    Raises `InputError` for a typed option that the steps set, for a mistake in any step, and if the
    first step is impossible.
    """
    recipe = line.jobs[0].recipe
    fixed = [text for text in line.job_overrides[0] if not _is_of_recipe(text)]
    keys = set_keys(steps)
    for text in fixed:
        key = split_override(text)[0]
        if key in keys:
            raise InputError(
                f"{text}: the steps of the recipe set {key} (`help recipe.steps`); remove it, or "
                "name the networks in recipe.backbones"
            )
    if not any(split_override(text)[0] == "model.weights" for text in fixed):
        fixed.append("model.weights=imagenet")  # random ones would answer another question
    swept = replace(
        line, fixed_overrides=tuple(fixed), swept_keys=keys,
        swept_overrides=(f"recipe={recipe.name}",),
    )  # fmt: skip
    if reason := why_impossible(steps[0], recipe):
        raise InputError(f"{steps[0].title}: {reason}")
    best: tuple[str, ...] = ()
    jobs = []
    for step in steps:
        if not why_impossible(step, recipe):
            best = point_of(step, recipe, best)
            jobs.append(compose_grid_point(swept, best))
    cfg, overrides = jobs[0]
    return replace(swept, jobs=(cfg,), job_overrides=(overrides,))


def plan_step(
    step: Step, recipe: RecipeConfig, best: Sequence[str], factory: JobFactory
) -> PlannedStep:
    """The job of a step; `best` are the options of the best step so far."""
    if reason := why_impossible(step, recipe):
        return PlannedStep(step.title, (), reason=reason)
    if step.is_added and not best:
        reason = "there is no step before it that its options could be added to"
        return PlannedStep(step.title, (), reason=reason)
    options = point_of(step, recipe, best)
    try:
        cfg, overrides = compose_grid_point(factory.line, options)
        check_machine(cfg)
        job = factory.make_job(cfg, overrides)
        if job.state == "finished":
            return PlannedStep(step.title, options, job)
        bound = estimate_seconds(cfg, job.compute, factory.cache)
    except InputError as error:
        return PlannedStep(step.title, options, reason=str(error))
    assert recipe.minutes is not None
    if bound > 60 * recipe.minutes:
        reason = f"it takes up to {duration(bound)}, more than recipe.minutes={recipe.minutes:g}"
        return PlannedStep(step.title, options, reason=reason, bound=bound)
    return PlannedStep(step.title, options, job, bound=bound)


def _is_of_recipe(override: str) -> bool:
    key = split_override(override)[0]
    return key == "recipe" or key.startswith("recipe.")


def _affects_name(override: str) -> bool:
    key = split_override(override)[0]
    neutral = key == "recipe" or key in RESULT_NEUTRAL_OPTIONS
    return not neutral and key not in ("tracking", "cache")
