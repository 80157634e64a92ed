"""One job: an experiment in its own folder, with its log, its lock and its outcome."""

from __future__ import annotations

import json
import logging
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

from fashion_exp.atomic_io import DiskFullError, is_disk_full, write_text
from fashion_exp.configuration.overrides import resume_command, split_override
from fashion_exp.configuration.schema import (
    RESULT_NEUTRAL_OPTIONS,
    Config,
    flatten_options,
    to_plain,
)
from fashion_exp.configuration.stored_config import save_config
from fashion_exp.errors import ExitCode, InputError, Pruned, redact_credentials
from fashion_exp.evaluation.own_code import keep_code
from fashion_exp.evaluation.run_dir import RunDir
from fashion_exp.evaluation.run_paths import save_paths
from fashion_exp.experiment.worker import log_to_file, train_job
from fashion_exp.process import is_distributed
from fashion_exp.signals import raise_if_interrupted

log = logging.getLogger(__name__)

RESOLVED_BY_SWEEP = ("training.threads", "training.precision", "training.device")
"""Options that a sweep sets for its jobs."""
MAX_NAME = 200
UNNAMED_OPTIONS = (
    "model.name", "model.weights", "model.backbone", "outputs", "resume", "extend", "tracking",
    "sweep", "cache", "hydra", "dataset.root", "training.workers", "extensions",
)  # fmt: skip
"""Beginnings of option names that are not part of a job's name."""


def run_job(
    cfg: Config, run: RunDir, overrides: Sequence[str], *, hold_out_test: bool = False,
    raise_errors: bool = False,
) -> ExitCode:  # fmt: skip
    """Runs one experiment in its folder, prints its result, and returns the exit code.

    Failures are saved in `failure.json` and printed in one line, or raised again with
    `raise_errors`; interruptions are always raised. A second process that runs a job in the same
    folder is refused.
    """
    name = job_name(cfg, overrides)
    if not hold_out_test and cfg.resume is None and (same := unfinished_run(cfg, run)) is not None:
        print(
            "an unfinished run has these options; to continue it in place of a new one: "
            f"{resume_command(same.path)}"
        )
    recorded = outcome(run, hold_out_test, raise_errors)
    with run.lock(), log_to_file(run.log_file), recorded as result:
        save_job_config(cfg, run, overrides)
        run.clear_outcome()
        raise_if_interrupted()
        if cfg.training.processes > 1 and not is_distributed():
            from fashion_exp.experiment.distributed import run_in_processes

            run_in_processes(cfg, run, name, hold_out_test)
        else:
            train_job(cfg, run, name, hold_out_test)
    return result.code


def job_name(cfg: Config, overrides: Sequence[str]) -> str:
    """The options that were set and the model: `lr=2e-4 dropout=0.5 resnet50 repeats=3`.

    MLflow's list of runs shows 22 characters of a name, so what differs most comes first: the swept
    options, or else the model; then the other options, those of the data set last.
    """
    swept: list[str] = []
    options: list[str] = []
    data: list[str] = []
    unnamed = UNNAMED_OPTIONS + (RESOLVED_BY_SWEEP if cfg.sweep.swept else ())
    for override in overrides:
        key, value = split_override(override)
        if key == "model.backbones":
            key = "model.name"
        text = f"{key.rpartition('.')[2]}={value}"
        if key in cfg.sweep.swept:
            swept.append(cfg.model.name if key in ("model", "model.name") else text)
        elif key != "model" and not key.startswith(unnamed):
            (data if key.startswith("dataset") else options).append(text)
    return " ".join(dict.fromkeys([*swept, cfg.model.name, *options, *data]))[:MAX_NAME]


def unfinished_run(cfg: Config, run: RunDir) -> RunDir | None:
    """The latest run beside this one that was interrupted, or failed halfway, with options that
    give the same results."""
    options = _deciding(json.loads(_options_text(cfg)))
    for folder in sorted(run.path.parent.glob("*/unfinished"), reverse=True):
        other = RunDir(folder.parent)
        with suppress(InputError):  # `doctor` reports a damaged file
            if (
                other.activity in ("interrupted", "failed")
                and _deciding(other.options()) == options
            ):
                return other
    return None


def _deciding(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: v for name, v in options.items() if name not in RESULT_NEUTRAL_OPTIONS}


def _options_text(cfg: Config) -> str:
    return redact_credentials(json.dumps(dict(flatten_options(to_plain(cfg)))))


def save_job_config(cfg: Config, run: RunDir, overrides: Sequence[str]) -> None:
    """Saves the config, its paths, the overrides as typed, and the options; no passwords.

    A resumed run takes those of a tracking server from MLFLOW_TRACKING_USERNAME and
    MLFLOW_TRACKING_PASSWORD.
    """
    keep_code(cfg, run)
    save_config(cfg, run.config_file)
    save_paths(cfg, run)
    typed = [redact_credentials(override) for override in overrides]
    typed_yaml = yaml.safe_dump(typed, allow_unicode=True, width=10**6)
    write_text(run.overrides_file, typed_yaml)
    write_text(run.path / "options.json", _options_text(cfg))


class Outcome:
    """The exit code of a job, known when its block has ended."""

    code = ExitCode.DONE


@contextmanager
def outcome(run: RunDir, hold_out_test: bool, raise_errors: bool) -> Iterator[Outcome]:
    """Saves how the block fails, prints it or raises it again, and sets the exit code."""
    result = Outcome()

    def report(message: str) -> None:
        if not raise_errors:
            print(f"fashion_exp: {message}", file=sys.stderr)

    try:
        yield result
    except InputError as error:
        report(str(error))
        result.code = ExitCode.INPUT_ERROR
        if hold_out_test or run.has_started:
            save_exception(run, error)
        else:
            shutil.rmtree(run.path)  # nothing was computed yet
            _remove_empty(run.path.parent, run.path.parent.parent)
        if raise_errors:
            raise
    except Pruned as pruned:
        (epochs,) = pruned.args
        print(f"pruned after {epochs} epochs: other jobs were better by then")
        run.save_pruned(epochs)
    except KeyboardInterrupt as error:
        if not hold_out_test:
            error.add_note(f"stopped; to continue: {resume_command(run.path)}")
        raise
    except Exception as error:
        result.code = ExitCode.FAILED
        if is_disk_full(error):
            file = getattr(error, "filename", None) or run.path
            full = error if isinstance(error, DiskFullError) else DiskFullError(file)
            report(str(full))
            with suppress(DiskFullError, OSError):  # there may be no room for this file either
                run.save_exception(error)
        else:
            kind = getattr(error, "kind", type(error).__name__)
            reason, saved = " ".join(str(error).split()), run.path / "failure.json"
            report(f"failed: {kind}: {reason} ({saved})")
            save_exception(run, error)
        if raise_errors:
            raise


def _remove_empty(*folders: Path) -> None:
    """Removes folders that were made for a run that never began, unless they have content."""
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()


def save_exception(run: RunDir, error: Exception) -> None:
    try:
        run.save_exception(error)
    except (DiskFullError, OSError) as second:  # a full disk has no room for this file either
        print(f"fashion_exp: {second}", file=sys.stderr)
    log.debug("failed", exc_info=True)
