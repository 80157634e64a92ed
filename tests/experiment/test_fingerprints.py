"""Fingerprints depend on every source file that can change a result."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from fashion_exp.experiment import features, fingerprints
from fashion_exp.paths import PACKAGE

HARMLESS = {
    "errors.py": "messages",
    "atomic_io.py": "how files are written",
    "paths.py": "where files are",
    "process.py": "checked by training.threads and training.processes",
    "signals.py": "interruptions",
    "experiment/run_time.py": "a warning",
    "configuration": "the options themselves are part of the fingerprint",
    "evaluation/run_dir.py": "names of files",
    "cache": "stores return what was put into them",
    "tracking": "records results",
    "reporting": "shows results",
    "data/pixels.py": "the key of the pixels is part of the fingerprint",
    "data/split.py": "the images of each part are part of the fingerprint",
    "data/table.py": "the images of each part are part of the fingerprint",
    "data/parallel.py": "returns results in the order of the items",
    "experiment/divergence.py": "stops a training, and nothing else",
    "experiment/extend.py": "continues a training only where its fingerprint is the same",
    "experiment/pruning.py": "stops a training, and nothing else",
}
"""Modules that cannot change a number, with the reason."""


def modules(dependency: str) -> list[Path]:
    path = PACKAGE / dependency
    return sorted(path.rglob("*.py")) if path.is_dir() else [path]


def imported_modules(file: Path) -> Iterator[Path]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fashion_exp."):
            base = PACKAGE.joinpath(*str(node.module).split(".")[1:])
            for alias in node.names:
                for candidate in (base / f"{alias.name}.py", base.with_suffix(".py")):
                    if candidate.is_file():
                        yield candidate
                        break


@pytest.mark.parametrize(
    "dependencies", [fingerprints.SOURCE_DEPENDENCIES, features.SOURCE_DEPENDENCIES]
)
def test_source_dependencies_are_closed_under_imports(dependencies: Sequence[str]) -> None:
    listed = {module for dependency in dependencies for module in modules(dependency)}
    harmless = {module for name in HARMLESS for module in modules(name)}
    assert listed and all(module.is_file() for module in listed | harmless)
    missing = {
        f"{module.relative_to(PACKAGE)} imports {imported.relative_to(PACKAGE)}"
        for module in listed
        for imported in imported_modules(module)
        if imported not in listed | harmless
    }
    assert not missing
