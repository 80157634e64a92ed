"""The plan of a collection: classes, search terms, target sizes and providers."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from fashion_exp.data.sources.parts import part_of_name

DEFAULT_TEMPLATE = "{prefix} {term}"
MAX_QUERY_LENGTH = 200
"""Characters; Openverse cuts longer queries."""

Licence = Literal["cc0", "pdm", "by", "by-sa", "by-nc", "by-nd", "by-nc-sa", "by-nc-nd"]
"""Openverse's codes of open licenses; pdm is the Public Domain Mark."""


def normalize_spaces(text: str) -> str:
    """The text with single spaces between words and none at its ends."""
    return " ".join(text.split())


def _check_template(template: str) -> str:
    unknown = set(re.findall(r"{.*?}", template)) - {"{prefix}", "{term}"}
    if "{term}" not in template or unknown:
        problem = "lacks {term}"
        if unknown:
            problem = f"has the unknown placeholder {' and '.join(sorted(unknown))}"
        raise ValueError(f"'{template}' {problem}; example: '{DEFAULT_TEMPLATE}'")
    return template


Template = Annotated[str, AfterValidator(_check_template)]


class _StrictModel(BaseModel):
    """Rejects unknown keys and values of the wrong type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class OpenverseSource(_StrictModel):
    """Openly licensed images found by search terms on openverse.org."""

    kind: Literal["openverse"]
    licences: list[Licence] = Field(default=["cc0", "pdm", "by", "by-sa"], min_length=1)
    base: str = Field(default="https://api.openverse.org/v1/", pattern=r"^https?://\S+$")
    page_size: int = Field(default=20, ge=1, le=500)
    """Results per request; more than 20 require a token."""


class UrlsSource(_StrictModel):
    """A CSV file of image URLs and their classes."""

    kind: Literal["urls"]
    file: str = Field(min_length=1)


class FolderSource(_StrictModel):
    """A local folder with one subfolder per class."""

    kind: Literal["folder"]
    path: str = Field(min_length=1)
    licence: str = ""
    creator: str = ""


Source = Annotated[
    OpenverseSource | UrlsSource | FolderSource,
    Field(discriminator="kind"),
    BeforeValidator(lambda value: {"kind": value} if isinstance(value, str) else value),
]


class ClassPlan(_StrictModel):
    """The search for one class; None means the default of the plan."""

    terms: list[str] = Field(default=[], max_length=100)
    prefixes: list[str] | None = None
    template: Template | None = None
    cap: int | None = Field(None, ge=1)
    target: int | None = Field(None, ge=1)

    @field_validator("terms")
    @classmethod
    def _reject_empty_terms(cls, terms: list[str]) -> list[str]:
        if any(not term.strip() for term in terms):
            raise ValueError("an empty term matches any image; fill it in or delete it")
        return terms


def _expand_class(value: Any) -> Any:
    """Expands the short forms `dress:`, `dress: gown` and `dress: [dress, gown]`."""
    if value is None:
        return {}
    if isinstance(value, str):
        return {"terms": [value]}
    return {"terms": value} if isinstance(value, list) else value


@dataclass(frozen=True)
class Query:
    """One search; its prefix becomes an attribute of the images."""

    label: str
    text: str
    prefix: str
    cap: int
    """Maximum number of results to examine."""


class Plan(_StrictModel):
    """The content of a plan file."""

    classes: dict[str, Annotated[ClassPlan, BeforeValidator(_expand_class)]] = Field(min_length=1)
    providers: list[Source] = Field([OpenverseSource(kind="openverse")], min_length=1)
    prefixes: list[str] = [""]
    """Words before each term, usually colors; "" is a query without a prefix."""
    template: Template = DEFAULT_TEMPLATE
    cap: int = Field(100, ge=1)
    """Maximum number of results to examine per query."""
    target: int = Field(1000, ge=1)
    """Number of images per class."""
    attribute: str = Field("colour", pattern=r"^[a-z][a-z_]*$")
    """Column of `images.csv` that holds the prefix."""

    @field_validator("attribute")
    @classmethod
    def _reject_reserved_attribute(cls, attribute: str) -> str:
        if attribute in ("path", "label", "group", "part", "split"):
            raise ValueError("is the name of another column; choose a different name")
        return attribute

    @field_validator("classes")
    @classmethod
    def _check_class_names(cls, classes: dict[str, ClassPlan]) -> dict[str, ClassPlan]:
        for name in classes:
            _check_class_name(name)
        folded = [name.casefold() for name in classes]
        if duplicates := [name for name in classes if folded.count(name.casefold()) > 1]:
            raise ValueError(
                f"{' and '.join(duplicates)} are the same folder on some file systems; rename one"
            )
        return classes

    def target_of(self, label: str) -> int:
        return self.classes[label].target or self.target

    def terms_of(self, label: str) -> list[str]:
        return self.classes[label].terms or [label]

    def prefixes_of(self, label: str) -> list[str]:
        prefixes = self.classes[label].prefixes
        return (self.prefixes if prefixes is None else prefixes) or [""]

    def template_of(self, label: str) -> str:
        return self.classes[label].template or self.template

    def queries(self, label: str) -> list[Query]:
        """The distinct queries for a class, with normalized spaces."""
        cap, template = self.classes[label].cap or self.cap, self.template_of(label)
        prefixes = self.prefixes_of(label) if "{prefix}" in template else [""]
        queries: dict[str, Query] = {}
        for term in self.terms_of(label):
            for prefix in prefixes:
                filled = template.replace("{prefix}", prefix).replace("{term}", term)
                text = normalize_spaces(filled)[:MAX_QUERY_LENGTH]
                query = Query(label, text, normalize_spaces(prefix), cap)
                queries.setdefault(text.casefold(), query)
        return list(queries.values())


def _check_class_name(name: str) -> None:
    """A class name must be a valid folder name for `dataset=folder` on every platform."""
    is_invalid = (
        name != unicodedata.normalize("NFC", name).strip()
        or not name
        or len(name.encode()) > 100
        or name.startswith(".")
        or any(sign in '/\\:*?"<>|' or not sign.isprintable() for sign in name)
    )
    if is_invalid:
        raise ValueError(
            f"'{name}' is not a valid folder name on every system; use letters, digits, '-' and '_'"
        )
    if part_of_name(name):
        raise ValueError(f"'{name}' is the name of a part of a dataset; choose another name")
