"""The model card of a run: what it was trained on, how well it does, what limits that, how to use
it. Every figure is derived from the files of the run."""

from __future__ import annotations

import json
import shlex
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from fashion_exp.atomic_io import read_json, write_text
from fashion_exp.comparison.audit import audit
from fashion_exp.comparison.comparison import Comparison
from fashion_exp.comparison.conclusions import conclusions
from fashion_exp.comparison.find_runs import common_sweep, count_unfinished_jobs, given_name
from fashion_exp.comparison.run_data import RunData, load_run
from fashion_exp.comparison.settings import ComparisonSettings
from fashion_exp.configuration.choices import default_values, groups, yaml_text
from fashion_exp.data.table import SHARE_COLUMN
from fashion_exp.evaluation.results import class_table, result_table
from fashion_exp.evaluation.run_dir import RunDir, finished_runs
from fashion_exp.experiment.checkpoints import checkpoint_file
from fashion_exp.inference.calibration import FILE
from fashion_exp.inference.calibration_tables import stored_report
from fashion_exp.models.metadata import file_sha256
from fashion_exp.paths import outputs_dir, outputs_of, with_outputs_option
from fashion_exp.reporting.console import plain_console
from fashion_exp.reporting.formats import DASH, pluralize
from fashion_exp.reporting.photo_page import PhotoPage, Section, markdown, write_photo_page
from fashion_exp.reporting.progress import Progress
from fashion_exp.reporting.tables import PlainTable

if TYPE_CHECKING:
    from fashion_exp.inference.trained_run import TrainedRun

LICENSES = {
    "clothing": "CC0 1.0: the public clothing data set by Alexey Grigorev and contributors",
    "fashion_mnist": "MIT: Fashion-MNIST by Zalando",
    "garments": "none needed: the photos are synthetic, drawn by this program",
}
ATTRIBUTION = "ATTRIBUTION.csv"
"""Written by `data collect`: creator, license and source of each photo."""


@dataclass(frozen=True)
class CardFiles:
    markdown: Path
    page: Path


def write_card(run: TrainedRun, into: Path) -> CardFiles:
    """Writes card.md and card.html into a folder."""
    page = build_card(run)
    files = CardFiles(into / "card.md", into / "card.html")
    write_text(files.markdown, markdown(page))
    write_photo_page(page, files.page)
    return files


def build_card(run: TrainedRun) -> PhotoPage:
    """The content of the card. Raises `InputError` if a file of the run is damaged."""
    stored = load_run(run.run.path)
    given = given_name(run.run)
    # The options are stated once; sentences name the run by its model.
    short = stored.result if given else replace(stored.result, name=run.config.model.name)
    data = replace(stored, result=short)
    parts = ["test", "validation"] if data.is_test_evaluated else ["validation"]
    comparison = Comparison([data], ComparisonSettings(alpha=1 - data.result.confidence))
    per_class = [class_table(data.summary(part)) for part in parts]
    titled = [
        PlainTable(table.header, table.rows, f"By class, {part}", table.notes)
        for part, table in zip(parts, per_class, strict=True)
    ]
    results = replace(result_table(data.result, []), title="")
    sections = [
        Section("use", "Use", _use_notes(run), commands=_commands(run, data)),
        Section("accuracy", "Accuracy", _selection(data), [results, *titled]),
        *_calibration(run),
        Section("limits", "Limits", list(_limits(data, run))),
        Section("data", "Data", list(_data_notes(data, run)), [_class_counts(data)]),
        Section("model", "Model", (), [_model_table(data, run), *_chosen_options(data)]),
        Section("origin", "Origin", (), [_origin_table(data, run)]),
    ]
    refit = _refit(run)
    name = given or f"{run.config.model.name} ({run.run.path.name})"
    options = [] if given else [f"Options: {stored.result.name}."]
    return PhotoPage(
        f"Model card: {'refit of ' if refit else ''}{name}",
        [*(refit or conclusions(comparison)), *options], _without_repeats(sections),
        f"Derived from the files of the run {run.run.path.name}.",
    )  # fmt: skip


def _without_repeats(sections: Sequence[Section]) -> list[Section]:
    """The sections without notes of tables that stand above."""
    seen: set[str] = set()
    result = []
    for section in sections:
        tables = []
        for table in section.tables:
            tables.append(replace(table, notes=[n for n in table.notes if n not in seen]))
            seen |= set(table.notes)
        result.append(replace(section, tables=tables))
    return result


