"""Openverse: openly licensed pictures by words (api.openverse.org, version 1)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode, urlsplit

from fashion_exp.tools.collect import plan as plans
from fashion_exp.tools.collect.candidate import Candidate, Page
from fashion_exp.tools.collect.fetching import Fetcher
from fashion_exp.tools.collect.plan import OpenverseSource, Plan, Query
from fashion_exp.tools.collect.rejections import Postponed, ProviderStopped, Rejected, printable

TOKEN = "OPENVERSE_TOKEN"
"""Environment variable of an access token, without which the limits are narrow."""
_LARGEST_PAGE = 8 << 20
"""Bytes."""
OFFLINE = (
    "without internet, 'kind: folder' takes pictures of this machine, and 'kind: urls' those of a "
    "server on your network with --allow-address"
)


class Openverse:
    """The provider. `most`: bytes of a picture; `token`: "" asks anonymously."""

    remembered = True

    def __init__(
        self, source: OpenverseSource, plan: Plan, fetcher: Fetcher, most: int, token: str
    ) -> None:
        self._source, self._plan, self._fetcher, self._most = source, plan, fetcher, most
        self._secret = {"Authorization": f"Bearer {token}"} if token else {}
        self._base = source.base.rstrip("/")
        self._host = urlsplit(source.base).hostname
        self._licences = ",".join(sorted(source.licences))
        self.name = f"openverse {self._base} {self._licences} {source.page_size}"

    def queries(self, label: str) -> Sequence[Query]:
        return plans.queries(self._plan, label)

    def pages(self, query: Query, first: int) -> Iterator[Page]:
        """`Candidate.licence` is as in "by-sa 2.0"; other licences than asked for are left out."""
        number, last = first, False
        while not last:
            found = self._ask(query, number)
            try:
                results, pages = list(found["results"]), int(found["page_count"])
                start = (number - 1) * self._source.page_size
                offered = [self._candidate(one, query) for one in results]
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise self._stopped("answers in a form that is not Openverse's") from error
            ranked = [
                replace(one, rank=start + place)
                for place, one in enumerate(offered, start=1)
                if one is not None
            ]
            last = number >= pages or not results
            yield Page(ranked, last)
            number += 1

    def content(self, candidate: Candidate) -> tuple[bytes, str | None]:
        return self._fetcher.picture(candidate.url, self._most)

    def _ask(self, query: Query, page: int) -> Any:
        asked = {
            "q": query.text,
            "license": self._licences,
            "page": page,
            "page_size": self._source.page_size,
        }
        address = f"{self._base}/images/?{urlencode(asked)}"
        try:
            fetched = self._fetcher.get(
                address, _LARGEST_PAGE, "application/json", self._secret, ask_robots=False
            )
            return json.loads(fetched.content)
        except Postponed as later:
            if later.kind == "busy":
                raise self._stopped(
                    f"{later}; the same line goes on from here then; a token in {TOKEN} has wider "
                    "limits"
                ) from later
            remedy = OFFLINE if later.kind == "unreachable" else "the same line asks again"
            raise self._stopped(f"{later}; {remedy}") from later
        except Rejected as no:
            raise self._stopped(f"{no}; is the token or the page size right?") from no
        except ValueError as error:
            raise self._stopped("answers with something that is not JSON") from error

    def _candidate(self, told: Mapping[str, Any], query: Query) -> Candidate | None:
        """What one result says; None where it lacks an address or has another licence."""

        def text(key: str) -> str:
            return printable(str(told.get(key) or ""), 2000)

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

    def _stopped(self, why: str) -> ProviderStopped:
        return ProviderStopped(f"openverse ({self._host}): {why}")
