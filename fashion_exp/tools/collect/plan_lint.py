"""Warnings about a plan: duplicate or misspelled queries and classes with unequal queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import ImageColor

from fashion_exp.tools.collect.plan import normalize_spaces
from fashion_exp.tools.collect.plan_file import KeyPath, PlanFile

_SHADES = ("light", "dark", "pale", "deep", "bright", "medium", "pastel", "neon", "navy", "sky")
_FASHION_COLORS = frozenset(
    """amber apricot aubergine bordeaux bronze burgundy camel champagne charcoal cobalt copper cream
    emerald fawn jade lilac mauve mint mustard nude ochre peach petrol rose ruby rust sand sapphire
    taupe terracotta wine pastel multicolour colourful""".split()  # noqa: SIM905
)
"""Colors of clothes beyond the CSS names, in British spelling."""
_SPELLINGS = (("gray", "grey"), ("color", "colour"), ("coloured", "colour"))


@dataclass(frozen=True)
class PlanWarning:
    line: int
    text: str


def lint(file: PlanFile) -> list[PlanWarning]:
    """All warnings, in the order of their lines."""
    warnings = [
        *_stray_spaces(file),
        *_prefix_warnings(file),
        *_shared_terms(file),
        *_unequal_queries(file),
    ]
    return sorted(warnings, key=lambda warning: warning.line)


def is_color(text: str) -> bool:
    """Whether the text is a color of CSS or of clothes, or a shade of one such as "dark blue"."""
    color = _color_key(text)
    if color in ImageColor.colormap or color in _FASHION_COLORS:
        return True
    shade = next((shade for shade in _SHADES if color.startswith(shade)), "")
    return bool(shade) and is_color(color.removeprefix(shade))


def canonical_color(text: str) -> str:
    """A key that is equal for names of the same color: gray and grey, aqua and cyan."""
    color = _color_key(text)
    return str(ImageColor.colormap.get(color, color))


def _color_key(text: str) -> str:
    key = "".join(text.casefold().replace("-", " ").split())
    for variant, spelling in _SPELLINGS:
        key = key.replace(variant, spelling)
    return key


def _stray_spaces(file: PlanFile) -> Iterator[PlanWarning]:
    for keys, text in _texts(file):
        if text != (normalized := normalize_spaces(text)):
            yield PlanWarning(
                file.line(*keys), f"stray space in '{text}'; the query uses '{normalized}'"
            )


def _texts(file: PlanFile) -> Iterator[tuple[KeyPath, str]]:
    """Every text that becomes part of a query."""
    plan = file.plan
    yield ("template",), plan.template
    for keys, prefixes in _prefix_lists(file):
        yield from (((*keys, index), prefix) for index, prefix in enumerate(prefixes))
    for name, class_plan in plan.classes.items():
        keys = ("classes", name)
        yield from (((*keys, "terms", i), term) for i, term in enumerate(class_plan.terms))
        if class_plan.template is not None:
            yield (*keys, "template"), class_plan.template


def _prefix_lists(file: PlanFile) -> Iterator[tuple[KeyPath, list[str]]]:
    yield ("prefixes",), file.plan.prefixes
    for name, class_plan in file.plan.classes.items():
        yield ("classes", name, "prefixes"), class_plan.prefixes or []


def _prefix_warnings(file: PlanFile) -> Iterator[PlanWarning]:
    for keys, prefixes in _prefix_lists(file):
        first_names: dict[str, str] = {}
        previous: set[str] = set()
        for index, prefix in enumerate(map(normalize_spaces, prefixes)):
            line = file.line(*keys, index)
            first_name = first_names.setdefault(canonical_color(prefix), prefix)
            if first_name != prefix:
                yield PlanWarning(
                    line, f"prefixes '{first_name}' and '{prefix}' are the same color; drop one"
                )
            elif prefix in previous:
                yield PlanWarning(line, f"duplicate prefix '{prefix}'; it is searched once")
            elif prefix and not is_color(prefix):
                yield PlanWarning(
                    line,
                    f"prefix '{prefix}' is not a known color; it is still recorded as "
                    f"'{file.plan.attribute}'",
                )
            previous.add(prefix)


def _shared_terms(file: PlanFile) -> Iterator[PlanWarning]:
    first_classes: dict[str, str] = {}
    for name in file.plan.classes:
        for index, term in enumerate(map(normalize_spaces, file.plan.terms_of(name))):
            line = file.line("classes", name, "terms", index)
            first = first_classes.get(term.casefold())
            if first is None:
                first_classes[term.casefold()] = name
            elif first == name:
                yield PlanWarning(line, f"duplicate term '{term}' in {name}; it is searched once")
            else:
                yield PlanWarning(
                    line, f"term '{term}' is in both {first} and {name}; its results are ambiguous"
                )


def _unequal_queries(file: PlanFile) -> Iterator[PlanWarning]:
    """Classes with different queries: a model can learn the difference instead of the class."""
    plan = file.plan
    templates = {name: normalize_spaces(plan.template_of(name)) for name in plan.classes}
    prefixes = {
        name: ", ".join(sorted(set(map(normalize_spaces, plan.prefixes_of(name))))) or "none"
        for name in plan.classes
    }
    for key, values in (("template", templates), ("prefixes", prefixes)):
        classes_by_value: dict[str, list[str]] = defaultdict(list)
        for name, value in values.items():
            classes_by_value[value].append(name)
        if len(classes_by_value) == 1:
            continue
        usual = max(classes_by_value, key=lambda value: len(classes_by_value[value]))
        line = min(file.line("classes", name, key) for name in values if values[name] != usual)
        groups = "; ".join(
            f"{', '.join(names)}: {value}" for value, names in classes_by_value.items()
        )
        yield PlanWarning(
            line,
            f"classes with unequal {key}: {groups}; a model can learn the difference in the "
            "queries instead of the class",
        )
