"""Names, notes and tags of runs. The file in the run's folder is the truth, MLflow mirrors it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from fashion_exp.atomic_io import read_json
from fashion_exp.comparison.find_runs import tracked_id
from fashion_exp.errors import InputError
from fashion_exp.evaluation.annotations import Annotations, load_annotations, save_annotations
from fashion_exp.evaluation.run_dir import RunDir
from fashion_exp.evaluation.run_paths import was_begun_here
from fashion_exp.paths import outputs_of
from fashion_exp.tracking.store import present_store

MAX_NAME = 200
OWN_TAGS = ("begun_as", "seed", "note", "git_commit", "versions", "test_evaluations")
"""Tags that the program itself writes, beside the facts of the result."""


def rename(run: RunDir, name: str) -> str:
    """Gives a run another name; returns why the tracking store was not changed, or an empty text.

    The folder keeps its name: caches, counts of test evaluations and other runs refer to it.
    """
    name = " ".join(name.split())
    if not name or len(name) > MAX_NAME:
        raise InputError(f"runs rename: a name has 1 to {MAX_NAME} characters")
    return save(run, replace(load_annotations(run.path), name=name))


def write_note(run: RunDir, note: str) -> str:
    """Replaces the note; an empty text removes it. Returns as `rename`."""
    return save(run, replace(load_annotations(run.path), note=note.strip()))


def change_tags(run: RunDir, changes: Mapping[str, str]) -> str:
    """Sets tags; an empty value removes the tag. Returns as `rename`."""
    facts = read_json(run.result_file)["facts"] if run.result_file.exists() else {}
    for name in changes:
        if name.startswith(("mlflow.", "seed_", "val_", "test_")) or name in (*OWN_TAGS, *facts):
            raise InputError(f"runs tag {name}: the run records this itself; choose another name")
    before = load_annotations(run.path)
    tags = {**before.tags, **changes}
    removed = [name for name, value in tags.items() if not value]
    tags = {name: value for name, value in tags.items() if value}
    removed_tags = sorted({*before.removed_tags, *removed} - tags.keys())
    return save(run, replace(before, tags=tags, removed_tags=removed_tags))


def save(run: RunDir, annotations: Annotations) -> str:
    """Writes the file, then the tracking store; returns as `rename`."""
    run_id, _ = tracked_id(run)
    # Saved as untracked first, so that `doctor` finds the change after a kill in between.
    save_annotations(run.path, replace(annotations, untracked=bool(run_id)))
    if not run_id:
        save_annotations(run.path, replace(annotations, untracked=False, removed_tags=[]))
        return ""
    try:
        track(run)
    except InputError as error:
        return str(error)
    return ""


def track_report(run: RunDir, folder: Path) -> str:
    """Adds the report of a run to what is tracked of it; returns as `rename`."""
    from fashion_exp.tracking.edits import upload_folder

    (run_id, uri), outputs = tracked_id(run), outputs_of(run.path)
    if outputs is None or not (run_id and was_begun_here(run)):
        return ""
    try:
        upload_folder(present_store(uri, outputs), run_id, folder, "report")
    except InputError as error:
        return str(error)
    return ""


def track(run: RunDir) -> None:
    """Writes the annotations of a run to its tracking store. Raises `InputError`."""
    from fashion_exp.tracking.edits import edit_run

    annotations = load_annotations(run.path)
    run_id, uri = tracked_id(run)
    if (outputs := outputs_of(run.path)) is not None:
        uri = present_store(uri, outputs)
    edit_run(
        uri, run_id, name=annotations.name, note=annotations.note, tags=annotations.tags,
        removed=annotations.removed_tags,
    )  # fmt: skip
    save_annotations(run.path, replace(annotations, untracked=False, removed_tags=[]))
