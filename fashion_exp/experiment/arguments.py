"""The arguments of an experiment, as typed on the command line or passed to `fashion_exp.run`."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from fashion_exp.comparison.find_runs import find_run
from fashion_exp.configuration.composition import CommandLine, parse_command_line
from fashion_exp.configuration.machine import check_machine
from fashion_exp.configuration.overrides import (
    is_hydra_option,
    parse_overrides,
    quote_if_needed,
    split_override,
)
from fashion_exp.configuration.schema import Config
from fashion_exp.configuration.stored_config import load_config, result_changes, resume_config
from fashion_exp.errors import InputError, redact_credentials
from fashion_exp.evaluation.own_code import use_run_code
from fashion_exp.evaluation.run_dir import RunDir
from fashion_exp.evaluation.run_paths import was_begun_here
from fashion_exp.paths import check_writable, expand_user, outputs_dir, outputs_of, unique_name
from fashion_exp.process import is_distributed

EVALUATE_TEST = ("--evaluate-test", "--open-test")
"""The switch, and its name in earlier versions."""


def parse_arguments(arguments: Sequence[str]) -> CommandLine:
    """The command line of an experiment or a multirun. Raises `InputError` for any mistake."""
    arguments = _with_outputs_option(arguments)
    if "" in arguments:
        raise InputError("empty argument: is a variable of the shell unset?")
    evaluate_test = any(switch in arguments for switch in EVALUATE_TEST)
    texts = [text for text in arguments if text not in EVALUATE_TEST]
    texts += ["sweep.evaluate_test=true"] * evaluate_test
    if is_distributed():
        texts.append(f"training.processes={os.environ['WORLD_SIZE']}")
    run, longer = run_of("resume", texts), run_of("extend", texts)
    if run and longer:
        raise InputError(
            f"extend={longer.path}: has no effect beside resume, which continues an extended run"
        )
    if longer is not None:
        line, run = extended(longer, texts), longer
    else:
        line = parse_command_line(texts) if run is None else resumed(run, texts)
    if line.info_only:
        return line
    cfg = line.jobs[0]
    for option, value in {"resume": cfg.resume, "extend": cfg.extend}.items():
        if value is not None and run is None:
            raise InputError(
                f"{option}={value}: for single runs, and without switches but for --config-dir=…"
            )
    if any(job.sweep.evaluate_test for job in line.jobs) and not line.multirun:
        raise InputError(
            "--evaluate-test needs --multirun; a single run always evaluates its test set"
        )
    if line.multirun and any(job.recipe.name is not None for job in line.jobs):
        raise InputError("recipe: is several runs by itself; run it without --multirun")
    if line.multirun and is_distributed():
        raise InputError(
            "--multirun cannot be started by torchrun; without torchrun, training.processes=N "
            "trains each job in N processes"
        )
    if not line.multirun:
        check_machine(cfg)
    check_writable(outputs_dir(cfg.outputs))
    if run is not None:
        use_run_code(run, cfg.extensions)  # the folder may have code that its config does not name
    elif any(job.extensions for job in line.jobs):
        from fashion_exp.experiment.own_pieces import check_extensions  # PyTorch, timm

        check_extensions(line.jobs)
    return line


def _with_outputs_option(arguments: Sequence[str]) -> list[str]:
    """`--outputs FOLDER` is the option that a subcommand has for outputs=FOLDER."""
    words = list(arguments)
    while "--outputs" in words:
        index = words.index("--outputs")
        if index + 1 == len(words):
            raise InputError("--outputs: write outputs=FOLDER")
        words[index : index + 2] = [f"outputs={words[index + 1]}"]
    return [word.removeprefix("--") if word.startswith("--outputs=") else word for word in words]


def run_dir_of(cfg: Config) -> RunDir:
    """The folder of a single run: a new one, or the one to resume."""
    if cfg.resume is not None:
        return RunDir(expand_user(cfg.resume, "resume").resolve())
    folder = str(outputs_dir(cfg.outputs) / "runs" / unique_name(cfg.model.name))
    if is_distributed():
        from fashion_exp.training.process_group import join_process_group

        folder = join_process_group().broadcast(folder)
    return RunDir(Path(folder))


def run_of(option: str, arguments: Sequence[str]) -> RunDir | None:
    """The run of `resume=RUN` or `extend=RUN`, a folder or a name, if the arguments are those of a
    single run.

    Raises `InputError` if the name means no run or several.
    """
    if any(text.startswith("-") and not text.startswith("--config-dir") for text in arguments):
        return None
    reference = _last_value(option, arguments)
    if not reference:
        return None
    folder = expand_user(reference, option)
    if folder.name != reference or folder.is_dir():
        return RunDir(folder.resolve())
    try:
        return find_run(reference, outputs_dir(_last_value("outputs", arguments)))
    except InputError as error:
        raise InputError(f"{option}={error}") from None


def _last_value(option: str, arguments: Sequence[str]) -> str | None:
    texts = [text for text in arguments if split_override(text)[0] == option]
    values = [o.value() for o in parse_overrides([quote_if_needed(text) for text in texts[-1:]])]
    return str(values[0]) if values and values[0] is not None else None


def resumed(run: RunDir, arguments: Sequence[str]) -> CommandLine:
    """The command line of an interrupted run, changed by what was typed now.

    Raises `InputError` if there is no such run, or if an option that can change its result differs.
    """
    if not run.overrides_file.is_file():
        raise InputError(f"resume={run.path}: not the folder of a run; choose one in outputs/runs/")
    if run.is_finished:
        raise InputError(
            f"resume={run.path}: this run is finished; extend={run.path} with a larger "
            "training.epochs trains it further"
        )
    cfg, overrides = _continued("resume", run, arguments, ())
    return _single_line(replace(cfg, resume=str(run.path)), overrides, arguments)


def extended(run: RunDir, arguments: Sequence[str]) -> CommandLine:
    """The command line of a finished run for more epochs.

    Raises `InputError` if the run is none that more epochs can be added to, or if another option
    that can change its result differs.
    """
    if not run.overrides_file.is_file() or run.is_refit:
        raise InputError(f"extend={run.path}: not the folder of a run; choose one in outputs/runs/")
    if not run.is_finished:
        raise InputError(f"extend={run.path}: not finished; finish it with resume={run.path}")
    cfg, overrides = _continued("extend", run, arguments, ("training.epochs",))
    before = load_config(run.config_file)
    if cfg.model.head.is_solved:
        raise InputError(
            f"extend={run.path}: model.head={cfg.model.head.value} is solved, not trained by epochs"
        )
    if cfg.training.epochs <= before.training.epochs:
        raise InputError(
            f"extend={run.path}: was trained for {before.training.epochs} epochs; add a larger "
            f"number, such as training.epochs={2 * before.training.epochs}"
        )
    cfg = replace(cfg, extend=str(run.path), resume=None)
    return _single_line(cfg, overrides, arguments)


def _single_line(cfg: Config, overrides: tuple[str, ...], arguments: Sequence[str]) -> CommandLine:
    return CommandLine(
        jobs=(cfg,),
        multirun=False,
        info_only=False,
        arguments=tuple(arguments),
        job_overrides=(overrides,),
    )


def _continued(
    option: str, run: RunDir, arguments: Sequence[str], changeable: Collection[str]
) -> tuple[Config, tuple[str, ...]]:
    """The config of a run, changed by what was typed now, and the overrides of both.

    Raises `InputError` if an option differs that can change its result and is not `changeable`.
    """
    stored = [text for text in run.overrides() if not is_hydra_option(text)]
    typed = [text for text in arguments if not text.startswith("-")]
    cfg = resume_config(run.config_file, stored, typed)
    differences = result_changes(run.config_file, cfg, changeable)
    if differences:
        raise InputError(
            f"{option}={run.path}: started with other options ({'; '.join(differences)})"
        )
    typed = [text for text in typed if split_override(text)[0] != option]
    names = [split_override(text)[0] for text in typed]
    if "tracking.uri" not in names:
        refuse_foreign_store(option, cfg, run)
    if "outputs" not in names:
        outputs = outputs_of(run.path)  # it may have been moved since
        cfg = replace(cfg, outputs=str(outputs) if outputs else None)
    overrides = [text for text in stored if split_override(text)[0] not in names]
    return cfg, (*overrides, *typed)


def refuse_foreign_store(option: str, cfg: Config, run: RunDir) -> None:
    """Raises `InputError` for a database that is not there, and for a server unless the run was
    begun in the outputs folder that it is in.

    The folder may come from somebody else: no file is created and no server is contacted because
    its config says so.
    """
    from fashion_exp.tracking.urls import database_file

    if not (uri := cfg.tracking.uri):
        return
    if (database := database_file(uri)) is not None:
        is_known, reason = database.exists(), "does not exist here"
    else:
        is_known, reason = was_begun_here(run), "is from another machine or folder"
    if not is_known:
        raise InputError(
            f"{option}={run.path}: its tracking.uri={redact_credentials(uri)} {reason}; add "
            "tracking.uri=… or tracking=none to the command"
        )
