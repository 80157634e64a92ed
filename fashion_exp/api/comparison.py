"""Comparisons of finished runs: `fashion_exp.compare`."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pandas as pd

from fashion_exp.comparison import comparison
from fashion_exp.comparison.conclusions import conclusions
from fashion_exp.comparison.find_runs import common_sweep, count_unfinished_jobs, find_runs
from fashion_exp.comparison.label_changes import refuse_other_targets
from fashion_exp.comparison.metrics import METRICS, Metric
from fashion_exp.comparison.misclassified import Draw, load_run_images
from fashion_exp.comparison.report_data import build_report
from fashion_exp.comparison.report_tables import pairs_table, runs_table
from fashion_exp.comparison.run_data import RunData, load_run
from fashion_exp.comparison.settings import ComparisonSettings
from fashion_exp.comparison.slices import SliceAnalysis
from fashion_exp.errors import InputError
from fashion_exp.evaluation.results import draw_figures, missing_figures
from fashion_exp.evaluation.run_dir import RunDir
from fashion_exp.evaluation.test_usage import mark_test_evaluated
from fashion_exp.paths import outputs_dir, unique_name, why_not_writable
from fashion_exp.reporting.formats import pluralize
from fashion_exp.reporting.page import write_report
from fashion_exp.reporting.tables import extract_shared
from fashion_exp.reporting.templates import render
from fashion_exp.tracking import NullTracker

if TYPE_CHECKING:
    from fashion_exp.racing.placebo import Placebo, PlaceboPlan
    from fashion_exp.reporting.progress import Progress


@dataclass(frozen=True)
class Comparison(comparison.Comparison):
    """Compared runs. In a notebook it shows its conclusions and its tables."""

    outputs: Path = Path("outputs")
    not_evaluated: int = 0
    """Jobs of a sweep without the evaluation that the others are compared on."""
    placebo: Placebo | None = None
    """The baseline compared with itself under other seeds, if that was asked for."""

    @property
    def table(self) -> pd.DataFrame:
        """One row per run, best first: name, folder, the options that differ, and the metrics
        (shares in [0, 1]; `_lo` and `_hi` are Wilson's limits). Held-out tests are missing."""
        options = [option for factor in self.factors for option in factor.options]
        rows = []
        for index in self.ranking:
            run = self.runs[index]
            row = {"run": self.names[index]} | {name: run.options.get(name) for name in options}
            row |= run.summary("validation").metrics()
            row |= run.summary("test").metrics() if run.is_test_evaluated else {}
            row |= run.summary(self.settings.on).metrics() if self.settings.on else {}
            rows.append(row | {"folder": str(run.result.output)})
        return pd.DataFrame(rows)

    @property
    def conclusions(self) -> list[str]:
        """What the data support, in sentences; the first says which run is best."""
        sentences = conclusions(self)
        if count := self.not_evaluated:
            runs, have = pluralize(count, "run"), "has" if count == 1 else "have"
            sentences.append(f"{runs} {have} no evaluation {self.settings.on}: left out.")
        if count := self.omitted_runs:
            jobs, have = pluralize(count, "job"), "has" if count == 1 else "have"
            sentences.append(
                f"{jobs} of the sweep {have} no result and counted as tried; the command of the "
                "sweep runs what is missing (`sweep status` prints it)."
            )
        return [*sentences, *([self.placebo.sentence] if self.placebo else [])]

    def report(
        self, into: str | PathLike[str] | None = None, command: str = "",
        slices: SliceAnalysis | None = None, maps: bool = False,
    ) -> Path:  # fmt: skip
        """Writes the page with tables, figures and photos, and returns its path.

        It is written into `into`, or else into `report/` of the sweep or run. `command` is what the
        page names to make it again. `slices` (`api.slices.comparison_slices`) are shown too. With
        `maps`, misclassified photos stand beside a map of what the best run looked at; that takes
        a second per photo, and its models. Raises `InputError` if nothing can be written there, or
        if the run has lost its models.
        """
        folders = [run.result.output for run in self.runs]
        parent = folders[0] if len(folders) == 1 else common_sweep(folders)
        new = self.outputs / "reports" / unique_name("report")
        folder = Path(into) if into is not None else parent / "report" if parent else new
        if reason := why_not_writable(folder):
            raise InputError(f"{folder}: {reason}; choose another folder with --into FOLDER")
        cache = self.outputs / "cache"
        command = command or shlex.join(["scripts/run", "report", *map(str, folders)])
        draw = self._map_drawer() if maps else None
        page = write_report(build_report(self, command, cache, slices, draw), folder)
        if len(self.runs) == 1 and missing_figures(self.runs[0].result):
            # It failed to draw them, or is not its sweep's winner.
            images = load_run_images(self.runs[0], cache)
            if images is not None:
                draw_figures(self.runs[0].result, images, NullTracker())
        return page

    def _map_drawer(self) -> Draw:
        from fashion_exp.inference.explanation_page import map_drawer
        from fashion_exp.inference.trained_run import load_run as load_trained

        best = self.runs[self.winner]
        trained = load_trained(best.result.output, self.outputs)
        return map_drawer(trained, best.predictions(self.own_part))

    def _repr_html_(self) -> str:
        tables = [extract_shared(runs_table(self))]
        tables += [pairs_table(self)] if len(self.runs) > 1 else []
        return render("fragment.html.j2", sentences=self.conclusions, tables=tables)


def compare(
    runs: object = (),
    *,
    baseline: str | PathLike[str] | None = None,
    metric: str = "accuracy",
    alpha: float = 0.05,
    rope: float = 0.01,
    exact: bool = False,
    target: float | None = None,
    pairs: Literal["best", "all"] = "best",
    human: tuple[float, int | None] | None = None,
    on: str | None = None,
    evaluate_test: bool = False,
    placebo: int | None = None,
    uri: str | None = None,
    outputs: str | PathLike[str] | None = None,
    approve: Callable[[PlaceboPlan], object] = lambda plan: None,
    progress: Progress | None = None,
) -> Comparison:
    """Compares finished runs with the test that fits their design.

    `runs` is one or several of: a `Run`, a `Sweep`, a folder, a name, the id of a tracked run, or a
    filter in MLflow's language; none means the newest sweep. All runs are compared with `baseline`;
    without one, the best run with the others, or each with each (`pairs="all"`). `alpha` is the
    family-wise error rate, `rope` the difference that does not matter, `target` an accuracy to be
    reached, `human` the accuracy of people and the number of images that it was measured on.
    `on` is the name of an evaluation on other photos, to compare the runs on it; of a sweep, those
    of its jobs that have it are compared.
    `evaluate_test` evaluates the test predictions of every run, which is counted. So are
    comparisons of the same recipes on growing data (`looks.count_looks`).
    `placebo` trains the baseline, or the only run, again under as many other seeds and compares it
    with itself by the same procedure. The trainings are kept and continued; `approve` is called
    with their plan before, and may raise.

    Raises `InputError` for a reference that matches nothing, and for a setting out of range.
    """
    settings = ComparisonSettings(
        metric, alpha, rope, exact, target, pairs=pairs, human=human, on=on, column=_own(metric)
    )  # fmt: skip
    _refuse_both(pairs, baseline)
    outputs_root = outputs_dir(None if outputs is None else fspath(outputs))
    folders = find_runs(references(runs), outputs_root, uri)
    count = len(folders)
    if on is not None:
        folders = _evaluated_runs(references(runs), on, outputs_root, uri)
    not_evaluated = count - len(folders)
    if baseline is not None:
        match = _baseline_run(baseline, outputs_root, uri)
        folders = list(dict.fromkeys([*folders, match]))
        settings = settings.with_baseline(folders.index(match))
    unfinished = count_unfinished_jobs(folders)
    compared = [load_run(folder) for folder in folders]
    _refuse_mixed(compared, on)
    settings = _describe_own_metric(settings, compared)
    if evaluate_test:
        compared = _evaluate_tests(folders, outputs_root)
    comparison = Comparison(compared, settings, unfinished, outputs_root, not_evaluated)
    comparison = comparison.counted_in(outputs_root)
    return comparison if placebo is None else _with_placebo(comparison, placebo, approve, progress)


def _evaluate_tests(folders: Sequence[Path], outputs: Path) -> list[RunData]:
    for folder in folders:
        mark_test_evaluated(folder, outputs)
    return [load_run(folder) for folder in folders]


def _with_placebo(
    comparison: Comparison, count: int, approve: Callable[[PlaceboPlan], object],
    progress: Progress | None,
) -> Comparison:  # fmt: skip
    from fashion_exp.racing.placebo import compare_placebo, plan_placebo
    from fashion_exp.reporting.progress import quiet_progress

    plan = plan_placebo(comparison, count, comparison.outputs)
    approve(plan)
    plan.train(progress or quiet_progress())
    return replace(comparison, placebo=compare_placebo(plan, comparison))


def _refuse_both(pairs: str, baseline: object) -> None:
    if pairs == "all" and baseline is not None:
        raise InputError("pairs=all has no effect with a baseline: leave out one of them")


def _baseline_run(baseline: str | PathLike[str], outputs: Path, uri: str | None) -> Path:
    matches = find_runs(references(baseline), outputs, uri)
    if len(matches) > 1:
        raise InputError(f"baseline {baseline}: matches {len(matches)} runs; name one")
    return matches[0]


def _refuse_mixed(runs: Sequence[RunData], on: str | None) -> None:
    _refuse_refits(runs if on is None else ())
    refuse_other_targets(runs)


def _refuse_refits(runs: Sequence[RunData]) -> None:
    if refits := [run.result.output for run in runs if run.is_refit]:
        raise InputError(
            f"{refits[0].name}: a refit has no results of its own; compare the run that it "
            "repeats, or evaluate it on other photos and use --on NAME"
        )


def _own(metric: str) -> Metric | None:
    """Stands for a metric of the runs' `extensions` until they are read."""
    return None if metric in METRICS else Metric(metric)


def _describe_own_metric(
    settings: ComparisonSettings, runs: Sequence[RunData]
) -> ComparisonSettings:
    """Raises `InputError` for a metric that is none of ours and that a run's `extensions` lack."""
    if settings.metric in METRICS:
        return settings
    metrics = [run.metric(settings.metric) for run in runs]
    is_binary = all(metric.is_binary for metric in metrics)
    return replace(settings, column=replace(metrics[0], is_binary=is_binary))


def _evaluated_runs(names: Sequence[str], on: str, outputs: Path, uri: str | None) -> list[Path]:
    """As `find_runs`; of several runs that one reference means, those with the evaluation."""
    folders: dict[Path, None] = {}
    for reference in [[name] for name in names] or [[]]:
        runs = find_runs(reference, outputs, uri)
        evaluated = [folder for folder in runs if on in RunDir(folder).evaluation_names]
        folders |= dict.fromkeys(evaluated or runs)  # none: the run is named that lacks it
    return list(folders)


def references(runs: object) -> list[str]:
    """What `find_runs` takes for a run, a sweep, a path, a text, or several of them."""
    if isinstance(runs, str | PathLike):
        return [fspath(runs)]
    if isinstance(runs, Sequence) or hasattr(runs, "__iter__"):
        return [reference for run in runs for reference in references(run)]
    raise InputError(f"{runs}: not a run, a sweep, a folder or a name")
