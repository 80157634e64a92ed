"""What a site does not want fetched: its robots.txt, and its answers' X-Robots-Tag."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from protego import Protego
from urllib3.util import Url

from fashion_exp.tools.collect.rejections import Postponed, Rejected
from fashion_exp.tools.collect.url_guard import origin

AGENT = "fashion_exp"
"""Our name in robots.txt and X-Robots-Tag."""

NO_TRAINING = frozenset({"noai", "noimageai"})
_WITH_VALUES = frozenset(
    {"max-snippet", "max-image-preview", "max-video-preview", "unavailable_after"}
)
"""Rules with a colon, which name no agent."""

LARGEST = 512 * 1024
"""Bytes of a robots.txt; RFC 9309 wants 500 KiB read at least."""


class Robots:
    """Asks each site once. `read` gives the body of an address, or raises as `Fetcher.get` does;
    `slow` is told the seconds between requests that a site wants."""

    def __init__(self, read: Callable[[str], bytes], slow: Callable[[str, float], None]) -> None:
        self._read = read
        self._slow = slow
        self._rules: dict[str, Protego | Postponed] = {}

    def check(self, url: Url) -> None:
        """Raises `Rejected` where the site disallows the link to us; `Postponed` where its
        robots.txt cannot be read now, which by RFC 9309 means that nothing may be fetched."""
        site = origin(url)
        if site not in self._rules:
            self._rules[site] = self._ask(url)
        rules = self._rules[site]
        if isinstance(rules, Postponed):
            raise rules
        if not rules.can_fetch(url.url, AGENT):
            raise Rejected("robots.txt", f"{url.host}: robots.txt disallows {url.path or '/'}")

    def _ask(self, url: Url) -> Protego | Postponed:
        try:
            body = self._read(f"{origin(url)}/robots.txt")
        except Rejected as no:
            if no.kind != "refused by the server":
                return Postponed("robots.txt", f"{url.host}: robots.txt cannot be read: {no}")
            body = b""  # RFC 9309: a site without one, or that denies it, disallows nothing
        except Postponed as later:
            return Postponed("robots.txt", f"{url.host}: robots.txt cannot be read: {later}")
        rules = Protego.parse(body.decode("utf-8", "replace"))
        if (delay := rules.crawl_delay(AGENT)) is not None:
            self._slow(str(url.host), delay)
        return rules


def opted_out(values: Sequence[str]) -> str | None:
    """The rule by which X-Robots-Tag headers keep a picture from training; None if there is none.

    "noai, noimageai" is for all; "somebot: noai" for that agent and for what follows in the line.
    """
    for value in values:
        agent = "*"
        for part in value.casefold().split(","):
            name, colon, rest = part.strip().partition(":")
            if colon and name.strip() not in _WITH_VALUES:
                agent, rule = name.strip(), rest.strip()
            else:
                rule = part.strip()
            if agent in ("*", AGENT) and rule in NO_TRAINING:
                return rule
    return None
