"""Arrows between the rooms go one way, and each library has an owner."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "fashion_exp"
MODULES = sorted(PACKAGE.rglob("*.py"))
PARTS = ("data", "models", "training", "stats", "tracking", "reporting")
SHARED = {"configuration", "errors", "seeding", "atomic_io", "cache"}
"""Small modules that every part may use; of config, the types."""

OWNERS = {
    "hydra": {"configuration"},
    "omegaconf": {"__main__", "configuration"},
    "mlflow": {"tracking"},
    "timm": {"models"},
    "albumentations": {"data"},
    "cleanlab": {"tools"},
    "cv2": {"data"},
    "imagehash": {"tools"},
    "matplotlib": {"reporting"},
    "optuna": {"experiment", "sweeps"},
    "protego": {"tools"},
    "ray": {"sweeps"},
    "sklearn": {"tools", "data"},
    "submitit": {"sweeps"},
    "urllib3": {"tools"},
}


def _room(module: Path) -> str:
    relative = module.relative_to(PACKAGE)
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


def _imports(module: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module.name}: relative import"
            names.add(str(node.module))
    return names


def test_the_modules_are_seen() -> None:
    assert len(MODULES) > 50 and {_room(m) for m in MODULES} >= {*PARTS, "experiment", "commands"}


@pytest.mark.parametrize("module", MODULES, ids=lambda m: str(m.relative_to(PACKAGE)))
def test_a_part_knows_no_other_part(module: Path) -> None:
    if _room(module) not in PARTS:
        return
    ours = {name.split(".")[1] for name in _imports(module) if name.startswith("fashion_exp.")}
    assert ours <= SHARED | {_room(module)}


@pytest.mark.parametrize("library", OWNERS)
def test_a_library_is_used_by_its_owner_alone(library: str) -> None:
    users = {_room(m) for m in MODULES if any(n.split(".")[0] == library for n in _imports(m))}
    assert users and users <= OWNERS[library]


def test_training_and_stats_know_no_config_and_no_tracker() -> None:
    rooms = [m for m in MODULES if _room(m) in ("training", "stats")]
    known = {name for module in rooms for name in _imports(module)}
    assert rooms and "fashion_exp.configuration.schema" not in known
    assert not {name.split(".")[0] for name in known} & {"pandas", "pathlib", "mlflow", "omegaconf"}


def test_the_experiment_is_known_to_none_of_its_parts() -> None:
    knowing = {_room(m) for m in MODULES if "fashion_exp.experiment.experiment" in _imports(m)}
    assert knowing == {"experiment", "sweeps"}
