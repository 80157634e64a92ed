"""A plan's YAML file: read with the line of everything in it, each mistake in one line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from fashion_exp.data.decode import reason
from fashion_exp.errors import InputError, suggest
from fashion_exp.tools.collect.plan import (
    ClassPlan,
    FolderSource,
    OpenverseSource,
    Plan,
    UrlsSource,
)

Place = tuple[str | int, ...]
"""A way through the tree: ("classes", "dress", "terms", 0)."""

_KINDS: dict[str, type[BaseModel]] = {
    "openverse": OpenverseSource,
    "urls": UrlsSource,
    "folder": FolderSource,
}


@dataclass(frozen=True)
class PlanFile:
    plan: Plan
    path: Path
    lines: dict[Place, int]

    def line(self, *place: str | int) -> int:
        """Where something stands, or else what it stands in."""
        return _line(self.lines, place)

    def beside(self, file: str) -> Path:
        """A path of the plan, relative to where the plan lies."""
        return self.path.parent / Path(file).expanduser()


def read_plan(path: Path) -> PlanFile:
    """Raises `InputError` with file and line for whatever is not a plan."""
    lines: dict[Place, int] = {}
    try:
        root = yaml.compose(path.read_text(encoding="utf-8-sig"), Loader=yaml.SafeLoader)
        if root is None:
            raise InputError(f"{path}: is empty; a plan has classes: at least")
        tree = _tree(root, (), lines, path)
    except OSError as error:
        raise InputError(f"{path}: {reason(error)}; give the plan's YAML file") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8; save it as that") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise InputError(_of_yaml(error, path)) from error
    try:
        return PlanFile(Plan.model_validate(tree), path, lines)
    except ValidationError as error:
        raise InputError(_of_pydantic(error, lines, path)) from None


def _tree(node: yaml.Node, place: Place, lines: dict[Place, int], path: Path) -> Any:
    """The node's value; of everything in it the line, counted from 1, joins `lines`."""
    lines.setdefault(place, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        return [_tree(child, (*place, at), lines, path) for at, child in enumerate(node.value)]
    if not isinstance(node, yaml.MappingNode):
        return _value(node, path)
    found: dict[Any, Any] = {}
    for key_node, child in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            raise InputError(f"{path}, line {line}: a key must be one word or text")
        key = _value(key_node, path)
        if key in found:
            first = lines[(*place, key)]
            raise InputError(f"{path}, line {line}: '{key}' again, after line {first}; keep one")
        lines[(*place, key)] = line
        found[key] = _tree(child, (*place, key), lines, path)
    return found


def _value(node: yaml.ScalarNode, path: Path) -> Any:
    try:
        return yaml.SafeLoader("").construct_object(node)
    except ValueError:  # it looks like a date, or is said to be a number
        line = node.start_mark.line + 1
        raise InputError(f"{path}, line {line}: '{node.value}' cannot be read; quote it") from None


def _line(lines: dict[Place, int], place: Place) -> int:
    if place not in lines and place[2:3] == ("terms",):  # in `dress: [dress]` they have no key
        place = place[:2] + place[3:]
    while place and place not in lines:
        place = place[:-1]
    return lines.get(place, 1)


def _of_yaml(error: Exception, path: Path) -> str:
    mark = getattr(error, "problem_mark", None)
    said = getattr(error, "problem", None) or "nested too deeply"
    return f"{path}{f', line {mark.line + 1}' if mark else ''}: is not YAML: {said}"


def _of_pydantic(error: ValidationError, lines: dict[Place, int], path: Path) -> str:
    first = error.errors(include_url=False)[0]
    # Of a union's member pydantic puts the tag into the way; the file has no such step.
    place = tuple(
        step
        for at, step in enumerate(first["loc"])
        if not (step in _KINDS and at == 2 and first["loc"][0] == "providers")
    )
    name = ".".join(str(step) for step in place)
    said = first["msg"].removeprefix("Value error, ")
    said = said[0].lower() + said[1:]
    if first["type"] == "extra_forbidden":
        *above, key = place
        said = f"no such key; {suggest(str(key), _keys(tuple(above), first['loc']))}"
    elif first["type"].startswith("union_tag"):
        given = first["input"].get("kind") if isinstance(first["input"], dict) else first["input"]
        said = f"no provider '{given}'; {suggest(str(given), _KINDS)}"
    elif first["type"] == "missing":
        said = "is missing"
    elif first["type"] == "string_type":
        said += f", and {first['input']!r} is none in YAML; quote it"
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"{path}, line {_line(lines, place)}: {name or 'the plan'}: {said}{more}"


def _keys(above: Place, location: tuple[int | str, ...]) -> list[str]:
    """The keys that there are at a place."""
    if above[:1] == ("classes",):
        return list(ClassPlan.model_fields)
    if above[:1] == ("providers",):
        return list(_KINDS[str(location[2])].model_fields)
    return list(Plan.model_fields)
