"""Reads and executes the Python files of `extensions`."""

from __future__ import annotations

import hashlib
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType

from fashion_exp.errors import InputError, os_error_reason, suggest
from fashion_exp.extensions import registry
from fashion_exp.extensions.registry import Pieces
from fashion_exp.paths import expand_user


@dataclass(frozen=True)
class CodeFile:
    """A Python file of the user's, as it was read."""

    path: Path
    """Absolute."""
    content: bytes

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


def read_code(paths: Sequence[str]) -> tuple[CodeFile, ...]:
    """Raises `InputError` for a file that cannot be read or that is named twice."""
    files: dict[Path, CodeFile] = {}
    for text in paths:
        path = expand_user(text, "extensions").resolve()
        if not path.is_file():
            near = sorted(p.name for p in path.parent.glob("*.py")) if path.parent.is_dir() else []
            hint = suggest(path.name, near) or "give the path of a Python file"
            raise InputError(f"extensions={text}: no such file; {hint}")
        if path in files:
            raise InputError(f"extensions={text}: the file is named twice; name it once")
        try:
            files[path] = CodeFile(path, path.read_bytes())
        except OSError as error:
            raise InputError(f"extensions={text}: {os_error_reason(error)}") from None
    return tuple(files.values())


def use_code(files: Sequence[CodeFile]) -> None:
    """Puts what these files register in force, and nothing else.

    Raises `InputError` if a file fails, registers nothing, or repeats a name of another file.
    """
    key = tuple(file.sha256 for file in files)
    if key not in _loaded:
        _loaded[key] = _load(files)
    registry.put_in_force(_loaded[key])


_loaded: dict[tuple[str, ...], Pieces] = {(): Pieces()}
"""By the hashes of the files: each is executed once in a process."""


def _load(files: Sequence[CodeFile]) -> Pieces:
    hashes = sorted(file.sha256 for file in files)
    pieces = Pieces(hashlib.sha256(" ".join(hashes).encode()).hexdigest()[:16])
    for file in files:
        before = len(pieces.files)
        registry.collect(pieces, _name_of(file, files))
        try:
            _execute(file)
        finally:
            registry.collect(None, "")
        if len(pieces.files) == before:
            raise InputError(
                f"extensions: {file.path.name} registers nothing; put @fashion_exp.register_loss "
                "or another register_… before a function"
            )
    return pieces


def _name_of(file: CodeFile, files: Sequence[CodeFile]) -> str:
    """Its name, or its path if another file has the same name."""
    names = [other.path.name for other in files]
    return file.path.name if names.count(file.path.name) == 1 else str(file.path)


def _execute(file: CodeFile) -> None:
    name = f"fashion_exp_own_{file.sha256[:16]}"
    module = ModuleType(name)
    module.__file__ = str(file.path)
    sys.modules[name] = module  # dataclasses and pickle look it up
    try:
        exec(compile(file.content, str(file.path), "exec"), vars(module))
    except InputError:
        raise
    except (Exception, SystemExit) as error:  # whatever the user's code raises
        kind, reason = type(error).__name__, " ".join(str(error).split())
        message = f"extensions: {file.path.name}{_line_of(error, file)}: {kind}: {reason}"
        if isinstance(error, ImportError):
            message += "; the file is copied into the run, so it may import installed packages only"
        raise InputError(message) from None


def _line_of(error: BaseException, file: CodeFile) -> str:
    """The last line of the file that the error passed through."""
    if isinstance(error, SyntaxError):
        return f", line {error.lineno}" if error.lineno else ""
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == str(file.path)
    ]
    return f", line {lines[-1]}" if lines else ""
