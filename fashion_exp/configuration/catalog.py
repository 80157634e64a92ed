"""Every option with its documentation, type, unit, range, default and choices.

All of it is read from `schema.py` and from the YAML files: there is no second list.
"""

from __future__ import annotations

import ast
import inspect
import re
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from fashion_exp.configuration import schema
from fashion_exp.configuration.choices import (
    Choice,
    default_choices,
    default_values,
    groups,
    yaml_text,
)
from fashion_exp.configuration.validation import OPTION_CONDITIONS

_TYPES = {
    int: "whole number", float: "number", str: "text", bool: "true or false", dict: "mapping",
}  # fmt: skip
_PLURALS = {int: "whole numbers", float: "numbers", str: "texts", dict: "mappings"}
REQUIRED = "???"


@dataclass(frozen=True)
class Option:
    name: str
    doc: str
    type: str
    unit: str = ""
    range: str = ""
    default: str = ""
    """As in YAML. Empty if the option has none: a choice sets it, or the user does."""
    choices: Mapping[str, str] | None = None
    """The values that it can have, with their meaning; None if there are too many to list."""
    needs: str = ""
    """In which combination of options it has an effect; empty: always."""
    set_by: Mapping[str, str] | None = None
    """The choices of groups that set another value than the default, with it."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def options(folders: Sequence[Path] = ()) -> list[Option]:
    """What a user may set, in the order of the schema; then the launchers' and sweepers' options.

    `folders` have choices beside those of `conf/`.
    """
    values, available = default_values(), groups(folders)
    chosen = default_choices()
    options_found = [
        _option(name, doc, hint, values, available, chosen)
        for name, doc, hint in _fields()
        if name not in schema.SWEEP_JOB_OPTIONS
    ]
    return [*options_found, *_hydra_options(available)]


@cache
def option_names() -> tuple[str, ...]:
    """Every option of the schema by its dotted name; needed for every command line."""
    return tuple(name for name, _, _ in _typed_fields(schema.Config))


def settable_options() -> dict[str, str]:
    """The documentation of every option of the schema that a user may set, by its name."""
    return {name: doc for name, doc, _ in _fields() if name not in schema.SWEEP_JOB_OPTIONS}


def _option(
    name: str, doc: str, hint: Any, values: Mapping[str, Any],
    available: Mapping[str, list[Choice]], chosen: Mapping[str, str | None],
) -> Option:  # fmt: skip
    described = _describe(hint)
    condition = OPTION_CONDITIONS.get(name)
    default = yaml_text(values[name]) if name in values else ""
    set_by = {}
    for group, choices in available.items():
        for choice in choices:
            if name in choice.values and chosen.get(group) != choice.name:
                text = yaml_text(choice.values[name])
                if text != default:
                    set_by[f"{group}={choice.name}"] = "required" if text == REQUIRED else text
            elif group == "sweep" and name in (choice.values.get("hydra.sweeper.params") or {}):
                swept = choice.values["hydra.sweeper.params"][name]
                set_by[f"{group}={choice.name}"] = str(swept)
    return Option(
        name,
        doc,
        described["type"],
        described["unit"],
        described["range"],
        default,
        described["choices"],
        condition.text if condition else "",
        set_by,
    )


def _hydra_options(available: Mapping[str, list[Choice]]) -> Iterator[Option]:
    """The options of the launchers and sweepers, which have no schema: from the YAML alone."""
    for group in ("hydra/launcher", "hydra/sweeper"):
        prefix = group.replace("/", ".")
        names = dict.fromkeys(name for choice in available.get(group, []) for name in choice.values)
        for name in names:
            owners = [choice for choice in available[group] if name in choice.values]
            short = name.removeprefix(f"{prefix}.")
            if short in ("_target_", "params"):
                continue
            doc = next((c.comments[short] for c in owners if short in c.comments), "")
            values = {f"{group}={c.name}": yaml_text(c.values[name]) for c in owners}
            kinds = dict.fromkeys(_TYPES.get(type(c.values[name]), "") for c in owners)
            yield Option(
                name,
                doc,
                next((kind for kind in kinds if kind), ""),
                needs=" or ".join(values),
                set_by=values,
            )


def _fields() -> Iterator[tuple[str, str, Any]]:
    """Name, documentation and type of every option of the schema."""
    for name, owner, hint in _typed_fields(schema.Config):
        docs = _docs()[owner.__name__]
        yield name, docs.get(name.rpartition(".")[2]) or docs.get("", ""), hint


def _typed_fields(kind: type, prefix: str = "") -> Iterator[tuple[str, type, Any]]:
    """Name, dataclass and type of every option."""
    for name, hint in schema.field_types(kind).items():
        if is_dataclass(hint) and isinstance(hint, type):
            yield from _typed_fields(hint, f"{prefix}{name}.")
        else:
            yield prefix + name, kind, hint


@cache
def _docs() -> dict[str, dict[str, str]]:
    """The text behind each field, by class and field; that of the class itself under ""."""
    docs: dict[str, dict[str, str]] = {}
    for node in ast.parse(inspect.getsource(schema)).body:
        if not isinstance(node, ast.ClassDef):
            continue
        own = docs.setdefault(node.name, {"": _one_line(ast.get_docstring(node) or "")})
        for field, text in zip(node.body, node.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                own[field.target.id] = ""
                if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
                    own[field.target.id] = _one_line(str(text.value.value))
    return docs


def _one_line(text: str) -> str:
    return " ".join(text.split())


@cache
def _enum_docs(kind: type[Enum]) -> Mapping[str, str]:
    """The comment behind each member."""
    lines = dict(re.findall(r'(\w+) = "\w+"(?:  # (.+))?', inspect.getsource(kind)))
    return {str(member.value): lines.get(member.name, "") for member in kind}


def _describe(hint: Any) -> dict[str, Any]:
    """Type, unit, range and choices of an annotation."""
    metadata: list[Any] = []
    plain, nullable = _unwrap(hint, metadata)
    choices = None
    if isinstance(plain, type) and issubclass(plain, Enum):
        text, choices = "one of the choices", _enum_docs(plain)
    elif plain is bool:
        text, choices = _TYPES[bool], {"true": "", "false": ""}
    elif get_origin(plain) is list:
        item, _ = _unwrap(get_args(plain)[0], metadata)
        text = f"list of {_PLURALS.get(get_origin(item) or item, 'values')}"
    else:
        text = _TYPES.get(get_origin(plain) or plain, "value")
    unit = next((item.name for item in metadata if isinstance(item, schema.Unit)), "")
    return {
        "type": f"{text} or null" if nullable else text,
        "unit": unit,
        "range": _range(metadata),
        "choices": choices,
    }


def _unwrap(hint: Any, metadata: list[Any]) -> tuple[Any, bool]:
    """The type without `Annotated` and `None`, and whether None is allowed."""
    if get_origin(hint) is Annotated:
        inner, *items = get_args(hint)
        metadata += items
        return _unwrap(inner, metadata)
    if get_origin(hint) in (Union, types.UnionType):
        members = [member for member in get_args(hint) if member is not type(None)]
        plain, _ = _unwrap(members[0], metadata)
        return plain, len(members) < len(get_args(hint))
    return hint, False


def _range(metadata: Sequence[Any]) -> str:
    """The bounds in words: "above 0, below 1"."""
    bounds: dict[str, Any] = {}
    for item in metadata:
        for rule in item.metadata if isinstance(item, FieldInfo) else ():
            for key in ("gt", "ge", "lt", "le"):
                if getattr(rule, key, None) is not None:
                    bounds[key] = getattr(rule, key)
    if bounds.keys() == {"ge", "le"}:
        return f"{bounds['ge']:,} to {bounds['le']:,}"
    words = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}
    return ", ".join(f"{words[key]} {bounds[key]:,}" for key in words if key in bounds)
