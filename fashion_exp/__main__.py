"""The command line: a subcommand, or else Hydra's overrides of an experiment."""

from __future__ import annotations

import signal

if __name__ == "__main__" and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C during the imports: no traceback

import atexit
import errno
import gc
import importlib
import logging
import os
import sys
from collections.abc import Sequence

from fashion_exp.atomic_io import DISK_FULL_ERRNOS, DISK_FULL_REMEDY
from fashion_exp.commands.help import (
    COMPLETION_SWITCHES,
    SUBCOMMANDS,
    group_help,
    help_text,
    suggest_word,
)
from fashion_exp.configuration.choices import groups
from fashion_exp.errors import ExitCode, FailedError, InputError, printable_line
from fashion_exp.experiment.arguments import parse_arguments, run_dir_of
from fashion_exp.experiment.job import job_name, run_job
from fashion_exp.experiment.worker import train_job
from fashion_exp.paths import check_homes, package_version
from fashion_exp.process import (
    is_distributed,
    is_main_process,
    lost_output,
    protect_streams,
    use_utf8,
)
from fashion_exp.signals import Terminated, install_handlers

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
        check_first_word(arguments)
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
        if cfg.recipe.name is not None:
            from fashion_exp.recipes.run import run_recipe

            return run_recipe(line)
        run = run_dir_of(cfg)
        if is_distributed() and not is_main_process():
            train_job(cfg, run, job_name(cfg, overrides), hold_out_test=False)
            return ExitCode.DONE
        return run_job(cfg, run, overrides)
    except BaseException as error:
        return exit_code_of(error)


def information(arguments: Sequence[str]) -> str | None:
    """The output of a switch that runs nothing, such as --help; None without such a switch."""
    if "--help" in arguments or "-h" in arguments:
        names = [name for word in arguments if (name := word.partition("=")[0]) in groups()]
        return "\n\n".join(f"{group_help(name)}\n" for name in names) or help_text()
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
    gc.set_threshold(50_000, 20, 20)  # rarer: imports leave no garbage, and looking takes time


def check_first_word(arguments: Sequence[str]) -> None:
    """Raises `InputError` if it is neither a subcommand nor an argument of an experiment."""
    first = arguments[0] if arguments else "-"
    if first and not first.startswith(("-", "~", "+")) and "=" not in first:
        raise InputError(f"{first}: neither a subcommand nor OPTION=VALUE; {suggest_word(first)}")


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
        case FailedError():
            print(f"fashion_exp: {printable_line(str(error))}", file=sys.stderr)
            return ExitCode.FAILED
        case OSError(errno=number) if number in _REMEDIES:
            path = f"{error.filename}: " if error.filename else ""
            remedy = _REMEDIES[number]
            print(f"fashion_exp: {path}{error.strerror}; {remedy}", file=sys.stderr)
            return ExitCode.FAILED
        case KeyboardInterrupt():
            # A note says how to continue.
            print("\n" + "\n".join(getattr(error, "__notes__", ["stopped"])), file=sys.stderr)
            return 128 + (signal.SIGTERM if isinstance(error, Terminated) else signal.SIGINT)
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
