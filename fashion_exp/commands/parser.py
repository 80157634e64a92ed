"""The parser of the subcommands: a mistake is one line with what was meant."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from fashion_exp.configuration.compat import parser_actions
from fashion_exp.errors import InputError, close_matches, suggest


def split_names(values: Sequence[str] | None) -> list[str] | None:
    """The names of an option that is repeated or has commas, each once; None if it is not given."""
    names = dict.fromkeys(name.strip() for value in values or () for name in value.split(","))
    return list(names) or None


class _Described(Exception):
    """Carries the parser of a subcommand that is described instead of run."""

    def __init__(self, parser: Parser) -> None:
        super().__init__()
        self.parser = parser


class Parser(argparse.ArgumentParser):
    """Raises `InputError` instead of printing its usage."""

    _describe = False

    def error(self, message: str) -> NoReturn:
        command = self.prog.removeprefix("fashion_exp ")
        if choice := re.search(r"invalid choice: '(.*)' \(choose from (.*)\)", message):
            choices = re.findall(r"[^\s',]+", choice[2])
            raise InputError(f"{command} {choice[1]}: unknown; {suggest(choice[1], choices)}")
        if unknown := re.search(r"unrecognized arguments: (\S+)", message):
            raise InputError(self._unknown(command, unknown[1]))
        choices = positional_choices(self)
        if "arguments are required" in message and choices:
            raise InputError(f"{command}: needs one of {', '.join(choices)}")
        raise InputError(f"{command}: {message}; `{command} --help` shows what it takes")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        if Parser._describe:
            raise _Described(self)
        return super().parse_known_args(self._with_switches(args), namespace)

    def parse_known_intermixed_args(self, args: Any = None, namespace: Any = None) -> Any:
        if Parser._describe:
            raise _Described(self)
        return super().parse_known_intermixed_args(self._with_switches(args), namespace)

    def _with_switches(self, args: Sequence[str] | None) -> Sequence[str] | None:
        """`outputs=FOLDER` is the switch that an experiment has for --outputs."""
        if args is None or "--outputs" not in switches(self):
            return args
        return [f"--{word}" if word.startswith("outputs=") else word for word in args]

    def _unknown(self, command: str, word: str) -> str:
        names = [name for name in switches(self) if name.startswith("--")]
        close = close_matches(word.partition("=")[0], names) if word.startswith("--") else []
        kind = "no such option" if word.startswith("-") else "one argument too many"
        hint = f"did you mean {' or '.join(close)}?" if close else ""
        return f"{command} {word}: {kind}; {hint or f'`{command} --help` shows what it takes'}"


def switches(parser: argparse.ArgumentParser) -> list[str]:
    """The options of a parser: --json, -h."""
    return [name for action in parser_actions(parser) for name in action.option_strings]


def positional_choices(parser: argparse.ArgumentParser) -> list[str]:
    """The words that the first argument may be; none if it may be anything."""
    first = [action for action in parser_actions(parser) if not action.option_strings][:1]
    return [str(choice) for action in first for choice in action.choices or ()]


def parser_of(run: Callable[[list[str]], int]) -> Parser | None:
    """The parser that a subcommand builds; nothing else of it is run."""
    Parser._describe = True
    try:
        run([])
    except _Described as described:
        return described.parser
    finally:
        Parser._describe = False
    return None
