"""What to label next: `fashion_exp.label_next`, `fashion_exp.label_between`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fashion_exp.errors import InputError
from fashion_exp.paths import expand_user, outputs_dir, unique_name

if TYPE_CHECKING:
    from fashion_exp.active.between import BetweenResult
    from fashion_exp.active.selection import Predicted
    from fashion_exp.data.label_versions import Labels
    from fashion_exp.inference.trained_run import TrainedRun
    from fashion_exp.reporting.progress import Progress

COUNT, SEED = 50, 0
NEXT_NOTE = (
    "Export the decisions, then repeat the command with --decided decisions.csv --manifest "
    "labels.csv."
)
BETWEEN_HINT = "the two runs differ"
BETWEEN_NOTE = (
    "Label in this order. The first ones alone will do, but settle beforehand how many: who stops "
    "as soon as a run is ahead finds differences that are not there. Export the decisions, then "
    "repeat the command with --decided decisions.csv."
)


@dataclass(frozen=True)
class NextLabels:
    """The photos to label next, and the page to label them on."""

    paths: Sequence[str]
    """The first to be labeled first; of copies the first one."""
    page: Path | None
    """None if nothing is left to label."""
    manifest: Path | None
    """The list to train on, of the run's photos and the decided ones."""
    notes: Sequence[str]


def label_next(
    run: str | PathLike[str], photos: Sequence[str | PathLike[str]], *, count: int = COUNT,
    strategy: str | None = None, decided: Sequence[str | PathLike[str]] = (),
    page: str | PathLike[str] | None = None, manifest: str | PathLike[str] | None = None,
    seed: int = SEED, uri: str | None = None, outputs: str | None = None,
) -> NextLabels:  # fmt: skip
    """Chooses unlabeled photos for a person to label, and writes a page that exports decisions.

    `photos` are files, folders or lists. Photos of the run, copies of these, and those in the files
    of `decided` decisions are left out; copies of each other are one case. `strategy` is badge by
    default, or margin if the run's models share no features. With `manifest` the run's photos and
    the decided ones are written as a list for `dataset=csv`. Raises `InputError`.
    """
    from fashion_exp.active import selection
    from fashion_exp.active.strategies import check_strategy
    from fashion_exp.inference.trained_run import load_run
    from fashion_exp.reporting.console import plain_console
    from fashion_exp.reporting.formats import pluralize
    from fashion_exp.reporting.progress import Progress
    from fashion_exp.reporting.review_page import write_review_page

    if count < 1:
        raise InputError(f"--count {count}: must be at least 1")
    if strategy is not None:
        check_strategy(strategy)
    if manifest is not None and not decided:
        raise InputError("--manifest: needs --decided FILE, the decisions to add to it")
    outputs_root = outputs_dir(outputs)
    written = None if manifest is None else expand_user(fspath(manifest), "--manifest")
    with Progress(plain_console(stderr=True)) as progress:
        trained = load_run(fspath(run), outputs_root, uri)
        unlabeled = _find_unlabeled([trained], photos, decided, outputs_root / "cache", progress)
        notes = unlabeled.notes
        if written is not None:
            notes += _write_manifest(trained, outputs_root, written, unlabeled)
        cases, about = selection.next_cases(
            trained,
            unlabeled.predicted[0],
            unlabeled.groups,
            unlabeled.decided,
            strategy,
            count,
            seed,
            progress,
        )
        if known := len(unlabeled.decided):
            notes.append(f"Left out: {pluralize(known, 'photo')} already decided, and copies.")
        if not cases:
            return NextLabels([], None, written, [*notes, about])
        title = f"To label next: {trained.run.path.name}"
        content = selection.labeling_page(
            trained, title, [f"{about} {NEXT_NOTE}", *notes], unlabeled.source, cases, progress
        )
    folder = outputs_root / "active" / unique_name("next")
    target = folder / "page.html" if page is None else expand_user(fspath(page), "--page")
    write_review_page(content, target)
    return NextLabels([images[0][1] for images, _, _ in cases], target, written, notes)


@dataclass(frozen=True)
class Between:
    """Two runs compared by labels of the photos on which they differ."""

    result: BetweenResult
    page: Path | None
    """To label further photos on; None if all are labeled."""
    notes: Sequence[str]


