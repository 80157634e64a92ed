"""Image search with Openverse (api.openverse.org, version 1)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode, urlsplit

from fashion_exp.tools.collect.decoder import ACCEPT
from fashion_exp.tools.collect.fetcher import Fetcher
from fashion_exp.tools.collect.plan import OpenverseSource, Plan, Query
from fashion_exp.tools.collect.provider import Candidate, Page
from fashion_exp.tools.collect.rejections import Postponed, ProviderStopped, Rejected, sanitize

TOKEN_VARIABLE = "OPENVERSE_TOKEN"
"""Environment variable with an access token, which raises the rate limits."""
_MAX_PAGE_BYTES = 8 << 20
_OFFLINE_HINT = (
    "without internet, use 'kind: folder' for local images, or 'kind: urls' with --allow-address "
    "for a server in your network"
)


class Openverse:
    """The provider. `max_bytes`: largest image file. `token`: access token; "" is anonymous."""

    has_cached_pages = True

    def __init__(
        self, source: OpenverseSource, plan: Plan, fetcher: Fetcher, max_bytes: int, token: str
    ) -> None:
        self._source, self._plan = source, plan
        self._fetcher, self._max_bytes = fetcher, max_bytes
        self._secret_headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._base = source.base.rstrip("/")
        self._licences = ",".join(sorted(source.licences))
        self.name = f"openverse {self._base} {self._licences} {source.page_size}"

    def queries(self, label: str) -> Sequence[Query]:
        return self._plan.queries(label)

    def pages(self, query: Query, first: int) -> Iterator[Page]:
        """Leaves out results with another license. `Candidate.licence` is such as "by-sa 2.0"."""
        number, is_last = first, False
        while not is_last:
            response = self._search(query, number)
            try:
                results, page_count = list(response["results"]), int(response["page_count"])
                candidates = [self._candidate(result, query) for result in results]
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise self._stopped("the response does not have Openverse's format") from error
            first_rank = (number - 1) * self._source.page_size + 1
            ranked = [
                replace(candidate, rank=rank)
                for rank, candidate in enumerate(candidates, start=first_rank)
                if candidate is not None
            ]
            is_last = number >= page_count or not results
            yield Page(ranked, is_last)
            number += 1

    def fetch(self, candidate: Candidate) -> tuple[bytes, str | None]:
        return self._fetcher.get(candidate.url, self._max_bytes, ACCEPT)

    def _search(self, query: Query, page: int) -> Any:
        parameters = {
            "q": query.text,
            "license": self._licences,
            "page": page,
            "page_size": self._source.page_size,
        }
        address = f"{self._base}/images/?{urlencode(parameters)}"
        try:
            content, _ = self._fetcher.get(
                address, _MAX_PAGE_BYTES, "application/json", self._secret_headers,
                obey_robots=False,
            )  # fmt: skip
            return json.loads(content)
        except Postponed as error:
            remedy = "run the same command again to continue"
            if error.kind == "busy":
                remedy += f"; a token in {TOKEN_VARIABLE} raises the limits"
            elif error.kind == "unreachable":
                remedy = _OFFLINE_HINT
            raise self._stopped(f"{error}; {remedy}") from error
        except Rejected as error:
            raise self._stopped(f"{error}; check the token and the page size") from error
        except ValueError as error:
            raise self._stopped("the response is not JSON") from error

    def _candidate(self, result: Mapping[str, Any], query: Query) -> Candidate | None:
        """None if the result has no URL or a license that the plan does not allow."""

        def text(key: str) -> str:
            return sanitize(str(result.get(key) or ""), 2000)

        if not text("url") or text("license") not in self._source.licences:
            return None
        return Candidate(
            url=text("url"),
            label=query.label,
            query=query.text,
            rank=0,
            provider="openverse",
            attributes={self._plan.attribute: query.prefix} if query.prefix else {},
            landing_page=text("foreign_landing_url"),
            title=text("title"),
            creator=text("creator"),
            creator_url=text("creator_url"),
            licence=f"{text('license')} {text('license_version')}".strip(),
            licence_url=text("license_url"),
            attribution=text("attribution"),
        )

    def _stopped(self, message: str) -> ProviderStopped:
        return ProviderStopped(f"openverse ({urlsplit(self._base).hostname}): {message}")
