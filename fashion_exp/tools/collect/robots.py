"""The opt-outs of web sites: robots.txt and X-Robots-Tag."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from protego import Protego
from urllib3.util import Url

from fashion_exp.tools.collect.rejections import Postponed, Rejected
from fashion_exp.tools.collect.url_guard import origin

AGENT = "fashion_exp"
"""Our user agent in robots.txt and X-Robots-Tag."""
MAX_ROBOTS_BYTES = 512 * 1024
"""RFC 9309 requires at least 500 KiB."""

_NO_TRAINING_RULES = frozenset({"noai", "noimageai"})
_RULES_WITH_VALUES = frozenset(
    {"max-snippet", "max-image-preview", "max-video-preview", "unavailable_after"}
)
"""A colon after one of these separates its value; after any other name, that name is an agent."""


class RobotsPolicy:
    """Applies robots.txt, which it reads once per site.

    `read` returns the body of a URL or raises like `Fetcher.get`; `set_interval` receives the host
    and its Crawl-delay in seconds.
    """

    def __init__(
        self, read: Callable[[str], bytes], set_interval: Callable[[str, float], None]
    ) -> None:
        self._read = read
        self._set_interval = set_interval
        self._rules: dict[str, Protego | Postponed] = {}

    def check(self, url: Url) -> None:
        """Raises `Rejected` if the site disallows the URL.

        Raises `Postponed` if robots.txt is unreachable: RFC 9309 then disallows every URL.
        """
        site = origin(url)
        if site not in self._rules:
            self._rules[site] = self._read_rules(url)
        rules = self._rules[site]
        if isinstance(rules, Postponed):
            raise rules
        if not rules.can_fetch(url.url, AGENT):
            raise Rejected("robots.txt", f"{url.host}: robots.txt disallows {url.path or '/'}")

    def _read_rules(self, url: Url) -> Protego | Postponed:
        try:
            body = self._read(f"{origin(url)}/robots.txt")
        except (Rejected, Postponed) as error:
            # RFC 9309: a site whose robots.txt is missing or denied disallows nothing.
            if not (isinstance(error, Rejected) and error.kind == "refused by the server"):
                return Postponed("robots.txt", f"{url.host}: robots.txt cannot be read: {error}")
            body = b""
        rules = Protego.parse(body.decode("utf-8", "replace"))
        if (delay := rules.crawl_delay(AGENT)) is not None:
            self._set_interval(str(url.host), delay)
        return rules


def training_opt_out(values: Sequence[str]) -> str | None:
    """The rule in X-Robots-Tag headers that forbids training, or None.

    "noai, noimageai" applies to every agent; in "somebot: noai, noindex" all rules apply to
    somebot only.
    """
    for value in values:
        agent = "*"
        for part in value.casefold().split(","):
            name, colon, rest = part.strip().partition(":")
            rule = part.strip()
            if colon and name.strip() not in _RULES_WITH_VALUES:
                agent, rule = name.strip(), rest.strip()
            if agent in ("*", AGENT) and rule in _NO_TRAINING_RULES:
                return rule
    return None
