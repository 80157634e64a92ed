"""The arguments of an experiment, as typed on the command line or passed to `fashion_exp.run`."""

from __future__ import annotations

import os
from collections.abc import Sequence
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
from fashion_exp.configuration.stored_config import result_changes, resume_config
from fashion_exp.errors import InputError, redact_credentials
from fashion_exp.evaluation.run_dir import RunDir
from fashion_exp.experiment.tracked_runs import was_begun_here
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


def run_to_resume(arguments: Sequence[str]) -> RunDir | None:
    """The run of `resume=RUN`, a folder or a name, if the arguments are those of a single run.

    Raises `InputError` if the name means no run or several.
    """
    if any(text.startswith("-") and not text.startswith("--config-dir") for text in arguments):
        return None
    reference = _last_value("resume", arguments)
    if not reference:
        return None
    folder = expand_user(reference, "resume")
    if folder.name != reference or folder.is_dir():
        return RunDir(folder.resolve())
    try:
        return find_run(reference, outputs_dir(_last_value("outputs", arguments)))
    except InputError as error:
        raise InputError(f"resume={error}") from None


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
        refuse_foreign_store(cfg, run)
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


def refuse_foreign_store(cfg: Config, run: RunDir) -> None:
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
            f"resume={run.path}: its tracking.uri={redact_credentials(uri)} {reason}; add "
            "tracking.uri=… or tracking=none to the command"
        )