def _refit(run: TrainedRun) -> list[str]:
    """What is known of the models of a refit, whose accuracy nobody measured; else empty."""
    from fashion_exp.inference.refit import describe

    if not run.run.is_refit:
        return []
    below = "Accuracy, calibration and data below are those of the models that were measured."
    return [*describe(run), below]


def _use_notes(run: TrainedRun) -> list[str]:
    count = len(run.model_names)
    models = f"the mean of the probabilities of its {count} trainings" if count > 1 else "it"
    return [
        f"It tells these classes apart: {', '.join(run.classes)}.",
        f"Photos are predicted by {models}; the photo is resized as in the run's own evaluation.",
    ]


def _commands(run: TrainedRun, data: RunData) -> list[str]:
    folder = run.run.path
    outputs = outputs_of(folder) or outputs_dir(None)
    name = shlex.quote(folder.name if outputs_of(folder) else str(folder))
    uses = {
        f"scripts/run predict {name} PHOTOS --into predictions.csv": "predict photos",
        f"scripts/run evaluate {name} LABELED": "evaluate on other labeled photos",
        f"scripts/run explain {name} PHOTO": "what it looks at",
        f"scripts/run export {name} --format onnx": "export it",
        f"scripts/run serve {name} --port 8000": "serve it",
    }
    commands = [f"{with_outputs_option(line, outputs)}  # {use}" for line, use in uses.items()]
    return [*commands, f"{data.command}  # train it again"]


def _selection(data: RunData) -> list[str]:
    """How often the test was used, and what selecting the run from a sweep means for its scores."""
    evaluations = data.result.test_evaluations
    lines = [
        f"Runs that were evaluated on this test set: {evaluations}. The more there are, the more "
        "the best of them is favored by chance."
        if evaluations
        else "The test predictions are held out: nothing is known of the accuracy on the test set."
    ]
    folder = data.result.output
    sweep = common_sweep([folder])
    if sweep is not None:
        folders = [item.path for item in finished_runs(sweep)]
        comparison = Comparison(
            [load_run(item) for item in folders], ComparisonSettings(),
            count_unfinished_jobs(folders),
        )  # fmt: skip
        texts = conclusions(comparison) if len(folders) > 1 else []
        if data.is_test_evaluated:  # the accuracy is the card's first sentence
            texts = [text for text in texts if not text.startswith("On the test images")]
        lines += texts
    return lines


def _calibration(run: TrainedRun) -> Iterator[Section]:
    """What `calibrate` says; nothing if the run was not calibrated yet."""
    if (run.run.path / FILE).is_file():
        lines, tables = stored_report(run, Progress(plain_console(stderr=True)))
        yield Section("calibration", "Calibration and prediction sets", lines, tables)


def _limits(data: RunData, run: TrainedRun) -> Iterator[str]:
    for finding in audit([data], [data.name]):
        if finding.severity != "fine":
            yield f"{finding.title}: {finding.detail} ({'; '.join(finding.runs)})"
    yield (
        "The intervals are about new photos of the same kind as the test photos. Photos of another "
        "kind (other cameras, backgrounds, people, places) may be predicted far worse; the command "
        "evaluate measures it on labeled ones."
    )
    yield (
        f"A photo that shows none of the {len(run.classes)} classes is given one of them all the "
        "same."
    )
    summary = data.summary("test" if data.is_test_evaluated else "validation")
    few = [
        name
        for name, count in zip(summary.classes, summary.confusion.sum(axis=1), strict=True)
        if count / summary.trainings < 30
    ]
    if few:
        yield f"Less than 30 {summary.part} photos each: {', '.join(few)}; their figures are rough."


def _data_notes(data: RunData, run: TrainedRun) -> Iterator[str]:
    facts, dataset = data.result.facts, run.config.dataset
    left_out = facts.get("left_out", "0")
    yield f"Data set: {dataset.name}, {facts['files']} files, of which {left_out} were left out."
    yield f"License of the photos: {_license(dataset.name, dataset.root)}."
    version = data.label_version
    yield f"Labels: {'as they were found' if version == 'none' else f'version {version}'}."
    trainings = pluralize(len(run.model_names), "training")
    own = ", each repeat with a split of its own" if data.result.redrawn else ""
    yield f"Split: {run.config.split.name}; {trainings}{own}."


