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
from pathlib import Path

from fashion_exp.atomic_io import DiskFullError
from fashion_exp.commands.help import (
    COMPLETION_SWITCHES,
    SUBCOMMANDS,
    group_help,
    help_text,
    suggest_word,
)
from fashion_exp.configuration.choices import groups
from fashion_exp.configuration.composition import CommandLine, load_config, parse_command_line
from fashion_exp.configuration.machine import check_machine
from fashion_exp.configuration.schema import RESULT_NEUTRAL_OPTIONS, flatten_options, to_plain
from fashion_exp.errors import ExitCode, InputError
from fashion_exp.evaluation.run_dir import RunDir
from fashion_exp.experiment.job import job_name, run_job
from fashion_exp.experiment.worker import train_job
from fashion_exp.paths import check_homes, check_writable, outputs_dir, package_version, unique_name
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
    errno.ENOSPC: "free some space and run the same command again",
    errno.EDQUOT: "free some space and run the same command again",
    errno.EACCES: "choose another folder with outputs=FOLDER",
    errno.EROFS: "choose another folder with outputs=FOLDER",
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
        line, run = run_dir_of(line)
        (cfg,), (overrides,) = line.jobs, line.job_overrides
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
    line = parse_command_line(texts)
    if line.info_only:
        return line
    cfg = line.jobs[0]
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


def run_dir_of(line: CommandLine) -> tuple[CommandLine, RunDir]:
    """The folder of a single run: a new one, or the one to resume with its own overrides."""
    cfg = line.jobs[0]
    if cfg.resume is not None:
        return resumed(line, RunDir(Path(cfg.resume).expanduser().resolve()))
    folder = str(outputs_dir(cfg.outputs) / "runs" / unique_name(cfg.model.name))
    if is_distributed():
        from fashion_exp.training.process_group import join_process_group

        folder = join_process_group().broadcast(folder)
    return line, RunDir(Path(folder))


def resumed(line: CommandLine, run: RunDir) -> tuple[CommandLine, RunDir]:
    """The command line of an interrupted run, followed by what was typed now.

    Raises `InputError` if there is no such run, or if an option that can change its result differs.
    """
    if not run.overrides_file.is_file():
        raise InputError(f"resume={run.path}: not the folder of a run; choose one in outputs/runs/")
    if run.is_finished:
        raise InputError(f"resume={run.path}: this run is finished; start a new one without resume")
    earlier = load_config(run.config_file)
    line = parse_command_line([*run.overrides(), *line.arguments])
    before, now = (dict(flatten_options(to_plain(cfg))) for cfg in (earlier, line.jobs[0]))
    differences = [
        f"{option} was {before[option]}, is now {now[option]}"
        for option in before
        if before[option] != now[option] and option not in RESULT_NEUTRAL_OPTIONS
    ]
    if differences:
        raise InputError(
            f"resume={run.path}: started with other options ({'; '.join(differences)})"
        )
    return line, run


def exit_code_of(error: BaseException) -> int:
    """Prints an error that the user can act on, and returns its exit code; raises all others."""
    match error:
        case InputError():
            if is_main_process():  # all processes have the same error
                print(f"fashion_exp: {error}", file=sys.stderr)
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
