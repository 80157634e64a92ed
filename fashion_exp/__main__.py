"""The command line: a subcommand, or else Hydra's overrides of an experiment."""

from __future__ import annotations

import atexit
import errno
import importlib
import logging
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fashion_exp.atomic_io import DISK_FULL_ERRNOS, DISK_FULL_REMEDY, DiskFullError
from fashion_exp.commands.help import (
    COMPLETION_SWITCHES,
    SUBCOMMANDS,
    group_help,
    help_text,
    suggest_word,
)
from fashion_exp.configuration.choices import groups
from fashion_exp.configuration.composition import CommandLine, parse_command_line
from fashion_exp.configuration.machine import check_machine
from fashion_exp.configuration.overrides import (
    is_hydra_option,
    parse_overrides,
    quote_if_needed,
    split_override,
)
from fashion_exp.configuration.schema import Config
from fashion_exp.configuration.stored_config import result_changes, resume_config
from fashion_exp.errors import ExitCode, InputError, printable_line
from fashion_exp.evaluation.run_dir import RunDir
from fashion_exp.experiment.job import job_name, run_job
from fashion_exp.experiment.worker import train_job
from fashion_exp.paths import (
    check_homes,
    check_writable,
    expand_user,
    outputs_dir,
    outputs_of,
    package_version,
    unique_name,
)
from fashion_exp.process import (
    is_distributed,
    is_main_process,
    lost_output,
    protect_streams,
    use_utf8,
)
from fashion_exp.signals import Terminated, install_handlers

EVALUATE_TEST = ("--evaluate-test", "--open-test")
"""The switch, and its name in earlier versions."""

_REMEDIES = {
    **dict.fromkeys(DISK_FULL_ERRNOS, DISK_FULL_REMEDY),
    errno.EACCES: "change its permissions, or choose another folder",
    errno.EROFS: "choose another folder",
}


def main() -> int:
    """Runs the command in `sys.argv` and returns the exit code."""
    arguments = sys.argv[1:]
    configure_process()
    try:
        if arguments and arguments[0] in SUBCOMMANDS:
            check_homes(arguments[1:])
            command = importlib.import_module(f"fashion_exp.commands.{arguments[0]}")
            return code_of_printing(int(command.run(arguments[1:])))
        if (text := information(arguments)) is not None:
            print(text, end="")
            return code_of_printing()
        line = parse_arguments(arguments)
        if line.printed:
            print(line.printed, end="")
            return code_of_printing()
        if line.info_only:
            from fashion_exp.configuration.hydra_switches import print_info

            print_info(line.arguments)
            return code_of_printing()
        if line.multirun:
            from fashion_exp.sweeps.run import run_sweep

            return run_sweep(line, line.jobs[0].sweep.evaluate_test)
        (cfg,), (overrides,) = line.jobs, line.job_overrides
        run = run_dir_of(cfg)
        if is_distributed() and not is_main_process():
            train_job(cfg, run, job_name(cfg, overrides), hold_out_test=False)
            return ExitCode.DONE
        return run_job(cfg, run, overrides)
    except BaseException as error:
        return exit_code_of(error)


def information(arguments: Sequence[str]) -> str | None:
    """What a switch of ours prints that runs nothing; None if there is none."""
    if "--help" in arguments or "-h" in arguments:
        asked = [name for word in arguments if (name := word.partition("=")[0]) in groups()]
        return "\n\n".join(f"{group_help(name)}\n" for name in asked) or help_text()
    if "--version" in arguments:
        return f"fashion_exp {package_version()}\n"
    if arguments and arguments[0] in COMPLETION_SWITCHES:
        from fashion_exp.commands.completion import answer

        return answer(" ".join(arguments[1:]))
    return None


def configure_process() -> None:
    install_handlers(signal.SIGTERM, signal.SIGINT)
    logging.captureWarnings(True)  # libraries' warnings belong in the run's log
    logging.raiseExceptions = False  # a log on a full disk must not print tracebacks


def parse_arguments(arguments: Sequence[str]) -> CommandLine:
    """The command line of an experiment or a multirun. Raises `InputError` for any mistake."""
    if "" in arguments:
        raise InputError("empty argument: is a variable of the shell unset?")
    first = arguments[0] if arguments else "-"
    if not first.startswith(("-", "~", "+")) and "=" not in first:
        raise InputError(f"{first}: neither a subcommand nor OPTION=VALUE; {suggest_word(first)}")
    evaluate_test = any(switch in arguments for switch in EVALUATE_TEST)
    texts = [text for text in arguments if text not in EVALUATE_TEST]
    texts += ["sweep.evaluate_test=true"] * evaluate_test
    if is_distributed():
        texts.append(f"training.processes={os.environ['WORLD_SIZE']}")
    run = run_to_resume(texts)
    line = parse_command_line(texts) if run is None else resumed(run, texts)
    if line.info_only:
        return line
    cfg = line.jobs[0]
    if cfg.resume is not None and run is None and not line.multirun:
        raise InputError(f"resume={cfg.resume}: write it without switches, but for --config-dir=…")
    if any(job.sweep.evaluate_test for job in line.jobs) and not line.multirun:
        raise InputError(
            "--evaluate-test needs --multirun; a single run always evaluates its test set"
        )
    if line.multirun and is_distributed():
        raise InputError(
            "--multirun cannot be started by torchrun; without torchrun, training.processes=N "
            "trains each job in N processes"
        )
    if not line.multirun:
        check_machine(cfg)
    check_writable(outputs_dir(cfg.outputs))
    return line


