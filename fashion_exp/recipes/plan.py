"""Plans a recipe: its folder, its command line as that of a sweep, and the job of each step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fashion_exp.configuration.composition import CommandLine, compose_grid_point
from fashion_exp.configuration.machine import check_machine
from fashion_exp.configuration.overrides import split_override
from fashion_exp.configuration.schema import RecipeConfig
from fashion_exp.errors import InputError
from fashion_exp.experiment.fingerprints import short_hash
from fashion_exp.paths import outputs_dir
from fashion_exp.recipes.steps import Step, check_weights, point_of, set_keys, why_impossible
from fashion_exp.reporting.formats import duration
from fashion_exp.sweeps.jobs import JobFactory, SweepJob, affects_name, typed_name

_DECISIVE = ("steps", "backbones", "weights", "epochs")
"""The fields of a recipe that change what its steps train."""


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
    """`sweep.name` in the sweeps of the outputs, or a name from the recipe and the options.

    Options that say only which steps are run and kept (`recipe.rope`, `stop`, `minutes`) are no
    part of it: with other values the recipe continues.
    """
    cfg = line.jobs[0]
    name = typed_name(cfg)
    if name is None:
        typed = [text for text in line.job_overrides[0] if not _is_of_recipe(text)]
        options = sorted(text for text in typed if affects_name(text))
        recipe = {field: getattr(cfg.recipe, field) for field in _DECISIVE}
        name = f"{cfg.recipe.name}-{short_hash([options, recipe])[:6]}"
    return outputs_dir(cfg.outputs) / "sweeps" / name


def as_sweep(line: CommandLine, steps: Sequence[Step]) -> CommandLine:
    """The command line as that of a sweep over the steps, with the first step as its job.

    Raises `InputError` for a typed option that the steps set, for a mistake in any step, and if the
    first step is impossible.
    """
    recipe = line.jobs[0].recipe
    check_weights(recipe)
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
    from fashion_exp.recipes.cost import estimate_seconds  # imports the experiment

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
