"""The groups in `conf/`, their choices, and the values that each choice sets, read from the YAML.

Nothing is composed, so help and completion are fast. Folders that `--config-dir` adds
are read in the same way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import yaml

from fashion_exp.configuration.schema import GROUPS
from fashion_exp.paths import conf_dir

_PACKAGE = re.compile(r"^#\s*@package\s+(\S+)", re.MULTILINE)
_DEFAULT_PACKAGES = {"_global_": "", "_group_": None}
BASE = "_base"
"""The file of a group that holds the defaults of every choice."""


@dataclass(frozen=True)
class Choice:
    """One YAML file of a group."""

    group: str
    name: str
    file: Path

    @cached_property
    def title(self) -> str:
        """The first sentences of the comment at the top."""
        lines = []
        for line in self.file.read_text(encoding="utf-8").splitlines():
            if not line.startswith("#"):
                break
            text = line.lstrip("# ").rstrip()
            if text.startswith("@package"):
                continue
            lines.append(text)
            if not text or text.endswith((".", ":")):
                break
        return " ".join(lines).strip().rstrip(":.")

    @cached_property
    def comments(self) -> Mapping[str, str]:
        """The comment behind each value, by the name of the option without its group."""
        comments: dict[str, str] = {}
        for base in self._bases():
            comments |= base.comments
        matches = re.findall(
            r"^ *(\w+):.*?\s#\s+(.+)$", self.file.read_text(encoding="utf-8"), re.MULTILINE
        )
        return comments | dict(matches)

    @cached_property
    def values(self) -> Mapping[str, Any]:
        """The options that the choice sets, by their dotted names, with those of its bases."""
        values: dict[str, Any] = {}
        for base in self._bases():
            values |= base.values
        return {**values, **self.own_values}

    @cached_property
    def own_values(self) -> Mapping[str, Any]:
        """The options that the file itself sets."""
        return self.options_of(self._content)

    def options_of(self, content: Mapping[str, Any]) -> dict[str, Any]:
        """The content of the file, however its scalars were read, by dotted names of options."""
        values = {key: value for key, value in content.items() if key != "defaults"}
        return dict(_flatten(values, self._package))

    @cached_property
    def _content(self) -> Mapping[str, Any]:
        return _load(self.file, self.file.stat().st_mtime_ns)

    @cached_property
    def _package(self) -> str:
        match = _PACKAGE.search(self.file.read_text(encoding="utf-8"))
        package = _DEFAULT_PACKAGES.get(match[1], match[1]) if match else None
        return self.group.replace("/", ".") if package is None else package

    def _bases(self) -> Iterator[Choice]:
        folders = dict.fromkeys([self.file.parent, conf_dir() / self.group])
        for entry in self._content.get("defaults") or []:
            if isinstance(entry, str) and entry != "_self_":
                files = [folder / f"{entry}.yaml" for folder in folders]
                for file in [file for file in files if file.is_file() and file != self.file][:1]:
                    yield Choice(self.group, entry, file)


@cache
def _load(file: Path, modified: int) -> Mapping[str, Any]:
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    return content if isinstance(content, Mapping) else {}


def _flatten(tree: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    """Dotted names of options; a mapping below a group that is not a group is a value."""
    for name, value in tree.items():
        path = f"{prefix}.{name}" if prefix else str(name)
        is_node = path in GROUPS or path in ("hydra", "hydra.launcher", "hydra.sweeper")
        if isinstance(value, Mapping) and is_node:
            yield from _flatten(value, path)
        else:
            yield path, value


def groups(folders: Sequence[Path] = ()) -> dict[str, list[Choice]]:
    """The choices of each group, those of `conf/` first; files that begin with _ are bases."""
    by_group: dict[str, dict[str, Choice]] = {}
    for choice in (*_shipped_choices(), *(c for root in folders for c in _choices_in(root))):
        by_group.setdefault(choice.group, {})[choice.name] = choice
    return {group: list(choices.values()) for group, choices in sorted(by_group.items())}


@cache
def _shipped_choices() -> tuple[Choice, ...]:
    """Those of `conf/`, which do not change while a process runs."""
    return tuple(_choices_in(conf_dir()))


def _choices_in(root: Path) -> Iterator[Choice]:
    for file in sorted(root.glob("**/*.yaml")):
        group = file.parent.relative_to(root).as_posix()
        if group != "." and not file.stem.startswith("_"):
            yield Choice(group, file.stem, file)


def base_choice(group: str) -> Choice | None:
    """The defaults that the choices of a group of `conf/` share."""
    file = conf_dir() / group / f"{BASE}.yaml"
    return Choice(group, BASE, file) if file.is_file() else None


def default_choices() -> dict[str, str | None]:
    """The choice of each group that has one by default."""
    choices: dict[str, str | None] = {}
    for entry in _main_config()["defaults"]:
        if isinstance(entry, Mapping):
            ((group, choice),) = entry.items()
            choices[str(group).removeprefix("override ").lstrip("/")] = choice
    return choices


def top_level_values() -> dict[str, Any]:
    """The options that `conf/config.yaml` itself sets."""
    content = {key: value for key, value in _main_config().items() if key != "defaults"}
    return dict(_flatten(content, ""))


def default_values() -> dict[str, Any]:
    """The value of every option that has one when nothing is chosen."""
    values = top_level_values()
    available = groups()
    for group, name in default_choices().items():
        for choice in available.get(group, []):
            if choice.name == name:
                values |= choice.values
    return values


def _main_config() -> Mapping[str, Any]:
    file = conf_dir() / "config.yaml"
    return _load(file, file.stat().st_mtime_ns)


def yaml_text(value: Any) -> str:
    """A value as it would be typed in YAML, in one line."""
    if isinstance(value, str):
        return value
    text = yaml.safe_dump(value, default_flow_style=True, width=10**6, allow_unicode=True)
    return text.removesuffix("...\n").strip()
