"""The user's Python files in a run's folder: copied there, and executed when the run is used."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from fashion_exp.atomic_io import atomic_write, read_json, write_json
from fashion_exp.configuration.schema import Config
from fashion_exp.errors import InputError
from fashion_exp.evaluation.run_dir import RunDir
from fashion_exp.evaluation.run_paths import was_begun_here
from fashion_exp.extensions.files import CodeFile, read_code, use_code
from fashion_exp.paths import is_in_outputs, outputs_of

log = logging.getLogger(__name__)

CODE_FOLDER = "extensions"
"""Of a run's folder: the copies."""
RUN_CODE = "FASHION_EXP_RUN_CODE"
"""Environment variable: 1 executes the code of runs from other machines and folders."""


def keep_code(cfg: Config, run: RunDir) -> None:
    """Copies the files of `extensions` into the folder of a run, unless it has copies already; for
    a run to extend, as it was trained with them. Raises `InputError`."""
    if _list_file(run).exists():
        return
    files = (
        read_code(cfg.extensions) if cfg.extend is None else _originals(RunDir(Path(cfg.extend)))
    )
    store_code(files, run)


def _originals(run: RunDir) -> list[CodeFile]:
    """The files of a run at the paths that they were copied from, as they were then."""
    return [CodeFile(path, file.content) for file, path in _stored(run)]


def repeat_code(origin: RunDir, run: RunDir) -> None:
    """Puts the code of a finished run in force, and copies it to a run that repeats its trainings.

    Raises `InputError` as `use_run_code`.
    """
    use_run_code(origin)
    store_code(_originals(origin), run)


def store_code(files: Sequence[CodeFile], run: RunDir) -> None:
    """Copies the files into the folder of a run, unless it has copies already.

    Raises `InputError` if it has copies of others, which would be executed in their place: the
    folder of a job may be from an imported sweep.
    """
    if [file.sha256 for file, _ in _stored(run)] not in ([], [file.sha256 for file in files]):
        raise InputError(
            f"{run.path}: has the code of other files in {CODE_FOLDER}; delete the folder to train "
            "with the files that were named"
        )
    if not files or _list_file(run).exists():
        return
    entries: list[dict[str, str]] = []
    for file in files:
        names = [entry["copy"] for entry in entries]
        number = 2
        name = file.path.name
        while name in names:  # files of one name from several folders
            name, number = f"{file.path.stem}-{number}{file.path.suffix}", number + 1
        with atomic_write(run.path / CODE_FOLDER / name) as draft:
            draft.write_bytes(file.content)
        entries.append({"copy": name, "path": str(file.path), "sha256": file.sha256})
    write_json(_list_file(run), {"files": entries})  # last: it says that the copies are complete


def _list_file(run: RunDir) -> Path:
    return run.path / "config" / "extensions.json"


def _stored(run: RunDir) -> list[tuple[CodeFile, Path]]:
    """Each copy with the path that it was copied from. Raises `InputError` for a changed copy."""
    if not _list_file(run).exists():
        return []
    files = []
    for entry in read_json(_list_file(run))["files"]:
        copy = run.path / CODE_FOLDER / Path(str(entry["copy"])).name
        (file,) = read_code([str(copy)])
        if file.sha256 != entry["sha256"]:
            raise InputError(
                f"{copy}: changed since the run was trained with it; restore the file, whose "
                f"SHA-256 was {entry['sha256']}"
            )
        files.append((file, Path(str(entry["path"]))))
    return files


def code_files(run: RunDir) -> list[tuple[Path, str]]:
    """The copies and their list, each with its place in the run's folder; none without code.

    Raises `InputError` for a changed copy.
    """
    files = [file.path for file, _ in _stored(run)]
    files += [_list_file(run)] if files else []
    return [(file, file.relative_to(run.path.resolve()).as_posix()) for file in files]


def check_foreign_code(run: RunDir) -> None:
    """Raises `InputError` for a copy that is not the one of the list, and for an original outside:
    a file of this machine must not be what says that the code is the user's."""
    for file, original in _stored(run):
        if original.is_absolute():
            raise InputError(f"{file.path.name}: copied from {original}; it was altered")


def use_training_code(cfg: Config, run: RunDir) -> None:
    """Puts the code of a run that is trained in force: its copies, or else the files of its config.

    Raises `InputError`.
    """
    stored = _stored(run)
    for file, original in stored:
        if original.is_file() and not _is_same(file, original):
            log.warning(
                "extensions: %s has changed since this run was started, which continues with its "
                "copy in %s; start a new run to use the changed file",
                original.name, file.path.parent,
            )  # fmt: skip
    use_code([file for file, _ in stored] or read_code(cfg.extensions))


def use_run_code(run: RunDir, named: Sequence[str] = ()) -> None:
    """Puts the code of a finished or interrupted run in force: the copies in its folder.

    The folder is untrusted. Its code is executed only if the run was started in this outputs
    folder, if the original files are unchanged, or if the user allows it by an environment
    variable. Otherwise raises `InputError`; also if the config has `named` files without copies in
    the folder, because other files of these names would be executed.
    """
    stored = _stored(run)
    if named and not stored:
        raise InputError(
            f"{run.path}: was trained with {', '.join(named)}, and has no copy of that code; start "
            "a new run"
        )
    if stored and not (
        os.environ.get(RUN_CODE) == "1"
        or was_begun_here(run)
        or all(_is_users_file(file, original, run) for file, original in stored)
    ):
        copies = ", ".join(str(file.path) for file, _ in stored)
        raise InputError(
            f"{run.path}: needs code of its own, and is from another machine or folder; read "
            f"{copies}, and set {RUN_CODE}=1 to execute it"
        )
    for file, original in stored:
        if original.is_file() and not _is_same(file, original):
            log.info(
                "extensions: %s has changed since this run; its copy in the run is used",
                original.name,
            )
    use_code([file for file, _ in stored])


def _is_users_file(file: CodeFile, original: Path, run: RunDir) -> bool:
    """Whether the file that was copied is still there. What is among runs may have come with them,
    and be the copy itself."""
    try:
        path, outputs = original.resolve(), outputs_of(run.path)
        is_users = original.is_absolute() and not (
            is_in_outputs(path)
            or path.is_relative_to(run.path.resolve())
            or (outputs is not None and path.is_relative_to(outputs.resolve()))
        )
    except OSError:  # a circle of links, or a folder that may not be read
        return False
    return is_users and _is_same(file, original)


def _is_same(file: CodeFile, original: Path) -> bool:
    try:
        return original.read_bytes() == file.content
    except OSError:
        return False