def _license(name: str, root: str | None) -> str:
    attribution = Path(root or "") / ATTRIBUTION
    if root and attribution.is_file():
        counts = Counter(pd.read_csv(attribution, usecols=["licence"])["licence"].fillna("unknown"))
        return ", ".join(f"{text} ({count:,})" for text, count in counts.most_common())
    return LICENSES.get(name, "not recorded")


def _class_counts(data: RunData) -> PlainTable:
    """Distinct images of each class by part; training and validation per training."""
    split, classes = data.split, data.classes
    folds = [name for name in split.columns if name in data.result.train_sizes]
    rows = []
    for label, name in enumerate(classes):
        share = f"{SHARE_COLUMN}{name}"  # of labels of several classes
        is_main = split["label"].astype(str) == str(label)
        images = split[split[share] > 0 if share in split else is_main]
        counts = {part: (images[folds] == part).sum() for part in ("train", "validation", "test")}
        cells = [f"{_range(counts[part].tolist())}" for part in ("train", "validation", "test")]
        rows.append([name, f"{len(images):,}", *cells])
    return PlainTable(
        ["class", "photos", "training", "validation", "test"], rows,
        notes=["Different photos. Training and validation: of one training; they differ by split."],
    )  # fmt: skip


def _range(counts: list[int]) -> str:
    low, high = min(counts, default=0), max(counts, default=0)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _model_table(data: RunData, run: TrainedRun) -> PlainTable:
    facts = data.result.facts
    parameters = json.loads(facts.get("parameters", "{}"))
    rows = {
        "network": run.config.model.name,
        "weights before training": facts["weights"],
        "frozen part": facts.get("freeze", DASH),
        "parameters": f"{parameters['total']:,}" if parameters else DASH,
        "of these trained": f"{parameters['trainable']:,}" if parameters else DASH,
        "input": facts.get("input", DASH),
        "trainings": ", ".join(run.model_names),
        **(_solved_head(data) if run.config.model.head.is_solved else {
            "epochs": f"{run.config.training.epochs}",
            "optimizer": f"{run.config.optim.name}, learning rate {run.config.optim.lr:g}",
            "loss": run.config.training.loss,
        }),
        "augmentation": facts.get("augmentation", DASH),
    }  # fmt: skip
    return PlainTable(["", "value"], [list(row) for row in rows.items()])


def _chosen_options(data: RunData) -> list[PlainTable]:
    """The options that acted with another value than their default; no table if there is none.

    The default of an option is that of the choice of its group: of the folder's data set, say.
    """
    options, usual = data.options, defaultdict[str, list[Any]](list)
    for name, value in default_values().items():
        usual[name].append(_as_stored(value))
    for group, choices in groups().items():
        for choice in choices:
            if choice.values.get(f"{group}.name") == options.get(f"{group}.name"):
                for name in choice.values.keys() - {f"{group}.name"}:
                    usual[name].append(_as_stored(choice.values[name]))
    rows = [
        [name, yaml_text(value)]
        for name, value in options.items()
        if value and value not in usual[name] and data.settings.get(name) not in (None, [])
    ]
    table = PlainTable(["option", "value"], rows, "Options that differ from their default")
    return [table] if rows else []


def _as_stored(value: Any) -> Any:
    """YAML reads 1e-3 as text."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _solved_head(data: RunData) -> dict[str, str]:
    """How the head was solved, with the C of each training if it was chosen."""
    head = {"head": data.result.facts["head"]}
    if "c" in data.trainings:
        head["C of each training"] = ", ".join(f"{c:.3g}" for c in data.trainings["c"])
    return head


def _origin_table(data: RunData, run: TrainedRun) -> PlainTable:
    """Hashes and versions: what exactly was trained, on what, with what."""
    facts = data.result.facts
    names = {
        "job_hash": "job", "data_fingerprint": "data", "split_hash": "split", "test_hash": "test "
        "set", "weights_sha256": "weights before training, SHA-256",
    }  # fmt: skip
    rows = [[label, facts[name]] for name, label in names.items() if facts.get(name)]
    for name in run.model_names:
        file = checkpoint_file(run.config, run.run.checkpoints, *map(int, name[1:].split("f")))
        rows.append([f"{name}, SHA-256", file_sha256(file)])
    rows += [["tracked run", data.result.run]] if data.result.run else []
    if RunDir(run.run.path).environment_file.is_file():
        rows += [list(map(str, row)) for row in read_json(run.run.environment_file).items()]
    return PlainTable(["", "value"], rows)
