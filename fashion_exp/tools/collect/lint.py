"""What in a plan will be regretted: asked twice, misspelt, or asked unequally of the classes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from fashion_exp.tools.collect import plan as plans
from fashion_exp.tools.collect.colours import is_colour, meaning
from fashion_exp.tools.collect.plan import tidy
from fashion_exp.tools.collect.plan_file import Place, PlanFile


@dataclass(frozen=True)
class Doubt:
    line: int
    text: str


def lint(file: PlanFile) -> list[Doubt]:
    """The warnings in order of their lines."""
    found = [*_blanks(file), *_prefixes(file), *_shared_terms(file), *_unequal(file)]
    return sorted(found, key=lambda warning: warning.line)


def _texts(file: PlanFile) -> Iterator[tuple[Place, str]]:
    plan = file.plan
    yield from ((("prefixes", at), prefix) for at, prefix in enumerate(plan.prefixes))
    yield ("template",), plan.template
    for name, own in plan.classes.items():
        place = ("classes", name)
        yield from (((*place, "prefixes", at), word) for at, word in enumerate(own.prefixes or []))
        yield from (((*place, "terms", at), word) for at, word in enumerate(own.terms))
        if own.template is not None:
            yield (*place, "template"), own.template


def _blanks(file: PlanFile) -> Iterator[Doubt]:
    for place, text in _texts(file):
        if text != tidy(text):
            yield Doubt(
                file.line(*place), f"stray blank in '{text}'; it is asked as '{tidy(text)}'"
            )


def _prefixes(file: PlanFile) -> Iterator[Doubt]:
    lists: list[tuple[Place, list[str]]] = [(("prefixes",), file.plan.prefixes)]
    for name, own in file.plan.classes.items():
        lists.append((("classes", name, "prefixes"), own.prefixes or []))
    for place, words in lists:
        first: dict[str, str] = {}
        for at, word in enumerate(words):
            line, first_word = file.line(*place, at), first.setdefault(meaning(word), tidy(word))
            if first_word == tidy(word) and tidy(word) in map(tidy, words[:at]):
                yield Doubt(line, f"prefix '{first_word}' stands twice; it is asked once")
            elif first_word != tidy(word):
                yield Doubt(
                    line, f"prefixes '{first_word}' and '{tidy(word)}' are one colour, asked "
                    "twice; drop one"
                )  # fmt: skip
            elif tidy(word) and not is_colour(word):
                yield Doubt(
                    line, f"prefix '{tidy(word)}' is no colour; it becomes the attribute "
                    f"'{file.plan.attribute}' all the same"
                )  # fmt: skip


def _shared_terms(file: PlanFile) -> Iterator[Doubt]:
    asked: dict[str, list[tuple[str, int, str]]] = defaultdict(list)
    for name in file.plan.classes:
        for at, term in enumerate(plans.terms(file.plan, name)):
            line = file.line("classes", name, "terms", at)
            asked[tidy(term).casefold()].append((name, line, tidy(term)))
    for (first, _, _), *others in asked.values():
        for name, line, term in others:
            if name == first:
                yield Doubt(line, f"term '{term}' stands twice in {name}; it is asked once")
            else:
                yield Doubt(
                    line, f"term '{term}' stands in {first} and in {name}; what it finds has no "
                    "sure class"
                )  # fmt: skip


def _unequal(file: PlanFile) -> Iterator[Doubt]:
    """A warning of all classes together: what differs in their queries can give them away."""
    plan = file.plan
    for what, asked in (
        ("template", {name: tidy(plans.template(plan, name)) for name in plan.classes}),
        ("prefixes", {name: _meant(plans.prefixes(plan, name)) for name in plan.classes}),
    ):
        alike: dict[str, list[str]] = defaultdict(list)
        for name, form in asked.items():
            alike[form].append(name)
        if len(alike) > 1:
            usual = max(alike, key=lambda form: len(alike[form]))
            odd = [name for form, names in alike.items() if form != usual for name in names]
            told = "; ".join(f"{', '.join(names)}: {form}" for form, names in alike.items())
            yield Doubt(
                min(file.line("classes", name, what) for name in odd),
                f"classes with unequal {what}: {told}; a class can then be told by how it was "
                "asked for",
            )


def _meant(words: list[str]) -> str:
    return ", ".join(sorted({tidy(word) for word in words})) or "none"
