"""What to label next: `fashion_exp.label_next`, `fashion_exp.label_between`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING

from fashion_exp.errors import InputError
from fashion_exp.paths import outputs_dir, unique_name

if TYPE_CHECKING:
    from fashion_exp.active.between import BetweenResult
    from fashion_exp.data.label_versions import Labels
    from fashion_exp.inference.new_photos import NewPhotos
    from fashion_exp.inference.trained_run import TrainedRun

COUNT, SEED = 50, 0
NEXT_NOTE = (
    "Export the decisions, then repeat the command with --decided decisions.csv --manifest "
    "labels.csv."
)
BETWEEN_HINT = "the two runs differ"
BETWEEN_NOTE = (
    "Label in this order; the first ones alone will do. Export the decisions, then repeat the "
    "command with --decided decisions.csv."
)


@dataclass(frozen=True)
class NextLabels:
    """The photos to label next, and the page to label them on."""

    paths: Sequence[str]
    """The first to be labelled first; of copies the first one."""
    page: Path
    manifest: Path | None
    """The list to train on, of the run's photos and the decided ones."""
    notes: Sequence[str]


def label_next(
    run: str | PathLike[str], photos: Sequence[str | PathLike[str]], *, count: int = COUNT,
    strategy: str | None = None, decided: Sequence[str | PathLike[str]] = (),
    page: str | PathLike[str] | None = None, manifest: str | PathLike[str] | None = None,
    seed: int = SEED, uri: str | None = None, outputs: str | None = None,
) -> NextLabels:  # fmt: skip
    """Chooses unlabelled photos for a person to label, and writes a page that exports decisions.

    `photos` are files, folders or lists. Photos of the run and those in the files of `decided`
    decisions are left out; copies of each other are one case. `strategy` is badge by default, or
    margin if the run's models share no features. With `manifest` the run's photos and the decided
    ones are written as a list for `dataset=csv`. Raises `InputError`.
    """
    from fashion_exp.active import selection
    from fashion_exp.active.strategies import check_strategy
    from fashion_exp.inference.new_photos import new_photos
    from fashion_exp.inference.trained_run import load_run
    from fashion_exp.reporting.console import plain_console
    from fashion_exp.reporting.progress import Progress
    from fashion_exp.reporting.review_page import write_review_page

    if count < 1:
        raise InputError(f"--count {count}: must be at least 1")
    if strategy is not None:
        check_strategy(strategy)
    if manifest is not None and not decided:
        raise InputError("--manifest: needs --decided FILE, the decisions to add to it")
    outputs_root, files = outputs_dir(outputs), [Path(fspath(file)) for file in decided]
    with Progress(plain_console(stderr=True)) as progress:
        trained = load_run(fspath(run), outputs_root, uri)
        listing, source = new_photos([trained], [fspath(p) for p in photos]), fspath(photos[0])
        known = selection.read_decided(files, listing, trained.classes, source)
        written = None if manifest is None else Path(fspath(manifest))
        added = (
            []
            if written is None
            else _write_manifest(trained, outputs_root, written, known, listing)
        )
        predicted = selection.predict_photos(trained, listing, progress)
        groups = selection.group_copies(
            predicted.image_ids, predicted.paths, outputs_root / "cache", progress
        )
        cases, about = selection.next_cases(
            trained, predicted, groups, known, strategy, count, seed, progress
        )
        notes = [*listing.notes(predicted.undecodable), *added]
        if known:
            notes.append(f"{len(known):,} photos are decided: left out, with their copies.")
        title = f"To label next: {trained.run.path.name}"
        content = selection.labelling_page(
            trained, title, [f"{about} {NEXT_NOTE}", *notes], source, cases, progress
        )
    folder = outputs_root / "active" / unique_name("next")
    target = Path(page) if page is not None else folder / "page.html"
    write_review_page(content, target)
    return NextLabels([images[0][1] for images, _, _ in cases], target, written, notes)


@dataclass(frozen=True)
class Between:
    """Two runs compared by labels of the photos on which they differ."""

    result: BetweenResult
    page: Path | None
    """To label further photos on; None if all are labelled."""
    notes: Sequence[str]


