"""Runs a recipe: step by step, each an ordinary run in the recipe's folder, each judged."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from rich.console import Console

from fashion_exp.configuration.composition import CommandLine
from fashion_exp.configuration.schema import RecipeConfig
from fashion_exp.errors import ExitCode, InputError
from fashion_exp.evaluation.results import evaluate_test, load_result
from fashion_exp.evaluation.run_dir import RunDir
from fashion_exp.experiment.tracked_runs import end_on_error
from fashion_exp.experiment.worker import log_to_console, print_locations, ui_command
from fashion_exp.paths import install_command, run_commands
from fashion_exp.process import cpu_count, is_distributed
from fashion_exp.recipes.plan import PlannedStep, as_sweep, plan_step, recipe_folder
from fashion_exp.recipes.report import recipe_table, record_recipe
from fashion_exp.recipes.result import (
    RESULT_FILE,
    RecipeResult,
    RecipeStep,
    earlier_seconds,
    judge,
    measured,
    read_result,
    test_scores,
    with_gain,
    write_result,
)
from fashion_exp.recipes.steps import Step, parse_steps
from fashion_exp.reporting.console import plain_console
from fashion_exp.reporting.formats import difference_text, duration
from fashion_exp.sweeps.jobs import JobFactory, SweepJob
from fashion_exp.sweeps.launchers.inline import Inline
from fashion_exp.sweeps.progress import ProgressTable
from fashion_exp.sweeps.recording import record_lost, report_failure
from fashion_exp.sweeps.scheduler import run_jobs
from fashion_exp.sweeps.session import SweepContext, open_sweep
from fashion_exp.sweeps.state import record_jobs, record_remaining


def run_recipe(line: CommandLine) -> int:
    """Runs the steps of `recipe.steps` in turn; returns the exit code. Can be killed and run again.

    A step is kept if it is better than the best step so far by the paired test on validation
    images, and by more than `recipe.rope`. The test set is evaluated for the last step that was
    kept, and for no other.
    """
    cfg, console = line.jobs[0], plain_console()
    if cfg.resume is not None or is_distributed():
        raise InputError("recipe: the same command continues it, without resume and torchrun")
    steps = parse_steps(cfg.recipe.steps or [])
    folder, swept = recipe_folder(line), as_sweep(line, steps)
    factory = JobFactory(
        swept, folder, folder.parent.parent / "cache", {}, cpu_count(), None,
        print_note=partial(console.print, soft_wrap=True),
    )  # fmt: skip
    if cfg.sweep.dry_run:
        _print_plan(steps, cfg.recipe, factory, console)
        return ExitCode.DONE
    with open_sweep(factory, lambda _: [], False, console) as sweep:
        result, jobs = _run_steps(steps, cfg.recipe, factory, sweep, console)
        sweep, result = _finish(result, jobs, sweep, console)
        failed = sum(step.outcome == "failed" for step in result.steps)
        record_remaining(folder, failed)
    console.print(recipe_table(result))
    _print_choice(result, sweep, console)
    return ExitCode.SOME_FAILED if failed else ExitCode.DONE


def _print_plan(
    steps: Sequence[Step], recipe: RecipeConfig, factory: JobFactory, console: Console
) -> None:
    """Prints each step with its cost, as if each were kept. Raises `InputError` if none can be."""
    best: tuple[str, ...] = ()
    plans = []
    for step in steps:
        plans.append(planned := plan_step(step, recipe, best, factory))
        best = planned.options if planned.job else best
        console.print(_announcement(planned), soft_wrap=True)
    if not any(planned.job for planned in plans):
        raise InputError(f"recipe: no step can be run; {_why_none(plans[0], recipe)}")


def _why_none(skipped: PlannedStep, recipe: RecipeConfig) -> str:
    """Why the first step cannot be run, and the remedy where weights are what it lacks."""
    if "model.weights=imagenet" not in skipped.reason:
        return f"{skipped.title}: {skipped.reason}"
    files = ", ".join(f"{name}: FILE" for name in recipe.backbones or [])
    return (
        f"{skipped.title}: has no weights; give them with 'recipe.weights={{{files}}}', or leave "
        f"out recipe.backbones and install those of its default with {install_command('weights')}"
    )


def _announcement(planned: PlannedStep) -> str:
    if planned.job is None:
        return f"{planned.title}: skipped: {planned.reason}"
    cost = "run before" if planned.bound is None else f"up to {duration(planned.bound)}"
    return f"{planned.title}: {cost}; {' '.join(planned.options)}"


def _run_steps(
    steps: Sequence[Step],
    recipe: RecipeConfig,
    factory: JobFactory,
    sweep: SweepContext,
    console: Console,
) -> tuple[RecipeResult, list[SweepJob]]:
    """Runs and judges the steps until one is equivalent to the best before it.

    Raises `InputError` if the first step is impossible: there is nothing to compare with.
    """
    assert recipe.rope is not None
    known = earlier_seconds(read_result(sweep.folder))
    result = RecipeResult([], recipe.rope, 1 - factory.line.jobs[0].confidence)
    jobs: list[SweepJob] = []
    for number, step in enumerate(steps):
        best = result.chosen
        planned = plan_step(step, recipe, best.options if best else (), factory)
        console.print(_announcement(planned), soft_wrap=True)
        if planned.job is None and not number:
            raise InputError(_why_none(planned, recipe))
        done = _run_step(planned, sweep, known)
        jobs += [planned.job] if planned.job else []
        if best is not None and done.accuracy is not None:
            done = _judged(done, best, result, sweep.folder, len(steps) - 1)
            console.print(f"{done.title}: {_verdict(done)}", soft_wrap=True)
        result = replace(result, steps=[*result.steps, done])
        if recipe.stop and number + 1 < len(steps):
            result = replace(result, stopped=_why_stopped(done, recipe.rope))
        write_result(result, sweep.folder)
        if result.stopped:
            console.print(result.stopped, soft_wrap=True)
            break
    return result, jobs


def _why_stopped(step: RecipeStep, rope: float) -> str:
    """Why no further step is run after this one; empty if the next one is.

    An undecided step does not end a recipe: the next one changes more, and may be better.
    """
    if not step.equivalent:
        return ""
    return (
        f"stopped: {step.title} gains {difference_text(step.gain)}, equivalent within "
        f"±{100 * rope:g} points; recipe.stop=false runs the further steps"
    )


def _verdict(step: RecipeStep) -> str:
    return f"{difference_text(step.gain)} against {step.against}: {step.outcome}, {step.reason}"


def _run_step(planned: PlannedStep, sweep: SweepContext, known: Mapping[str, float]) -> RecipeStep:
    """The step with what its run gave; `known` are the seconds of earlier runs, by folder."""
    job = planned.job
    step = RecipeStep(planned.title, planned.options, "skipped", planned.reason)
    step = replace(step, estimate=planned.bound)
    if job is None:
        return step
    record_jobs(sweep.folder, [job], sweep.commit)
    started = time.monotonic()
    was_finished = job.state == "finished"
    if not was_finished:
        with Inline().start(sweep.folder) as executor, ProgressTable(1) as table:
            run_jobs(
                iter([job]), lambda job: job.spec(sweep.outputs, sweep.job_options), executor, 0,
                table,
            )  # fmt: skip
    seconds = time.monotonic() - started
    step = replace(step, command=job.command, folder=job.hash)
    if job.state != "finished":
        return replace(step, outcome="failed", reason=RunDir(job.folder).failure)
    run = load_result(job.folder)
    if was_finished:
        seconds = known.get(job.hash, run.seconds)
    step = replace(step, outcome="kept", reason="the first step")
    return measured(step, run, seconds)


def _judged(
    step: RecipeStep, best: RecipeStep, result: RecipeResult, folder: Path, comparisons: int
) -> RecipeStep:
    pair, outcome, reason = judge(
        folder / best.folder, folder / step.folder, comparisons, result.rope, result.alpha
    )
    return with_gain(replace(step, outcome=outcome, reason=reason), best.title, pair)


def _finish(
    result: RecipeResult, jobs: Sequence[SweepJob], sweep: SweepContext, console: Console
) -> tuple[SweepContext, RecipeResult]:
    """Evaluates the test of the chosen step, writes the report, and ends the tracked run."""
    with log_to_console(console):
        sweep = record_lost(sweep, jobs)
        with end_on_error(sweep.tracker):
            if (chosen := result.chosen) is not None:
                folder = sweep.folder / chosen.folder
                evaluate_test(load_result(folder), sweep.outputs, sweep.tracker)
                result = replace(result, test=test_scores(folder))
            write_result(result, sweep.folder)
            record_recipe(result, sweep)
            sweep.tracker.end(sweep.parent, "FINISHED" if chosen else "FAILED")
        report_failure(sweep)
    return sweep, result


def _print_choice(result: RecipeResult, sweep: SweepContext, console: Console) -> None:
    if (chosen := result.chosen) is not None:
        folder = sweep.folder / chosen.folder
        lines = {"chosen": f"{chosen.title} ({folder})", "to train it again": chosen.command}
        for purpose, text in (lines | run_commands(folder, sweep.outputs)).items():
            console.print(f"{purpose}: {text}", soft_wrap=True)
    console.print(f"numbers: {sweep.folder / RESULT_FILE}", soft_wrap=True)
    address = sweep.tracker.runs_view_url(sweep.parent)
    address = address or ui_command(sweep.tracker, sweep.outputs, sweep.folder.name)
    print_locations(console, sweep.folder, address)
