"""Several runs in one file: `fashion_exp.export_study` and `import_study`."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from fashion_exp.api.comparison import references
from fashion_exp.atomic_io import check_replaceable
from fashion_exp.comparison.find_runs import find_runs
from fashion_exp.errors import InputError
from fashion_exp.paths import check_writable, expand_user, outputs_dir
from fashion_exp.study.archive import Manifest, is_code, open_archive
from fashion_exp.study.export import ExportPlan, plan_export
from fashion_exp.study.import_study import Code, PlacedRun
from fashion_exp.study.import_study import import_study as import_archive


@dataclass(frozen=True)
class Study:
    """The file of a study and its content."""

    file: Path
    manifest: Manifest

    def as_json(self) -> dict[str, Any]:
        """Sizes in bytes; `unpacked` is their sum."""
        kinds: dict[str, int] = {}
        for name, known in self.manifest.files.items():
            kind = kind_of(name)
            kinds[kind] = kinds.get(kind, 0) + known.bytes
        return {
            "schema": 1,
            "file": str(self.file),
            "bytes": self.file.stat().st_size,
            "unpacked": self.manifest.bytes,
            "unpacked_by_kind": kinds,
            "code": self.manifest.code,
            "files": len(self.manifest.files),
            "created": self.manifest.created,
            "version": self.manifest.version,
            "runs": [vars(run) for run in self.manifest.runs],
        }


def kind_of(name: str) -> str:
    """What a file of a study is: records, predictions, weights, code or thumbnails."""
    if name.startswith("thumbnails/"):
        return "thumbnails"
    if name.startswith("weights/") or name.endswith((".safetensors", ".npz")):
        return "weights"
    if is_code(name):
        return "code"
    return "predictions" if name.endswith(".parquet") else "records"


def plan_study(
    runs: object = (), *, weights: bool = False, thumbnails: bool = False,
    uri: str | None = None, outputs: str | PathLike[str] | None = None,
) -> ExportPlan:  # fmt: skip
    """What `export_study` would write."""
    outputs_root = outputs_dir(None if outputs is None else fspath(outputs))
    return plan_export(find_runs(references(runs), outputs_root, uri), weights, thumbnails)


def checked_archive(file: str | PathLike[str]) -> Path:
    """Raises `InputError` for a name that does not end with .zip, and a folder that cannot be
    written."""
    path = expand_user(fspath(file), "STUDY.zip").resolve()
    if path.suffix != ".zip":
        raise InputError(f"{file}: name a file that ends with .zip")
    check_replaceable(path)
    check_writable(path.parent, "STUDY.zip")
    return path


def export_study(
    file: str | PathLike[str], runs: object = (), *, weights: bool = False,
    thumbnails: bool = False, uri: str | None = None,
    outputs: str | PathLike[str] | None = None,
) -> Study:  # fmt: skip
    """Writes predictions, configs, splits and logs of several runs into one file.

    `runs` are those of `compare`; a sweep stands for all its jobs. `weights` adds the models with
    their backbones and Python files of their own, `thumbnails` small pictures of the misclassified
    photos. Raises `InputError`.
    """
    path = checked_archive(file)
    plan = plan_study(runs, weights=weights, thumbnails=thumbnails, uri=uri, outputs=outputs)
    return Study(path, plan.write(path))


def read_study(file: str | PathLike[str]) -> Study:
    """What a file has, after all checks that need no unpacking. Raises `InputError`."""
    path = expand_user(fspath(file), "STUDY.zip").resolve()
    with open_archive(path) as (_, manifest):
        return Study(path, manifest)


def import_study(
    file: str | PathLike[str], *, root: str | PathLike[str] | None = None,
    code: Code | None = None, outputs: str | PathLike[str] | None = None,
) -> list[PlacedRun]:  # fmt: skip
    """Adds the runs of a study to an outputs folder, and returns where they are.

    Nothing that is there is changed; a run that is there already is recognized by its content.
    `root` is the folder of their photos on this machine. `code` is "keep" or "drop", and needed if
    runs were trained with Python files of their own. Raises `InputError` for an archive that is
    damaged or not safe to unpack.
    """
    path = expand_user(fspath(file), "STUDY.zip").resolve()
    outputs_root = outputs_dir(None if outputs is None else fspath(outputs))
    check_writable(outputs_root)
    photos = None if root is None else expand_user(fspath(root), "--root").resolve()
    if photos is not None and not photos.is_dir():
        raise InputError(f"--root {root}: no such folder")
    return import_archive(path, outputs_root, photos, code)
