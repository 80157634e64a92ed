"""Where the files that a run reads are: as typed, absolute, and as seen from the run's folder.

A relative path in a config belongs to the working directory in which the run was started.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from fashion_exp.atomic_io import read_json, write_json
from fashion_exp.configuration.schema import PATH_OPTIONS, Config
from fashion_exp.evaluation.run_dir import RunDir
from fashion_exp.paths import outputs_id, outputs_of

_BACKBONE = "model.backbone_weights."
"""Before the name of the network: each of these weights is a path by itself."""


def save_paths(cfg: Config, run: RunDir) -> None:
    """Saves the absolute path of every option that names an existing file or folder."""
    paths = {}
    for option, value in _path_values(resolve_paths(cfg, run)):
        path = Path(os.path.abspath(Path(value).expanduser()))
        if path.exists():
            from_run = os.path.relpath(path, run.path)
            paths[option] = {"absolute": str(path), "from_run": from_run}
    write_json(run.paths_file, paths)


def resolve_paths(cfg: Config, run: RunDir) -> Config:
    """The config with each path where its file is now, and the outputs folder that the run is in.

    A path stays as typed if it is still the file that the run read, or if nothing better exists.
    """
    if (outputs := outputs_of(run.path)) is not None:
        cfg = replace(cfg, outputs=str(outputs))
    if not run.paths_file.is_file():
        return cfg
    saved = read_json(run.paths_file)
    for option, value in _path_values(cfg):
        group, name = option.split(".", 1)
        path: Any = _existing(value, saved.get(option), run.path)
        if option.startswith(_BACKBONE):
            weights = cfg.model.backbone_weights | {option.removeprefix(_BACKBONE): path}
            group, name, path = "model", "backbone_weights", weights
        cfg = replace(cfg, **{group: replace(getattr(cfg, group), **{name: path})})
    return cfg


def was_begun_here(run: RunDir) -> bool:
    """Whether the run was begun in the outputs folder that it is in, and not copied from elsewhere:
    then its files decide which server is contacted, and its code is executed."""
    outputs = outputs_of(run.path)
    own = outputs_id(outputs) if outputs is not None else ""
    if not own or not run.tracked_file.exists():
        return False
    return str(read_json(run.tracked_file).get("begun_as", "")).startswith(f"{own}-")


def _path_values(cfg: Config) -> Iterator[tuple[str, str]]:
    for option, keywords in PATH_OPTIONS.items():
        group, name = option.split(".")
        value = getattr(getattr(cfg, group), name)
        if value is not None and value not in keywords:
            yield option, value
    for network, value in cfg.model.backbone_weights.items():
        if value not in PATH_OPTIONS["model.weights"]:
            yield f"{_BACKBONE}{network}", value


def _existing(typed: str, saved: object, run: Path) -> str:
    if not isinstance(saved, dict):
        return typed
    absolute, from_run = (Path(str(saved.get(key, ""))) for key in ("absolute", "from_run"))
    here = Path(os.path.abspath(Path(typed).expanduser()))
    if here == absolute and here.exists():
        return typed
    moved = Path(os.path.normpath(run / from_run))
    return next((str(path) for path in (absolute, here, moved) if path.exists()), typed)