def label_between(
    first: str | PathLike[str], second: str | PathLike[str],
    photos: Sequence[str | PathLike[str]], *, count: int = COUNT,
    decided: Sequence[str | PathLike[str]] = (), page: str | PathLike[str] | None = None,
    seed: int = SEED, uri: str | None = None, outputs: str | None = None,
) -> Between:  # fmt: skip
    """Which of two runs is better on unlabelled photos, from labels where their predictions differ.

    The difference of their accuracies on all photos depends on these alone. The page shows the next
    `count` of them in a random order that `seed` determines; `decided` are its exported decisions,
    of which the first ones will do. Photos of the runs are left out, and copies count once. Raises
    `InputError`.
    """
    from fashion_exp.active import selection
    from fashion_exp.active.between import find_disagreements, judge_disagreements
    from fashion_exp.inference.new_photos import new_photos
    from fashion_exp.inference.trained_run import load_run
    from fashion_exp.reporting.console import plain_console
    from fashion_exp.reporting.progress import Progress
    from fashion_exp.reporting.review_page import write_review_page

    if count < 1:
        raise InputError(f"--count {count}: must be at least 1")
    outputs_root = outputs_dir(outputs)
    with Progress(plain_console(stderr=True)) as progress:
        runs = [load_run(fspath(run), outputs_root, uri) for run in (first, second)]
        if set(classes := runs[0].classes) != set(runs[1].classes):
            raise InputError(f"--between: the classes of {first} and {second} differ")
        listing, source = new_photos(runs, [fspath(p) for p in photos]), fspath(photos[0])
        known = selection.read_decided([Path(fspath(f)) for f in decided], listing, classes, source)
        predicted = [selection.predict_photos(run, listing, progress) for run in runs]
        ids, paths = predicted[0].image_ids, predicted[0].paths
        if paths != predicted[1].paths:
            raise InputError("--between: one run cannot decode some photos that the other can")
        labels = [
            [run.classes[label] for label in p.probabilities.mean(0).argmax(1)]
            for run, p in zip(runs, predicted, strict=True)
        ]
        groups = {
            ids[g[0]]: g
            for g in selection.group_copies(ids, paths, outputs_root / "cache", progress)
        }
        answers = {image: (labels[0][g[0]], labels[1][g[0]]) for image, g in groups.items()}
        disagreements = find_disagreements(answers, seed)
        names = runs[0].run.path.name, runs[1].run.path.name
        result = judge_disagreements(names, disagreements, known)
        shown = [image for image in disagreements.image_ids if image not in known][:count]
        target = None
        if shown:
            folder = outputs_root / "active" / unique_name("between")
            target = Path(page) if page is not None else folder / "page.html"
            cases = [
                (predicted[0].files(groups[image]), "|".join(sorted(answers[image])), BETWEEN_HINT)
                for image in shown
            ]
            notes = [*result.sentences()[:1], BETWEEN_NOTE]
            title = f"Where {names[0]} and {names[1]} differ"
            content = selection.labelling_page(runs[0], title, notes, source, cases, progress)
            write_review_page(content, target)
    return Between(result, target, listing.notes(predicted[0].undecodable))


def _write_manifest(
    run: TrainedRun, outputs: Path, file: Path, decided: dict[str, Labels], listing: NewPhotos
) -> list[str]:
    """Writes the list to train on; returns notes."""
    import pandas as pd

    from fashion_exp.active.selection import label_texts, training_list
    from fashion_exp.atomic_io import csv_text, write_text
    from fashion_exp.configuration.schema import Targets
    from fashion_exp.data.split import fold_columns
    from fashion_exp.inference.refit import run_images
    from fashion_exp.inspection.run_photos import table_files

    table = run_images(run, outputs)
    files = table_files(table, "")
    if not files:
        raise InputError("--manifest: the run's images are no files")
    split = pd.read_csv(run.run.split_file, dtype=str, keep_default_na=False)
    in_test = (fold_columns(split) == "test").all(axis=1)
    is_test = dict(zip(split["image_id"], in_test, strict=True))
    own = [
        {"path": item.real_path, "label": label, "group": str(group),
         "part": "test" if is_test.get(image, False) else "train"}
        for item, label, image, group in zip(
            files, label_texts(table), table.rows["image_id"], table.rows["group_id"], strict=True
        )
    ]  # fmt: skip
    rows = training_list(own, decided, listing.paths)
    header = ["path", "label", "group", "part"]
    write_text(file, csv_text([header, *([row[name] for name in header] for row in rows)]))
    added = len(rows) - len(own)
    notes = [
        f"{file}: {len(own):,} photos of the run and {added:,} decided ones, which are never in "
        "the test; the test is the run's."
    ]
    several = sum(len(labels) > 1 for labels in decided.values())
    if several and run.config.training.targets is Targets.single:
        notes.append(
            f"{several:,} decided photos have several labels: training.targets=soft or several "
            "trains on them; without it they are left out."
        )
    return notes
