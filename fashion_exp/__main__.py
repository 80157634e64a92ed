"""The command line: overrides run an experiment, a first word without `=` is a verb."""

from __future__ import annotations

import atexit
import errno
import importlib
import io
import logging
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from omegaconf import OmegaConf

from fashion_exp.atomic_io import DiskFullError
from fashion_exp.commands.help import help_text
from fashion_exp.configuration.composition import CommandLine, load_config, parse_command_line
from fashion_exp.configuration.hydra_application import answer, run_in
from fashion_exp.configuration.schema import RESULT_NEUTRAL_OPTIONS, flatten_options, to_plain
from fashion_exp.errors import InputError, suggest
from fashion_exp.experiment.distributed import in_team, leads
from fashion_exp.experiment.job import DONE, FAILED, MISTAKE, run_here
from fashion_exp.paths import check_writable, conf_dir, outputs_dir, unique_name
from fashion_exp.signals import Terminated, install_handlers

VERBS = {
    "compare": "which of several runs is better, and whether that may be said",
    "report": "the same as a page with figures",
    "data": "photos collected, checked, grouped, relabelled: data --help",
    "sweep": "the sweeps that there are, and how far one has come: sweep list, sweep status",
    "cache": "what is kept of earlier runs: cache list, cache clear, cache verify",
    "doctor": "what dead processes and older versions have left, and putting it right",
    "ui": "look at the results in MLflow's pages",
}
"""Each is a module of `commands`, with what it does."""

HELP = ("--help", "-h")

_REMEDIES = {
    errno.ENOSPC: "free some space, and the same line goes on",
    errno.EDQUOT: "free some space, and the same line goes on",
    errno.EACCES: "another place for what is written is outputs=FOLDER",
    errno.EROFS: "another place for what is written is outputs=FOLDER",
}
"""For what the system refuses, by its number."""


def main() -> int:
    """Runs what the command line asks for; gives the exit code."""
    arguments = sys.argv[1:]
    install_handlers(signal.SIGTERM, signal.SIGINT)
    logging.captureWarnings(True)  # a library's warning belongs into the run's log
    logging.raiseExceptions = False  # and what the log has no room for, not onto the terminal
    for stream in (sys.stdout, sys.stderr):  # a terminal without some letters is no reason to fail
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        if arguments and arguments[0] in VERBS:
            verb = importlib.import_module(f"fashion_exp.commands.{arguments[0]}")
            return int(verb.run(arguments[1:]))
        if any(argument in HELP for argument in arguments):
            print(help_text(conf_dir(), VERBS), end="")
            return DONE
        _refuse_mistyped_verb(arguments)
        return _run(arguments)
    except InputError as error:
        if leads():  # it concerns all, and one of them tells it
            print(f"fashion_exp: {error}", file=sys.stderr)
        return MISTAKE
    except BrokenPipeError:  # `… | head` has read enough
        return 128 + signal.SIGPIPE
    except DiskFullError as error:
        print(f"fashion_exp: {error}", file=sys.stderr)
        return FAILED
    except OSError as error:
        remedy = _REMEDIES.get(error.errno or 0)
        if remedy is None:
            raise
        where = f"{error.filename}: " if error.filename else ""
        print(f"fashion_exp: {where}{error.strerror}; {remedy}", file=sys.stderr)
        return FAILED
    except Terminated:
        return 128 + signal.SIGTERM
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def _refuse_mistyped_verb(arguments: Sequence[str]) -> None:
    first = arguments[0] if arguments else "-"
    if first[0] not in "-~+" and "=" not in first:
        raise InputError(f"{first}: no such verb; {suggest(first, VERBS)}; a knob is KNOB=VALUE")


def _run(arguments: Sequence[str]) -> int:
    words = [argument for argument in arguments if argument != "--open-test"]
    if in_team():
        words.append(f"training.processes={os.environ['WORLD_SIZE']}")
    line = parse_command_line(words)
    open_test = "--open-test" in arguments or any(job.sweep.open_test for job in line.jobs)
    if open_test and not line.multirun:
        raise InputError("--open-test: acts with --multirun; a single run opens its test itself")
    if line.info_only:
        answer(line.arguments)
        return DONE
    check_writable(outputs_dir(line.jobs[0].outputs))
    if line.multirun:
        if in_team():
            raise InputError(
                "--multirun: torchrun works for single runs; without it, training.processes=N "
                "trains each job of a multirun in N processes"
            )
        from fashion_exp.sweeps.run import run_sweep

        return run_sweep(line, open_test)
    return _run_one(line)


def _run_one(line: CommandLine) -> int:
    cfg = line.jobs[0]
    if cfg.sweep.parent is not None:
        raise InputError("sweep.parent: a sweep sets it for its jobs; use --multirun")
    if cfg.resume is None:
        folder = outputs_dir(cfg.outputs) / "runs" / unique_name(cfg.model.name)
    else:
        line, folder = _resumed(line, Path(cfg.resume).expanduser().resolve())
    if in_team():
        from fashion_exp.training.process_group import join_process_group

        folder = Path(join_process_group().told(str(folder)))
        if not leads():
            run_here(line.jobs[0], folder, cfg.model.name, sealed=False)
            return DONE
    return run_in(folder, line.arguments, sealed=False)


def _resumed(line: CommandLine, folder: Path) -> tuple[CommandLine, Path]:
    """The command line of an interrupted run, with what was typed now after it.

    Raises `InputError` if there is no such run, or if a knob that can change its result differs.
    """
    saved = folder / "config" / "overrides.yaml"
    if not saved.is_file():
        raise InputError(f"resume={folder}: no run's folder; give one of outputs/runs/")
    if (folder / "result.json").exists() and not (folder / "unfinished").exists():
        raise InputError(f"resume={folder}: that run is finished; start another without resume")
    before = load_config(folder / "config" / "config.yaml")
    first = [str(override) for override in OmegaConf.load(saved)]
    line = parse_command_line([*first, *line.arguments])
    then, now = (dict(flatten_options(to_plain(cfg))) for cfg in (before, line.jobs[0]))
    differing = [
        f"{name} was {then[name]}, is {now[name]}"
        for name in then
        if then[name] != now[name] and name not in RESULT_NEUTRAL_OPTIONS
    ]
    if differing:
        raise InputError(f"resume={folder}: another experiment ({'; '.join(differing)})")
    return line, folder


def console() -> None:
    """The installed command."""
    code = main()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(BrokenPipeError):
            stream.flush()
    os._exit(code)  # without taking apart what ends with the process anyway, for seconds


if __name__ == "__main__":
    console()
