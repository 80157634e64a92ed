"""Reads plan files (YAML) and reports each error with its line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from fashion_exp.errors import InputError, os_error_reason, suggest
from fashion_exp.paths import expand_user
from fashion_exp.tools.collect.plan import (
    ClassPlan,
    FolderSource,
    OpenverseSource,
    Plan,
    UrlsSource,
)

KeyPath = tuple[str | int, ...]
"""Keys and list indices from the root, such as ("classes", "dress", "terms", 0)."""

MAX_VALUES = 100_000
"""Values of a plan; aliases of YAML can repeat a short text without end."""
_YAML = "tag:yaml.org,2002:"
_SCALARS = ("str", "int", "float", "bool", "null", "timestamp")

_PROVIDERS: dict[str, type[BaseModel]] = {
    "openverse": OpenverseSource,
    "urls": UrlsSource,
    "folder": FolderSource,
}


@dataclass(frozen=True)
class PlanFile:
    plan: Plan
    path: Path
    lines: dict[KeyPath, int]
    """Line numbers, from 1."""

    def line(self, *keys: str | int) -> int:
        """The line of a value, or of the closest enclosing value that has one."""
        return _line(self.lines, keys)

    def resolve(self, path: str) -> Path:
        """A path in the plan, relative to the folder of the plan file."""
        return self.path.parent / expand_user(path, f"{self.path}: path")


def read_plan(path: Path) -> PlanFile:
    """Raises `InputError` with file and line if the file is not a valid plan."""
    lines: dict[KeyPath, int] = {}
    try:
        root = yaml.compose(path.read_text(encoding="utf-8-sig"), Loader=yaml.SafeLoader)
        if root is None:
            raise InputError(f"{path}: is empty; a plan needs at least the key 'classes'")
        values = _parse_node(root, (), lines, path)
    except OSError as error:
        raise InputError(
            f"{path}: {os_error_reason(error)}; give the YAML file of a plan"
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8; save it as UTF-8") from error
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}, line {mark.line + 1}" if mark else path
        problem = getattr(error, "problem", None) or getattr(error, "reason", "nested too deeply")
        raise InputError(f"{where}: invalid YAML: {problem}") from error
    try:
        return PlanFile(Plan.model_validate(values), path, lines)
    except ValidationError as error:
        raise InputError(_validation_message(error, lines, path)) from None


def _parse_node(node: yaml.Node, keys: KeyPath, lines: dict[KeyPath, int], path: Path) -> Any:
    """The value of a node; adds the line of each value below it to `lines`."""
    line = node.start_mark.line + 1
    lines.setdefault(keys, line)
    if len(lines) > MAX_VALUES:
        raise InputError(f"{path}, line {line}: the plan has more than {MAX_VALUES:,} values")
    _check_tag(node, path)
    if isinstance(node, yaml.SequenceNode):
        return [
            _parse_node(child, (*keys, index), lines, path)
            for index, child in enumerate(node.value)
        ]
    if not isinstance(node, yaml.MappingNode):
        return _parse_scalar(node, path)
    values: dict[Any, Any] = {}
    for key_node, child in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            raise InputError(f"{path}, line {line}: a key must be a single word or text")
        _check_tag(key_node, path)
        key = _parse_scalar(key_node, path)
        if key in values:
            first_line = lines[(*keys, key)]
            raise InputError(
                f"{path}, line {line}: duplicate key '{key}', first on line {first_line}; "
                "delete one"
            )
        lines[(*keys, key)] = line
        values[key] = _parse_node(child, (*keys, key), lines, path)
    return values


def _check_tag(node: yaml.Node, path: Path) -> None:
    """Raises `InputError` for a tag that is not the one of a text, number, list or mapping."""
    names = {yaml.SequenceNode: ("seq",), yaml.MappingNode: ("map",)}.get(type(node), _SCALARS)
    if node.tag not in [f"{_YAML}{name}" for name in names]:
        tag = node.tag.replace(_YAML, "!!")
        raise InputError(
            f"{path}, line {node.start_mark.line + 1}: a plan has texts, numbers, lists and "
            f"mappings only, no {tag}; remove the tag, or quote the text"
        )


def _parse_scalar(node: yaml.ScalarNode, path: Path) -> Any:
    try:
        return yaml.SafeLoader("").construct_object(node)
    except (ValueError, LookupError, AttributeError):  # an invalid date, or a tag of another kind
        line = node.start_mark.line + 1
        raise InputError(f"{path}, line {line}: '{node.value}' is invalid; quote it") from None


def _line(lines: dict[KeyPath, int], keys: KeyPath) -> int:
    if keys not in lines and keys[2:3] == ("terms",):  # the short form `dress: [dress]`
        keys = keys[:2] + keys[3:]
    while keys and keys not in lines:
        keys = keys[:-1]
    return lines.get(keys, 1)


def _validation_message(error: ValidationError, lines: dict[KeyPath, int], path: Path) -> str:
    first = error.errors(include_url=False)[0]
    location = first["loc"]
    # Pydantic inserts the kind of a provider as a step of its own, as in ("providers", 0, "urls").
    has_kind = location[:1] == ("providers",) and location[2:3] and location[2] in _PROVIDERS
    keys = location[:2] + location[3:] if has_kind else location
    name = ".".join(map(str, keys)) or "the plan"
    count = error.error_count() - 1
    more = f" (and {count} more {'error' if count == 1 else 'errors'})" if count else ""
    return f"{path}, line {_line(lines, keys)}: {name}: {_describe(first, keys)}{more}"


def _describe(error: ErrorDetails, keys: KeyPath) -> str:
    kind, value = error["type"], error["input"]
    if kind == "missing":
        return "is missing"
    if kind == "extra_forbidden":
        return f"unknown key; {suggest(str(keys[-1]), _valid_keys(error['loc']))}"
    if kind.startswith("union_tag"):
        provider = value.get("kind") if isinstance(value, dict) else value
        return f"unknown provider '{provider}'; {suggest(str(provider), _PROVIDERS)}"
    message = error["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    return f"{message}, but YAML reads {value!r}; quote it" if kind == "string_type" else message


def _valid_keys(location: KeyPath) -> list[str]:
    """The keys that are valid beside the last key of a location."""
    if location[0] == "classes" and len(location) > 1:
        return list(ClassPlan.model_fields)
    if location[0] == "providers" and len(location) > 2:
        return list(_PROVIDERS[str(location[2])].model_fields)
    return list(Plan.model_fields)
