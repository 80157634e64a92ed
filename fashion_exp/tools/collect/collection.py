"""One collection, as prose: class by class, what is offered is looked at once and remembered."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from fashion_exp.reporting.progress import Progress
from fashion_exp.tools.collect import image_store
from fashion_exp.tools.collect.candidate import Candidate, Provider
from fashion_exp.tools.collect.decoder import Decoder
from fashion_exp.tools.collect.formats import format_of
from fashion_exp.tools.collect.manifest import Manifest, Outcome, now
from fashion_exp.tools.collect.plan import Plan, Query, target
from fashion_exp.tools.collect.progress_counts import present, sound
from fashion_exp.tools.collect.rejections import Postponed, ProviderStopped, Rejected, TooLarge

Item = TypeVar("Item")


class Collection:
    """Adds to the folder `into`, whose `manifest` says what was done before."""

    def __init__(
        self,
        plan: Plan,
        into: Path,
        providers: Sequence[Provider],
        manifest: Manifest,
        decoder: Decoder,
        progress: Progress,
        largest: int,
    ) -> None:
        """`largest`: bytes of a file that the providers take."""
        self._largest = largest
        self._plan, self._into, self._providers = plan, into, providers
        self._manifest, self._decoder, self._progress = manifest, decoder, progress
        self.stopped: dict[str, str] = {}
        """Why a provider could not be asked any further, by its name."""

    def run(self) -> None:
        """Until each class has its target, or all that was offered is looked at."""
        there = present(self._manifest, self._into)
        for label in self._plan.classes:
            self._collect(label, len(sound(there, label)))

    def _collect(self, label: str, has: int) -> None:
        wanted = target(self._plan, label)
        asked = [(one, query) for one in self._providers for query in one.queries(label)]
        most = sum(query.cap for _, query in asked)
        tick = self._progress.stage(label, most)
        looked_at = 0
        # In turn, so that a class that is full early has its share of every colour.
        for provider, candidate in in_turn([self._offers(*pair) for pair in asked]):
            if has >= wanted:
                break
            has += self._look_at(provider, candidate)
            looked_at += 1
            tick(looked_at)
        tick(looked_at, looked_at)

    def _offers(self, provider: Provider, query: Query) -> Iterator[tuple[Provider, Candidate]]:
        """What a query finds, up to its cap: what it found before, then what it finds now."""
        left = query.cap
        for candidate in self._found(provider, query):
            yield provider, candidate
            left -= 1
            if left == 0:
                return

    def _found(self, provider: Provider, query: Query) -> Iterator[Candidate]:
        pages = 0
        if provider.remembered:
            listing = self._manifest.listing(provider.name, query.label, query.text)
            pages, known, last = listing.pages, list(listing.candidates), listing.last
            yield from known
            if last:
                return
        if provider.name in self.stopped:
            return
        try:
            for page in provider.pages(query, pages + 1):
                if provider.remembered:
                    self._manifest.add_page(provider.name, query.label, query.text, page)
                yield from page.candidates
        except ProviderStopped as stop:
            self.stopped[provider.name] = str(stop)

    def _look_at(self, provider: Provider, candidate: Candidate) -> bool:
        """Whether the class has one more by it."""
        known = self._manifest.outcome(candidate)
        if known is not None and known.status != "failed" and not self._fits_now(known):
            return False
        outcome = replace(self._outcome(provider, candidate), time=now())
        self._manifest.add(candidate, outcome)
        return outcome.status == "accepted"

    def _outcome(self, provider: Provider, candidate: Candidate) -> Outcome:
        seen = self._manifest.of_address(candidate.url)
        if seen is not None and seen.status == "rejected" and not self._fits_now(seen):
            return seen
        try:
            content, content_type = self._content(provider, candidate, seen)
            kind = format_of(content, content_type)
            picture = self._decoder.picture(content)
        except TooLarge as no:
            return Outcome("rejected", no.kind, str(no), bytes=no.most)
        except Rejected as no:
            return Outcome("rejected", no.kind, str(no))
        except Postponed as later:
            return Outcome("failed", later.kind, str(later))
        sha256 = hashlib.sha256(content).hexdigest()
        there = self._manifest.classes_with(sha256)
        if (same := there.get(candidate.label)) is not None:
            return replace(same, status="copy", kind="copy", reason=f"the same as {same.file}")
        found = Outcome(
            "accepted",
            file=image_store.keep(self._into, candidate.label, f"{sha256}{kind.ending}", content),
            bytes=len(content),
            width=picture.width,
            height=picture.height,
            sha256=sha256,
            pixels=picture.pixels,
        )
        if not there:
            return found
        others = " and ".join(sorted(there))
        return replace(found, status="conflict", kind="conflict", reason=f"also under {others}")

    def _fits_now(self, known: Outcome) -> bool:
        """Whether a file was too large for an earlier line, which took less than this one."""
        return known.status == "rejected" and 0 < known.bytes < self._largest

    def _content(
        self, provider: Provider, candidate: Candidate, seen: Outcome | None
    ) -> tuple[bytes, str | None]:
        """From our own folder, if the address was fetched before."""
        if seen is not None and (file := self._into / seen.file).is_file():
            return file.read_bytes(), None
        return provider.content(candidate)


def in_turn(sources: Iterable[Iterator[Item]]) -> Iterator[Item]:
    """The first of each source, then the second of each, and so on until all are empty."""
    waiting = deque(sources)
    while waiting:
        source = waiting.popleft()
        for item in source:
            yield item
            waiting.append(source)
            break
