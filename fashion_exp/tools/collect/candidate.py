"""What a provider offers, and the protocol by which it does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from fashion_exp.tools.collect.plan import Query


@dataclass(frozen=True)
class Candidate:
    """A picture that might be taken, with where it comes from. Texts are a stranger's own."""

    url: str
    label: str
    query: str
    rank: int
    """Place among what the query found, from 1."""
    provider: str
    attributes: dict[str, str] = field(default_factory=dict)
    landing_page: str = ""
    """The page that shows it to people."""
    title: str = ""
    creator: str = ""
    creator_url: str = ""
    licence: str = ""
    licence_url: str = ""
    attribution: str = ""
    group: str = ""
    """The source photo, if a list states it."""


@dataclass(frozen=True)
class Page:
    candidates: list[Candidate]
    last: bool


class Provider(Protocol):
    """Answers queries page by page, the best first; the same again if asked again."""

    name: str
    """With everything that decides the answers: pages are remembered by it."""
    remembered: bool
    """Whether pages that were had need not be asked for again; false where asking costs nothing."""

    def queries(self, label: str) -> Sequence[Query]:
        """What it is to be asked for a class."""
        ...

    def pages(self, query: Query, first: int) -> Iterator[Page]:
        """Pages from the `first`th (from 1) on. Raises `ProviderStopped`."""
        ...

    def content(self, candidate: Candidate) -> tuple[bytes, str | None]:
        """The file and the content type it came with, None where files have none.

        Raises `Rejected` and `Postponed`.
        """
        ...
