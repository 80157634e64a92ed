"""A run trained again under other seeds and compared with itself: what the tests find in noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from fashion_exp.comparison.pairs import Pair, compare_pairs
from fashion_exp.configuration.schema import Config, SeedsConfig
from fashion_exp.data.sources.load import load_images_cached
from fashion_exp.errors import InputError
from fashion_exp.evaluation.own_code import repeat_code, use_run_code
from fashion_exp.evaluation.results import RunResult
from fashion_exp.evaluation.run_dir import RunDir
from fashion_exp.evaluation.run_paths import resolve_paths
from fashion_exp.experiment.experiment import JobInfo, run_experiment
from fashion_exp.experiment.job import save_job_config
from fashion_exp.experiment.train_heads import train_heads
from fashion_exp.experiment.worker import code_version, log_to_file
from fashion_exp.racing.looks import RacedRun, visible_difference
from fashion_exp.racing.recipes import config_to_repeat, overrides_to_repeat
from fashion_exp.reporting.formats import percent, pluralize
from fashion_exp.reporting.progress import quiet_progress
from fashion_exp.seeding import derive_seed
from fashion_exp.signals import raise_if_interrupted
from fashion_exp.tracking import NullTracker

if TYPE_CHECKING:
    from fashion_exp.comparison.comparison import Comparison
    from fashion_exp.comparison.metrics import Metric
    from fashion_exp.comparison.run_data import RunData
    from fashion_exp.reporting.progress import Progress

PLACEBOS = "placebos"
"""Folder of the runs, below that of the baseline's name; leaderboards and lists do not read it."""
MAX_PAIRS = 1000


@dataclass(frozen=True)
class Placebo:
    """Pairs of the baseline and the same recipe under other seeds."""

    folder: Path
    name: str
    """Of the baseline."""
    metric: Metric
    pairs: Sequence[Pair]

    @cached_property
    def different(self) -> int:
        """Pairs called better or worse."""
        return sum(pair.verdict in ("better", "worse") for pair in self.pairs)

    @cached_property
    def visible(self) -> float | None:
        """The difference that the test finds with a power of 80 %: the median over the pairs; None
        if no pair differs anywhere."""
        sizes = [
            visible_difference(pair.differences, 1 - pair.test.interval.level)
            for pair in self.pairs
            if pair.differences is not None and pair.test is not None
        ]
        sizes_known = [size for size in sizes if size]
        return median(sizes_known) if sizes_known else None

    @property
    def sentence(self) -> str:
        """Without an interval of the share: the pairs share a baseline, so they are dependent."""
        count = len(self.pairs)
        pairs = pluralize(count, "identical pair")
        text = (
            f"Placebo: {self.different} of {pairs} called different "
            f"({percent(self.different / count)}; all share the baseline, and one chosen as the "
            "best differs from its repeats by regression to the mean)"
        )
        if self.visible is None:
            return (
                f"{text}; seeds change nothing in {self.name}, so this says nothing about the test."
            )
        size = self.metric.format_difference(self.visible).lstrip("+")
        return f"{text}; smallest difference that this design can see: {size} (power 80 %)."

    def as_json(self) -> dict[str, Any]:
        return {
            "baseline": self.name,
            "pairs": len(self.pairs),
            "different": self.different,
            "visible": self.visible,
            "p": [pair.p_holm for pair in self.pairs],
            "folder": str(self.folder),
        }


@dataclass(frozen=True)
class PlaceboPlan:
    """The trainings of a placebo, before they are run."""

    run: RunData
    cfg: Config
    folder: Path
    count: int

    @property
    def origin(self) -> RunDir:
        return RunDir(self.run.result.output)

    @property
    def jobs(self) -> list[tuple[Config, RunDir]]:
        """Each with its own seeds, on the splits of the baseline."""
        jobs = []
        for number in range(1, self.count + 1):
            seed = derive_seed("placebo", number) % 2**32
            cfg = replace(self.cfg, seeds=SeedsConfig(seed, seed, seed, seed))
            jobs.append((cfg, RunDir(self.folder / f"{number:03}")))
        return jobs

    @property
    def unfinished(self) -> list[tuple[Config, RunDir]]:
        return [(cfg, run) for cfg, run in self.jobs if not run.is_finished]

    @property
    def seconds(self) -> float:
        """Training time that is left, by the trainings of the baseline."""
        return len(self.unfinished) * self.run.result.seconds

    @property
    def trainings(self) -> int:
        return len(self.unfinished) * len(self.run.result.train_sizes)

    def train(self, progress: Progress) -> None:
        """Trains what is not finished; after an interruption the same call continues."""
        unfinished = self.unfinished
        if not unfinished:
            return
        use_run_code(self.origin)
        train_heads(unfinished, progress)
        tick = progress.stage(f"placebo runs of {self.run.name}", len(unfinished))
        for done, (cfg, run) in enumerate(unfinished, 1):
            self._train(cfg, run)
            tick(done)
            raise_if_interrupted()

    def _train(self, cfg: Config, run: RunDir) -> None:
        images = load_images_cached(
            resolve_paths(cfg, run).dataset, self.folder.parent.parent / "cache",
            cfg.training.targets,
        )  # fmt: skip
        self.run.result.require_data(images.fingerprint)
        with run.lock(), log_to_file(run.log_file):
            seeds = {f"seeds.{name}": seed for name, seed in vars(cfg.seeds).items()}
            repeat_code(self.origin, run)
            save_job_config(cfg, run, overrides_to_repeat(self.run, seeds))
            run.clear_outcome()
            job = JobInfo("placebo", run, hold_out_test=True, environment=code_version())
            run_experiment(cfg, images, job, NullTracker(), quiet_progress())


def plan_placebo(comparison: Comparison, count: int, outputs: Path) -> PlaceboPlan:
    """Of the baseline, or of the only run. Raises `InputError` if there is neither, or if the run
    cannot be trained again."""
    if not 1 <= count <= MAX_PAIRS:
        raise InputError(f"placebo={count}: must be from 1 to {MAX_PAIRS} pairs")
    if comparison.settings.on is not None:
        raise InputError(
            f"placebo: new trainings have no predictions on {comparison.settings.on}; leave out "
            "--on"
        )
    index = comparison.settings.baseline
    if index is None and len(comparison.runs) > 1:
        raise InputError("placebo: needs --baseline RUN, the run that is trained again")
    run = comparison.runs[index or 0]
    folder = outputs.absolute() / PLACEBOS / run.result.output.name
    return PlaceboPlan(run, config_to_repeat(run, outputs.absolute()), folder, count)


def compare_placebo(plan: PlaceboPlan, comparison: Comparison) -> Placebo:
    """Compares each finished run of the plan with the baseline; each pair is its own family.

    The test images are read if the comparison is on them; they choose nothing, so that is no test
    evaluation.
    """
    part = comparison.part
    settings = replace(comparison.settings, baseline=0, looks=1, share=None, race="")
    pairs = []
    for _, run in plan.jobs:
        frames = {name: run.predictions(name) for name in {"validation", part}}
        baseline = plan.run.result
        result = RunResult(
            baseline.name, run.path, "", baseline.confidence, 0.0, baseline.facts,
            baseline.train_sizes, baseline.redrawn,
        )  # fmt: skip
        other = RacedRun(result, plan.run.options, (), frames)
        pairs += compare_pairs([plan.run, other], [(1, 0)], part, settings)
    metric = comparison.settings.described
    return Placebo(plan.folder, plan.run.name, metric, pairs)