def run_dir_of(cfg: Config) -> RunDir:
    """The folder of a single run: a new one, or the one to resume."""
    if cfg.resume is not None:
        return RunDir(expand_user(cfg.resume, "resume").resolve())
    folder = str(outputs_dir(cfg.outputs) / "runs" / unique_name(cfg.model.name))
    if is_distributed():
        from fashion_exp.training.process_group import join_process_group

        folder = join_process_group().broadcast(folder)
    return RunDir(Path(folder))


def run_to_resume(arguments: Sequence[str]) -> RunDir | None:
    """The run of `resume=FOLDER`, if the arguments are those of a single run."""
    if any(text.startswith("-") and not text.startswith("--config-dir") for text in arguments):
        return None
    folders = [text for text in arguments if split_override(text)[0] == "resume"]
    values = [o.value() for o in parse_overrides([quote_if_needed(t) for t in folders[-1:]])]
    return RunDir(expand_user(values[0], "resume").resolve()) if values and values[0] else None


def resumed(run: RunDir, arguments: Sequence[str]) -> CommandLine:
    """The command line of an interrupted run, changed by what was typed now.

    Raises `InputError` if there is no such run, or if an option that can change its result differs.
    """
    if not run.overrides_file.is_file():
        raise InputError(f"resume={run.path}: not the folder of a run; choose one in outputs/runs/")
    if run.is_finished:
        raise InputError(f"resume={run.path}: this run is finished; start a new one without resume")
    stored = [text for text in run.overrides() if not is_hydra_option(text)]
    typed = [text for text in arguments if not text.startswith("-")]
    cfg = resume_config(run.config_file, stored, typed)
    differences = result_changes(run.config_file, cfg)
    if differences:
        raise InputError(
            f"resume={run.path}: started with other options ({'; '.join(differences)})"
        )
    typed = [text for text in typed if split_override(text)[0] != "resume"]
    if not any(split_override(text)[0] == "tracking.uri" for text in typed):
        refuse_missing_database(cfg)
    if not any(split_override(text)[0] == "outputs" for text in typed):
        outputs = outputs_of(run.path)  # it may have been moved since
        cfg = replace(cfg, outputs=str(outputs) if outputs else None)
    cfg = replace(cfg, resume=str(run.path))
    return CommandLine(
        jobs=(cfg,),
        multirun=False,
        info_only=False,
        arguments=tuple(arguments),
        job_overrides=((*stored, *typed),),
    )


def refuse_missing_database(cfg: Config) -> None:
    """Raises `InputError` if the database that a stored run names is not there.

    The folder may come from somebody else: no file is created where its config says.
    """
    from fashion_exp.tracking.urls import database_file

    database = database_file(cfg.tracking.uri or "")
    if database is not None and not database.exists():
        raise InputError(
            f"resume={cfg.resume}: its tracking.uri={cfg.tracking.uri} does not exist here; add "
            "tracking.uri=… or tracking=none to the command"
        )


def exit_code_of(error: BaseException) -> int:
    """Prints an error that the user can act on, and returns its exit code; raises all others."""
    match error:
        case InputError():
            if is_main_process():  # all processes have the same error
                print(f"fashion_exp: {error}", file=sys.stderr)
            return ExitCode.INPUT_ERROR
        case OSError(errno=errno.ENAMETOOLONG, filename=name):
            message = printable_line(f"fashion_exp: {name}: the name is too long for a file")
            print(message, file=sys.stderr)
            return ExitCode.INPUT_ERROR
        case DiskFullError():
            print(f"fashion_exp: {error}", file=sys.stderr)
            return ExitCode.FAILED
        case OSError(errno=number) if number in _REMEDIES:
            path = f"{error.filename}: " if error.filename else ""
            remedy = _REMEDIES[number]
            print(f"fashion_exp: {path}{error.strerror}; {remedy}", file=sys.stderr)
            return ExitCode.FAILED
        case Terminated():
            return 128 + signal.SIGTERM
        case KeyboardInterrupt():
            return 128 + signal.SIGINT
    raise error


def code_of_printing(code: int = ExitCode.DONE) -> int:
    """The exit code of a command whose result is what it prints."""
    return ExitCode.FAILED if code == ExitCode.DONE and lost_output() else code


def console() -> None:
    """The installed command."""
    use_utf8()
    protect_streams()
    code = main()
    if error := lost_output():
        print(f"fashion_exp: standard output: {error.strerror}; text was lost", file=sys.stderr)
    exit_without_teardown(code)


def exit_without_teardown(code: int) -> None:
    """Exits at once: freeing what ends with the process anyway takes seconds."""
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    console()