def label_between(
    first: str | PathLike[str], second: str | PathLike[str],
    photos: Sequence[str | PathLike[str]], *, count: int = COUNT,
    decided: Sequence[str | PathLike[str]] = (), page: str | PathLike[str] | None = None,
    seed: int = SEED, uri: str | None = None, outputs: str | None = None,
) -> Between:  # fmt: skip
    """Which of two runs is better on unlabeled photos, from labels where their predictions differ.

    The difference of their accuracies on all photos depends on these alone. The page shows the next
    `count` of them in a random order that `seed` determines; `decided` are its exported decisions,
    of which the first ones will do. Photos of the runs and copies of these are left out, and copies
    count once. Raises `InputError`.
    """
    from fashion_exp.active import selection
    from fashion_exp.active.between import find_disagreements, judge_disagreements
    from fashion_exp.inference.trained_run import load_run
    from fashion_exp.reporting.console import plain_console
    from fashion_exp.reporting.progress import Progress
    from fashion_exp.reporting.review_page import write_review_page

    if count < 1:
        raise InputError(f"--count {count}: must be at least 1")
    outputs_root = outputs_dir(outputs)
    with Progress(plain_console(stderr=True)) as progress:
        runs = [load_run(fspath(run), outputs_root, uri) for run in (first, second)]
        if set(runs[0].classes) != set(runs[1].classes):
            raise InputError(f"--between: the classes of {first} and {second} differ")
        unlabeled = _find_unlabeled(runs, photos, decided, outputs_root / "cache", progress)
        labels = [
            [run.classes[label] for label in p.probabilities.mean(0).argmax(1)]
            for run, p in zip(runs, unlabeled.predicted, strict=True)
        ]
        groups = {unlabeled.predicted[0].image_ids[g[0]]: g for g in unlabeled.groups}
        answers = {image: (labels[0][g[0]], labels[1][g[0]]) for image, g in groups.items()}
        disagreements = find_disagreements(answers, seed)
        names = runs[0].run.path.name, runs[1].run.path.name
        result = judge_disagreements(names, disagreements, unlabeled.decided)
        undecided = [image for image in disagreements.image_ids if image not in unlabeled.decided]
        shown = undecided[:count]
        target = None
        if shown:
            folder = outputs_root / "active" / unique_name("between")
            target = folder / "page.html" if page is None else expand_user(fspath(page), "--page")
            files = unlabeled.predicted[0].files
            cases = [
                (files(groups[image]), "|".join(sorted(answers[image])), BETWEEN_HINT)
                for image in shown
            ]
            notes = [*result.sentences()[:1], BETWEEN_NOTE]
            title = f"Where {names[0]} and {names[1]} differ"
            content = selection.labeling_page(
                runs[0], title, notes, unlabeled.source, cases, progress
            )
            write_review_page(content, target)
    return Between(result, target, unlabeled.notes)


class _Unlabeled(NamedTuple):
    """Photos that are new to some runs, and what is known of them."""

    source: str
    decided: dict[str, Labels]
    predicted: list[Predicted]
    """By each run."""
    groups: list[list[int]]
    """Positions of photos in `predicted` that are copies of each other."""
    notes: list[str]


def _find_unlabeled(
    runs: Sequence[TrainedRun], photos: Sequence[str | PathLike[str]],
    decided: Sequence[str | PathLike[str]], cache: Path, progress: Progress,
) -> _Unlabeled:  # fmt: skip
    import pandas as pd

    from fashion_exp.active import selection
    from fashion_exp.inference.labeled_photos import find_own_files
    from fashion_exp.inference.new_photos import new_photos
    from fashion_exp.reporting.formats import pluralize

    source, files = fspath(photos[0]), [Path(fspath(file)) for file in decided]
    listing = new_photos(runs, [fspath(photo) for photo in photos])
    known = selection.read_decided(files, listing, runs[0].classes, source)
    predicted = [selection.predict_photos(run, listing, progress) for run in runs]
    paths = predicted[0].paths
    if any(other.paths != paths for other in predicted):
        raise InputError("--between: one run cannot decode some photos that the other can")
    own, notes = [], listing.notes(predicted[0].undecodable)
    for run in runs:
        split = pd.read_csv(run.run.split_file, dtype=str, keep_default_na=False)
        own_files, reason = find_own_files(run, split, cache)
        own += own_files
        notes += [reason] if reason else []
    groups = selection.group_copies(paths, own, cache, progress)
    if copies := len(paths) - sum(map(len, groups)):
        notes.append(f"Left out: {pluralize(copies, 'photo')} that show the same as the run's own.")
    return _Unlabeled(source, known, predicted, groups, notes)


def _write_manifest(run: TrainedRun, outputs: Path, file: Path, unlabeled: _Unlabeled) -> list[str]:
    """Writes the list to train on; returns notes."""
    import pandas as pd

    from fashion_exp.active.selection import label_texts, training_list
    from fashion_exp.atomic_io import csv_text, write_text
    from fashion_exp.configuration.schema import Targets
    from fashion_exp.data.split import fold_columns
    from fashion_exp.inference.refit import run_images
    from fashion_exp.inspection.run_photos import table_files
    from fashion_exp.reporting.formats import pluralize

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
    predicted = unlabeled.predicted[0]
    photos = {
        image: (path, predicted.image_ids[group[0]])
        for group in unlabeled.groups
        for image, path in predicted.files(group)
    }
    rows = training_list(own, unlabeled.decided, photos)
    header = ["path", "label", "group", "part"]
    write_text(file, csv_text([header, *([row[name] for name in header] for row in rows)]))
    added = len(rows) - len(own)
    notes = [
        f"{file}: {pluralize(len(own), 'photo')} of the run and {added:,} decided, which are never "
        "in the test; the test is the run's."
    ]
    several = sum(len(labels) > 1 for labels in unlabeled.decided.values())
    if several and run.config.training.targets is Targets.single:
        notes.append(
            f"{pluralize(several, 'decided photo')} with several labels: training.targets=soft or "
            "several trains on such photos; without it they are left out."
        )
    return notes
