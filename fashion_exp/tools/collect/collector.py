"""The main loop of a collection: search, download, check and save images class by class."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import TypeVar

from rich.console import Console

from fashion_exp.atomic_io import timestamp
from fashion_exp.data.regular_files import open_regular_file
from fashion_exp.data.table import UnreadableImageError
from fashion_exp.reporting.progress import Progress
from fashion_exp.tools.collect.collection_folder import (
    check_overwrite,
    lock_folder,
    save_image,
    write_attribution,
    write_image_list,
)
from fashion_exp.tools.collect.decoder import Decoder, detect_format
from fashion_exp.tools.collect.fetcher import Fetcher
from fashion_exp.tools.collect.local_providers import LocalFolder, UrlList
from fashion_exp.tools.collect.manifest import Manifest, Outcome
from fashion_exp.tools.collect.openverse import Openverse
from fashion_exp.tools.collect.plan import OpenverseSource, Plan, Query, UrlsSource
from fashion_exp.tools.collect.plan_file import PlanFile
from fashion_exp.tools.collect.provider import Candidate, Provider
from fashion_exp.tools.collect.rejections import Postponed, ProviderStopped, Rejected, TooLarge
from fashion_exp.tools.collect.summary import ClassSummary, summarize, write_page

Item = TypeVar("Item")


def create_providers(
    file: PlanFile, fetcher: Fetcher, max_bytes: int, token: str
) -> list[Provider]:
    """The providers of a plan. `max_bytes`: largest image file. `token`: for Openverse.

    Raises `InputError` if a URL list or a folder is missing or invalid.
    """
    providers: list[Provider] = []
    for source in file.plan.providers:
        if isinstance(source, OpenverseSource):
            providers.append(Openverse(source, file.plan, fetcher, max_bytes, token))
        elif isinstance(source, UrlsSource):
            providers.append(UrlList(file.resolve(source.file), file.plan, fetcher, max_bytes))
        else:
            providers.append(LocalFolder(file.resolve(source.path), source, file.plan, max_bytes))
    return providers


@dataclass(frozen=True)
class CollectionResult:
    page: Path
    summaries: list[ClassSummary]
    conflicts: list[list[str]]
    """For each image in several classes its files."""
    stop_messages: list[str]
    """Why providers stopped early."""


def collect(
    plan: Plan, folder: Path, providers: Sequence[Provider], max_bytes: int, console: Console
) -> CollectionResult:
    """Adds images to a folder until each class has its target or no candidates are left.

    Writes the lists of images and creators, even if interrupted, and the page. `max_bytes`: the
    largest image file, as given to the providers. `console` shows the progress. Raises
    `InputError` if the folder is locked, not writable or not a collection.
    """
    check_overwrite(folder)
    with lock_folder(folder), Manifest(folder) as manifest, Decoder() as decoder:
        with Progress(console) as progress:
            collector = _Collector(plan, folder, providers, manifest, decoder, progress, max_bytes)
            try:
                collector.run()
            finally:
                entries = manifest.entries_with_file()
                write_image_list(folder, entries, plan.attribute)
                write_attribution(folder, entries)
        summaries = summarize(plan, manifest)
        return CollectionResult(
            write_page(plan, manifest, decoder, folder, summaries),
            summaries,
            [list(files.values()) for files in manifest.conflicts()],
            list(collector.stop_messages.values()),
        )


@dataclass
class _Collector:
    """The state of one run."""

    plan: Plan
    folder: Path
    providers: Sequence[Provider]
    manifest: Manifest
    decoder: Decoder
    progress: Progress
    max_bytes: int
    stop_messages: dict[str, str] = field(default_factory=dict)
    """Why a provider stopped, by its name."""

    def run(self) -> None:
        accepted = self.manifest.accepted_hashes()
        for label in self.plan.classes:
            self._collect_class(label, len(accepted.get(label, ())))

    def _collect_class(self, label: str, accepted: int) -> None:
        searches = [
            (provider, query) for provider in self.providers for query in provider.queries(label)
        ]
        update = self.progress.stage(label, sum(query.cap for _, query in searches))
        examined = 0
        # Alternate between the queries, so that a class gets equally many images of each color.
        for provider, candidate in round_robin(self._candidates(*search) for search in searches):
            if accepted >= self.plan.target_of(label):
                break
            accepted += self._process(provider, candidate)
            examined += 1
            update(examined)
        update(examined, examined)

    def _candidates(self, provider: Provider, query: Query) -> Iterator[tuple[Provider, Candidate]]:
        """The first `cap` results of a query: cached ones, then new ones."""
        for candidate in islice(self._results(provider, query), query.cap):
            yield provider, candidate

    def _results(self, provider: Provider, query: Query) -> Iterator[Candidate]:
        pages = 0
        if provider.has_cached_pages:
            cached = self.manifest.cached_results(provider.name, query.label, query.text)
            # Copied, because add_page() below changes the cached results.
            pages, is_complete = cached.pages, cached.is_complete
            yield from list(cached.candidates)
            if is_complete:
                return
        if provider.name in self.stop_messages:
            return
        try:
            for page in provider.pages(query, pages + 1):
                if provider.has_cached_pages:
                    self.manifest.add_page(provider.name, query.label, query.text, page)
                yield from page.candidates
        except ProviderStopped as error:
            self.stop_messages[provider.name] = str(error)

    def _process(self, provider: Provider, candidate: Candidate) -> bool:
        """Whether the class gains an image."""
        previous = self.manifest.outcome(candidate)
        if previous is not None and previous.status != "failed" and not self._fits_now(previous):
            return False
        outcome = replace(self._outcome(provider, candidate), time=timestamp())
        self.manifest.add(candidate, outcome)
        return outcome.status == "accepted"

    def _outcome(self, provider: Provider, candidate: Candidate) -> Outcome:
        previous = self.manifest.outcome_of_url(candidate.url)
        if previous and previous.status == "rejected" and not self._fits_now(previous):
            return previous
        try:
            content, content_type = self._content(provider, candidate, previous)
            suffix = detect_format(content, content_type)
            image = self.decoder.decode(content)
        except TooLarge as error:
            return Outcome("rejected", error.kind, str(error), bytes=error.max_bytes)
        except Rejected as error:
            return Outcome("rejected", error.kind, str(error))
        except Postponed as error:
            return Outcome("failed", error.kind, str(error))
        sha256 = hashlib.sha256(content).hexdigest()
        existing = self.manifest.outcomes_by_class(sha256)
        if (same := existing.get(candidate.label)) is not None:
            return replace(same, status="copy", kind="copy", reason=f"identical to {same.file}")
        name = f"{sha256}{suffix}"
        outcome = Outcome(
            "accepted",
            file=save_image(self.folder, candidate.label, name, content),
            bytes=len(content),
            width=image.width,
            height=image.height,
            sha256=sha256,
            pixels=image.pixels,
        )
        if not existing:
            return outcome
        classes = " and ".join(sorted(existing))
        return replace(outcome, status="conflict", kind="conflict", reason=f"also in {classes}")

    def _fits_now(self, previous: Outcome) -> bool:
        """Whether a file exceeded the smaller size limit of an earlier run."""
        return previous.status == "rejected" and 0 < previous.bytes < self.max_bytes

    def _content(
        self, provider: Provider, candidate: Candidate, previous: Outcome | None
    ) -> tuple[bytes, str | None]:
        """The file, from the collection if its URL was fetched before."""
        if previous is not None and previous.file:
            with (
                suppress(UnreadableImageError),
                open_regular_file(self.folder / previous.file) as saved,
            ):
                return saved.read(), None
        return provider.fetch(candidate)


def round_robin(iterators: Iterable[Iterator[Item]]) -> Iterator[Item]:
    """Yields the first item of each iterator, then the second of each, until all are empty."""
    remaining = deque(iterators)
    while remaining:
        iterator = remaining.popleft()
        for item in iterator:
            yield item
            remaining.append(iterator)
            break
