"""The interface of image providers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from fashion_exp.tools.collect.plan import Query


@dataclass(frozen=True)
class Candidate:
    """An image that a provider offers, with its source. All texts are untrusted."""

    url: str
    label: str
    query: str
    rank: int
    """Position in the results of the query, from 1."""
    provider: str
    attributes: dict[str, str] = field(default_factory=dict)
    landing_page: str = ""
    """URL of the web page that shows the image."""
    title: str = ""
    creator: str = ""
    creator_url: str = ""
    licence: str = ""
    licence_url: str = ""
    attribution: str = ""
    group: str = ""
    """Id of the source photo, if a URL list states it."""


@dataclass(frozen=True)
class Page:
    """One page of search results."""

    candidates: list[Candidate]
    is_last: bool


class Provider(Protocol):
    """Answers queries page by page, best results first, in a reproducible order."""

    name: str
    """Contains every setting that affects the results, because cached pages are keyed by it."""
    has_cached_pages: bool
    """Whether the manifest caches the pages; false if listing is free."""

    def queries(self, label: str) -> Sequence[Query]:
        """The queries for a class."""
        ...

    def pages(self, query: Query, first: int) -> Iterator[Page]:
        """The result pages from number `first` (counted from 1). Raises `ProviderStopped`."""
        ...

    def fetch(self, candidate: Candidate) -> tuple[bytes, str | None]:
        """The file and its declared content type (None for local files).

        Raises `Rejected` and `Postponed`.
        """
        ...
