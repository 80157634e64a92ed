"""Which photos to label: `fashion_exp.simulate_labeling`, `fashion_exp.learning_curve`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fashion_exp.errors import InputError
from fashion_exp.paths import folder_title, outputs_dir

if TYPE_CHECKING:
    from fashion_exp.active.learning_curve import LearningCurve
    from fashion_exp.active.simulation import Schedule
    from fashion_exp.active.simulation_result import SimulationResult
    from fashion_exp.configuration.schema import Config

INITIAL, COUNT, ROUNDS, REPEATS = 2, 20, 15, 20
"""Of a simulation: labels of each class at the start, labels a round, rounds, repeats."""
MORE = 500
"""Further photos that a learning curve tells of."""


@dataclass(frozen=True)
class LabelingSimulation:
    """A finished simulation and its files."""

    result: SimulationResult
    folder: Path
    """Has curves.png, curves.csv, result.json, and repeats/ to continue from."""


def simulate_labeling(
    *overrides: str, strategies: Sequence[str], initial: int = INITIAL, count: int = COUNT,
    rounds: int = ROUNDS, target: float | None = None, workers: int | None = None,
) -> LabelingSimulation:  # fmt: skip
    """How fast strategies learn from labels that they choose, against a random choice.

    The first arguments are those of an experiment with a frozen backbone. Each of its repeats (20
    by default) has the training part as its pool and starts with `initial` labels of each class;
    every round adds `count` labels and solves a logistic head on all. The test is that of the
    experiment. Copies of a photo are labeled at once and count once. `target` is the accuracy that
    the numbers of labels are compared at. The same call continues an interrupted one, with equal
    results; so does one with more repeats or strategies. Raises `InputError`.
    """
    from fashion_exp.active.features import DEFAULT_C, frozen_features
    from fashion_exp.active.simulation import Schedule, Simulation, check_schedule, simulate
    from fashion_exp.active.simulation_result import evaluate
    from fashion_exp.active.strategies import REFERENCE, check_strategy
    from fashion_exp.atomic_io import file_lock
    from fashion_exp.data.sources.load import load_images_cached
    from fashion_exp.experiment.worker import log_to_console
    from fashion_exp.process import cpu_count
    from fashion_exp.reporting.console import plain_console
    from fashion_exp.reporting.progress import Progress
    from fashion_exp.stats.interval import MIN_RELIABLE_SCORES

    for name in strategies:
        check_strategy(name)
    names = list(dict.fromkeys([REFERENCE, *strategies]))
    schedule = Schedule(initial, count, rounds)
    _check_numbers(schedule, target, workers)
    cfg = _config(overrides)
    outputs = outputs_dir(cfg.outputs)
    console = plain_console(stderr=True)
    with log_to_console(console), Progress(console) as progress:
        images = load_images_cached(cfg.dataset, outputs / "cache")
        data = frozen_features(cfg, images, progress, "active")
        if len(data.split.folds) < MIN_RELIABLE_SCORES:
            raise InputError(
                f"repeats={cfg.repeats}: {len(data.split.folds)} repeats cannot show how much "
                f"strategies vary; take {MIN_RELIABLE_SCORES} or more"
            )
        pool = check_schedule(data, schedule)
        simulation = Simulation(data, schedule, cfg.model.c or DEFAULT_C, cfg.seed, repr(cfg.split))
        title = folder_title(cfg.model.name).replace("/", "-")
        folder = outputs / "active" / f"{title}-{simulation.digest}"
        busy = f"{folder}: another process simulates this; wait for it"
        with file_lock(folder / ".lock", busy=busy):
            trajectories = simulate(simulation, names, folder, workers or cpu_count(), progress)
            groups = data.groups[data.split.test]
            result = evaluate(
                trajectories, schedule, len(data.table.classes), groups, pool, target,
                cfg.confidence,
            )  # fmt: skip
            _write(result, folder, f"{data.table.name}, {cfg.model.name}")
    return LabelingSimulation(result, folder)


def _check_numbers(schedule: Schedule, target: float | None, workers: int | None) -> None:
    for name, value, least in (
        ("initial", schedule.initial, 1), ("count", schedule.count, 1),
        ("rounds", schedule.rounds, 1), ("workers", 1 if workers is None else workers, 1),
    ):  # fmt: skip
        if value < least:
            raise InputError(f"--{name} {value}: must be at least {least}")
    if target is not None and not 0 < target < 1:
        raise InputError(f"--target {target:g}: must be between 0 and 1, such as 0.85")


def _config(overrides: Sequence[str]) -> Config:
    """The experiment, with a logistic head and more repeats unless others are typed.

    Raises `InputError` for mistakes, and for another head.
    """
    from fashion_exp.active.features import check_head
    from fashion_exp.experiment.arguments import parse_arguments
    from fashion_exp.experiment.setup import check_names
    from fashion_exp.extensions.files import read_code, use_code

    typed = {text.partition("=")[0] for text in overrides}
    defaults = {"model.head": "logistic", "repeats": f"{REPEATS}"}
    added = [f"{name}={value}" for name, value in defaults.items() if name not in typed]
    line = parse_arguments([*overrides, *added])
    cfg = line.jobs[0] if line.jobs else None
    if cfg is None or line.multirun or cfg.recipe.name or cfg.resume or cfg.extend:
        raise InputError("active: takes the options of one experiment, OPTION=VALUE")
    check_head(cfg, "active")
    if cfg.repeats > 1 and not cfg.split.redraw:
        raise InputError("split.redraw=false: active draws a new pool in each repeat")
    use_code(read_code(cfg.extensions))
    check_names(cfg)
    return cfg


def _write(result: SimulationResult, folder: Path, title: str) -> None:
    from fashion_exp.atomic_io import write_json, write_text
    from fashion_exp.data.csv_lists import frame_as_csv
    from fashion_exp.reporting import style
    from fashion_exp.reporting.label_curves import LabelCurve, label_curves

    write_json(folder / "result.json", result.as_json())
    write_text(folder / "curves.csv", frame_as_csv(result.table))
    curves = []
    for name, part in result.table.groupby("strategy", sort=False):
        accuracy, low, high = part[["accuracy", "low", "high"]].to_numpy(np.float64).T
        curves.append(LabelCurve(str(name), part["labels"].to_numpy(), accuracy, low, high))
    figure = label_curves(curves, f"{title}: labels chosen by strategies", "labels", result.target)
    style.save(figure, folder / "curves.png")


def learning_curve(
    run: str | PathLike[str], more: int = MORE, *, class_name: str | None = None,
    workers: int | None = None, into: str | PathLike[str] | None = None, uri: str | None = None,
    outputs: str | None = None,
) -> tuple[LearningCurve, Path]:  # fmt: skip
    """What `more` training photos would gain a run with a frozen backbone, and the figure.

    Logistic heads are solved on nested subsets of the training part of each repeat and judged on
    its validation part; an inverse power law is fitted. With `class_name` the photos of that class
    vary alone, and its recall is judged. The same call continues an interrupted one. Raises
    `InputError`.
    """
    from fashion_exp.active.learning_curve import measure_learning_curve
    from fashion_exp.api.runs import load
    from fashion_exp.atomic_io import write_json
    from fashion_exp.experiment.worker import log_to_console
    from fashion_exp.inference.refit import run_images
    from fashion_exp.process import cpu_count
    from fashion_exp.reporting import style
    from fashion_exp.reporting.console import plain_console
    from fashion_exp.reporting.label_curves import LabelCurve, label_curves
    from fashion_exp.reporting.progress import Progress

    for name, value in (("more", more), ("workers", 1 if workers is None else workers)):
        if value < 1:
            raise InputError(f"--{name} {value}: must be at least 1")
    loaded = load(run, uri=uri, outputs=outputs)
    if not loaded.trained.predicts_from_features:
        raise InputError(
            f"learning_curve: {loaded.folder.name} trains its backbone; subsets need a frozen one "
            "with stored features (model.freeze=backbone)"
        )
    folder = Path(into) if into is not None else loaded.folder / "learning_curve"
    console = plain_console(stderr=True)
    with log_to_console(console), Progress(console) as progress:
        images = run_images(loaded.trained, loaded.outputs)
        curve = measure_learning_curve(
            loaded.config, images, progress, more, class_name or "", workers or cpu_count(),
            folder / "repeats",
        )  # fmt: skip
    suffix = f"_{folder_title(class_name).replace('/', '-')}" if class_name else ""
    name = f"learning_curve{suffix}"
    write_json(folder / f"{name}.json", curve.as_json())
    x = np.geomspace(curve.sizes[0], curve.sizes[-1] + more, 60)
    mean = curve.accuracies.mean(0)
    low, high = np.quantile(curve.accuracies, [0, 1], axis=0)
    drawn = [
        LabelCurve("measured: mean, lowest and highest repeat", curve.sizes, mean, low, high, True),
        LabelCurve("fitted curve", x, *curve.fitted.band(x, curve.level)),
    ]
    photos = f"training photos of {class_name}" if class_name else "training photos"
    figure = label_curves(drawn, f"{loaded.folder.name}: would more photos help?", photos)
    return curve, style.save(figure, folder / f"{name}.png")
