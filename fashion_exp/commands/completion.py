"""Completion of subcommands, options and their values by a shell: `-sc install=bash`."""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

from fashion_exp.commands.data import SUBCOMMANDS as DATA_SUBCOMMANDS
from fashion_exp.commands.help import SUBCOMMANDS
from fashion_exp.commands.parser import parser_of, positional_choices, switches
from fashion_exp.configuration import compat
from fashion_exp.configuration.catalog import options
from fashion_exp.configuration.choices import groups
from fashion_exp.errors import InputError
from fashion_exp.paths import outputs_dir

BASH = """\
_fashion_exp() {
    local IFS=$'\\n' line="${COMP_LINE:0:$COMP_POINT}" word="${COMP_WORDS[COMP_CWORD]}" cut
    COMPREPLY=($(COMP_LINE="$line" "$1" -sc query=bash 2>/dev/null))
    # Readline replaces only what follows the last = if that is a break between words.
    if [[ "$COMP_WORDBREAKS" == *=* ]]; then
        cut="${line##* }"
        if [[ "$cut" == *=* ]]; then
            cut="${cut%"${cut##*=}"}"
            COMPREPLY=("${COMPREPLY[@]#"$cut"}")
        fi
    fi
    [[ ${#COMPREPLY[@]} -eq 1 && "${COMPREPLY[0]}" == *= ]] || [[ ${#COMPREPLY[@]} -ne 1 ]] ||
        COMPREPLY=("${COMPREPLY[0]} ")
}
complete -o nospace -o default -F _fashion_exp fashion_exp scripts/run ./scripts/run
"""
TAKE_RUNS = (
    "runs", "compare", "race", "report", "slices", "shortcuts", "judge", "flips", "estimate",
    "study", "soup", "ui", "predict", "calibrate", "evaluate", "explain", "card", "refit", "export",
    "serve", "promote",
)  # fmt: skip
"""The subcommands whose arguments may be names of runs."""
UNINSTALL = "complete -r fashion_exp scripts/run ./scripts/run; unset -f _fashion_exp\n"


def answer(action: str) -> str:
    """What `-sc install=bash`, `uninstall=bash` or `query=bash` prints; raises `InputError`."""
    match action:
        case "install=bash":
            return BASH
        case "uninstall=bash":
            return UNINSTALL
        case "query=bash":
            line = os.environ.get("COMP_LINE", "")
            return "".join(f"{candidate}\n" for candidate in complete(line))
    raise InputError(
        f"-sc {action}: completion is for bash only; install it with "
        'eval "$(scripts/run -sc install=bash)"'
    )


def complete(line: str) -> list[str]:
    """What the last word of a command line may become, whole words."""
    words = line.split(" ")[1:]  # a blank at the end begins a new, empty word
    *earlier, last = words or [""]
    earlier = [word for word in earlier if word]
    if earlier and earlier[0] in SUBCOMMANDS:
        candidates = _of_subcommand(earlier)
    elif last.startswith("-"):
        candidates = [*compat.switch_names(compat.switches_parser()), "--evaluate-test"]
    else:
        candidates = _of_experiment(last, _own_folders(earlier))
        candidates += [] if earlier else list(SUBCOMMANDS)
    return sorted(candidate for candidate in candidates if candidate.startswith(last))


def _of_experiment(last: str, folders: Sequence[Path]) -> list[str]:
    """Names of options and groups, or the values of the one that is typed already."""
    name, equals, typed = last.partition("=")
    option_name = name.lstrip("+")
    available = groups(folders)
    if not equals:
        names = [*(f"{option.name}=" for option in options(folders)), *(f"{g}=" for g in available)]
        return [f"{name[: len(name) - len(option_name)]}{candidate}" for candidate in names]
    values = [choice.name for choice in available.get(option_name, [])]
    for option in options(folders):
        if option.name == option_name:
            values += option.choices or {}
    before = typed[: typed.rfind(",") + 1]  # several values of a multirun
    return [f"{name}={before}{value}" for value in values]


def _own_folders(words: Sequence[str]) -> list[Path]:
    """The folders of `--config-dir` on the line."""
    pairs = [word.split("=", 1) for word in words if word.startswith("--config-dir=")]
    pairs += [[a, b] for a, b in pairwise(words) if a == "--config-dir"]
    return [path for _, text in pairs if (path := Path(text).expanduser()).is_dir()]


def _of_subcommand(earlier: Sequence[str]) -> list[str]:
    """Its actions, its switches, and the names of runs, sweeps or options that it takes."""
    name, *words = earlier
    given = [word for word in words if not word.startswith("-")]
    if name == "data" and not given:
        return list(DATA_SUBCOMMANDS)
    if name in ("help", "options"):
        return [*(option.name for option in options()), *groups(), *SUBCOMMANDS]
    module = f"data.{given[0]}" if name == "data" else name
    candidates: list[str] = []
    with suppress(ImportError):
        parser = parser_of(importlib.import_module(f"fashion_exp.commands.{module}").run)
        candidates += positional_choices(parser) if parser and not given else []
        candidates += switches(parser) if parser else []
    if name in TAKE_RUNS or (name == "sweep" and given):
        candidates += _run_names(earlier, with_runs=name != "sweep")
    return candidates


def _run_names(words: Sequence[str], with_runs: bool) -> list[str]:
    given = [b for a, b in pairwise(words) if a == "--outputs"]
    outputs = outputs_dir(given[0] if given else None)
    kinds = ("sweeps", "runs") if with_runs else ("sweeps",)
    return [folder.name for kind in kinds for folder in (outputs / kind).glob("[!.]*")]
