"""The plan of a collection: which classes, in which words, how many, and of whom."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from fashion_exp.data.sources.assemble import PARTS

WHOLE_TEMPLATE = "{prefix} {term}"
LONGEST_QUERY = 200
"""Characters; Openverse cuts what is longer."""

Licence = Literal["cc0", "pdm", "by", "by-sa", "by-nc", "by-nd", "by-nc-sa", "by-nc-nd"]
"""Openverse's codes of open licences; pdm is the Public Domain Mark."""


class _Strict(BaseModel):
    """Of a plan nothing is guessed: no unknown key, no number in a text's place."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class OpenverseSource(_Strict):
    """Openly licensed pictures, found by words in openverse.org."""

    kind: Literal["openverse"]
    licences: list[Licence] = Field(default=["cc0", "pdm", "by", "by-sa"], min_length=1)
    base: str = Field(default="https://api.openverse.org/v1/", pattern=r"^https?://\S+$")
    page_size: int = Field(default=20, ge=1, le=500)
    """Results a request; above 20 a token is needed."""


class UrlsSource(_Strict):
    """A CSV file of addresses with their classes."""

    kind: Literal["urls"]
    file: str = Field(min_length=1)


class FolderSource(_Strict):
    """A folder of this machine, with a folder for each class."""

    kind: Literal["folder"]
    path: str = Field(min_length=1)
    licence: str = ""
    creator: str = ""


Source = Annotated[
    OpenverseSource | UrlsSource | FolderSource,
    Field(discriminator="kind"),
    BeforeValidator(lambda given: {"kind": given} if isinstance(given, str) else given),
]


def _class_from(given: Any) -> Any:
    """`dress:`, `dress: gown` and `dress: [dress, gown]` are short for terms alone."""
    if given is None:
        return {}
    if isinstance(given, str):
        return {"terms": [given]}
    return {"terms": given} if isinstance(given, list) else given


class ClassPlan(_Strict):
    """What is asked for one class; None is the plan's own."""

    terms: list[str] = Field(default=[], max_length=100)
    prefixes: list[str] | None = None
    template: str | None = None
    cap: int | None = Field(None, ge=1)
    target: int | None = Field(None, ge=1)

    @field_validator("terms")
    @classmethod
    def _no_empty_term(cls, terms: list[str]) -> list[str]:
        if any(not term.strip() for term in terms):
            raise ValueError("an empty term asks for anything at all; fill it in or drop it")
        return terms

    @field_validator("template")
    @classmethod
    def _template(cls, template: str | None) -> str | None:
        return None if template is None else _checked_template(template)


class Plan(_Strict):
    """The whole plan, as its YAML file says it."""

    classes: dict[str, Annotated[ClassPlan, BeforeValidator(_class_from)]] = Field(min_length=1)
    providers: list[Source] = Field([OpenverseSource(kind="openverse")], min_length=1)
    prefixes: list[str] = [""]
    """Said before each term, colours as a rule; "" is a query without one."""
    template: str = WHOLE_TEMPLATE
    cap: int = Field(100, ge=1)
    """Results of one query that are looked at."""
    target: int = Field(1000, ge=1)
    """Pictures wanted of each class."""
    attribute: str = Field("colour", pattern=r"^[a-z][a-z_]*$")
    """What a prefix is, as a column of the collection."""

    @field_validator("template")
    @classmethod
    def _template(cls, template: str) -> str:
        return _checked_template(template)

    @field_validator("attribute")
    @classmethod
    def _attribute(cls, attribute: str) -> str:
        if attribute in ("path", "label", "group", "part"):
            raise ValueError("is a column of its own; choose another word")
        return attribute

    @field_validator("classes")
    @classmethod
    def _names(cls, classes: dict[str, ClassPlan]) -> dict[str, ClassPlan]:
        for name in classes:
            _check_name(name)
        folded = [name.casefold() for name in classes]
        if twice := [name for name in classes if folded.count(name.casefold()) > 1]:
            raise ValueError(f"{' and '.join(twice)} are one folder on some disks; rename one")
        return classes


@dataclass(frozen=True)
class Query:
    """One question to a provider; the class comes from the term, the prefix is an attribute."""

    label: str
    text: str
    prefix: str
    cap: int


def target(plan: Plan, label: str) -> int:
    return plan.classes[label].target or plan.target


def terms(plan: Plan, label: str) -> list[str]:
    return plan.classes[label].terms or [label]


def prefixes(plan: Plan, label: str) -> list[str]:
    own = plan.classes[label].prefixes
    return (plan.prefixes if own is None else own) or [""]


def template(plan: Plan, label: str) -> str:
    return plan.classes[label].template or plan.template


def queries(plan: Plan, label: str) -> list[Query]:
    """What is asked for a class, each text once, without stray blanks."""
    cap, form = plan.classes[label].cap or plan.cap, template(plan, label)
    asked: dict[str, Query] = {}
    words = prefixes(plan, label) if "{prefix}" in form else [""]
    for term in terms(plan, label):
        for prefix in words:
            text = tidy(form.replace("{prefix}", prefix).replace("{term}", term))[:LONGEST_QUERY]
            asked.setdefault(text.casefold(), Query(label, text, tidy(prefix), cap))
    return list(asked.values())


def tidy(text: str) -> str:
    """The text without blanks at its ends and with one between words."""
    return " ".join(text.split())


def _checked_template(form: str) -> str:
    unknown = set(re.findall(r"{.*?}", form)) - {"{prefix}", "{term}"}
    if "{term}" not in form or unknown:
        wrong = f"has no place {' or '.join(sorted(unknown))}" if unknown else "lacks {term}"
        raise ValueError(f"'{form}' {wrong}; as in '{WHOLE_TEMPLATE}'")
    return form


def _check_name(name: str) -> None:
    """A class is a folder, and `dataset=folder` reads it."""
    wrong = (
        name != unicodedata.normalize("NFC", name).strip()
        or not name
        or len(name.encode()) > 100
        or name.startswith(".")
        or any(sign in '/\\:*?"<>|' or not sign.isprintable() for sign in name)
    )
    if wrong:
        raise ValueError(f"'{name}' cannot name a folder everywhere; letters, digits, '-' and '_'")
    if name.casefold() in PARTS:
        raise ValueError(f"'{name}' is the name of a part of a data set; choose another")
