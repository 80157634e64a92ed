"""List all options with type, unit, range, default and choices; with WORD, those that have it in
their name or description."""

from __future__ import annotations

import json
import shutil
import textwrap
from collections.abc import Sequence

from fashion_exp.commands.parser import Parser
from fashion_exp.configuration.catalog import Option, options
from fashion_exp.errors import InputError
from fashion_exp.paths import own_choices_folder

MAX_VALUE = 60
"""Letters of a default in the list; `help OPTION` shows all."""


def run(arguments: list[str]) -> int:
    """Raises `InputError` if no option has the word."""
    parser = Parser(prog="fashion_exp options", description=__doc__)
    parser.add_argument("word", nargs="*", metavar="WORD", help="words that all must occur")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--config-dir", help="folder with choices of your own")
    args = parser.parse_intermixed_args(arguments)
    folders = [own_choices_folder(args.config_dir)] if args.config_dir else []
    matches = find_options(args.word, options(folders))
    if not matches:
        raise InputError(f"options {' '.join(args.word)}: no option has this in its description")
    if args.json:
        print(json.dumps([option.as_json() for option in matches], indent=1, ensure_ascii=False))
    else:
        print(option_list(matches))
    return 0


def find_options(words: Sequence[str], among: Sequence[Option]) -> list[Option]:
    """Those with every word; names that have it go before descriptions."""

    def is_match(option: Option, text: str) -> bool:
        return all(word.casefold() in text.casefold() for word in words)

    by_name = [option for option in among if is_match(option, option.name)]
    by_text = [
        option
        for option in among
        if option not in by_name and is_match(option, f"{option.name} {option_text(option)}")
    ]
    return by_name + by_text


def option_text(option: Option) -> str:
    """Description, choices and where it acts."""
    choices = [f"{name} {meaning}" for name, meaning in (option.choices or {}).items()]
    return " ".join([option.doc, option.unit, *choices, option.needs])


def option_list(matches: Sequence[Option]) -> str:
    """Two lines or more for each option: its name and what it takes, then its description."""
    width = max(40, min(100, shutil.get_terminal_size().columns))
    blocks = []
    for option in matches:
        lines = textwrap.wrap(f"{option.name}  {summary(option)}", width, subsequent_indent="    ")
        lines += textwrap.wrap(option.doc, width, initial_indent="    ", subsequent_indent="    ")
        blocks.append("\n".join(lines))
    return "\n".join(blocks)


def summary(option: Option) -> str:
    """Type, unit, range, default and choices in one line."""
    choices = f"one of {', '.join(option.choices)}" if option.choices else ""
    kind = option.type.replace("one of the choices", choices) if choices else option.type
    default = option.default if len(option.default) <= MAX_VALUE else "see help"
    parts = [
        " ".join(filter(None, [kind, f"in {option.unit}" if option.unit else ""])),
        option.range,
        f"default {default}" if default else "",
        f"with {option.needs}" if option.needs else "",
    ]
    return "; ".join(filter(None, parts))
