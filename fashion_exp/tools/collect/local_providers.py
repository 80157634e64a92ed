"""Providers without a search: a CSV file of URLs, and a local folder."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from fashion_exp.data.csv_lists import read_csv_rows
from fashion_exp.data.regular_files import open_regular_file
from fashion_exp.data.sources import walk
from fashion_exp.data.sources.classes import normalize_name
from fashion_exp.data.table import UnreadableImageError
from fashion_exp.errors import InputError, suggest
from fashion_exp.tools.collect.decoder import ACCEPT
from fashion_exp.tools.collect.fetcher import Fetcher
from fashion_exp.tools.collect.plan import FolderSource, Plan, Query
from fashion_exp.tools.collect.provider import Candidate, Page
from fashion_exp.tools.collect.rejections import Postponed, TooLarge

_SOURCE_COLUMNS = (
    "landing_page", "title", "creator", "creator_url", "licence", "licence_url", "attribution",
    "group",
)  # fmt: skip
"""Optional columns of a URL list, copied to the candidates."""


class _CandidateList:
    """A provider whose candidates are listed in advance: one query per class with one page."""

    has_cached_pages = False

    def __init__(self, kind: str, source: Path, candidates: Sequence[Candidate]) -> None:
        self.name = f"{kind} {source.name}"
        self._source_name = source.name
        self._candidates = candidates

    def queries(self, label: str) -> Sequence[Query]:
        count = sum(candidate.label == label for candidate in self._candidates)
        return [Query(label, self._source_name, "", count)] if count else []

    def pages(self, query: Query, first: int) -> Iterator[Page]:
        yield Page([item for item in self._candidates if item.label == query.label], is_last=True)


class UrlList(_CandidateList):
    """A CSV file with the columns `url` and `class`; optional are the plan's attribute and
    `_SOURCE_COLUMNS`."""

    def __init__(self, file: Path, plan: Plan, fetcher: Fetcher, max_bytes: int) -> None:
        """Raises `InputError` if the file is not such a list."""
        self._fetcher, self._max_bytes = fetcher, max_bytes
        candidates = [
            Candidate(
                url=row["url"],
                label=row["class"],
                query=file.name,
                rank=rank,
                provider="urls",
                attributes={key: row[key] for key in [plan.attribute] if row.get(key)},
                **{column: row.get(column, "") for column in _SOURCE_COLUMNS},
            )
            for rank, row in enumerate(_read_rows(file, plan), start=1)
        ]
        super().__init__("urls", file, candidates)

    def fetch(self, candidate: Candidate) -> tuple[bytes, str | None]:
        return self._fetcher.get(candidate.url, self._max_bytes, ACCEPT)


class LocalFolder(_CandidateList):
    """The images in a folder with one subfolder per class."""

    def __init__(self, root: Path, source: FolderSource, plan: Plan, max_bytes: int) -> None:
        """Raises `InputError` if the folder does not exist or has no images of any class."""
        self._max_bytes = max_bytes
        self._paths: dict[str, Path] = {}
        """By URL, because a URL does not convert back to a path if its name is not UTF-8."""
        walk.existing_folder("the plan's folder", str(root))
        candidates = []
        for label in plan.classes:
            folders = [f for f in walk.subfolders(root) if normalize_name(f.name) == label]
            files = [path for folder in folders for path, _ in walk.walk_files(folder, root)]
            paths = [path for path in files if walk.is_image(path)]
            for rank, path in enumerate(paths, start=1):
                url = Path(os.path.abspath(path)).as_uri()
                self._paths[url] = path
                candidates.append(
                    Candidate(
                        url, label, root.name, rank, "folder",
                        creator=source.creator, licence=source.licence,
                    )
                )  # fmt: skip
        if not candidates:
            raise InputError(f"{root}: has no images in subfolders named {', '.join(plan.classes)}")
        super().__init__("folder", root, candidates)

    def fetch(self, candidate: Candidate) -> tuple[bytes, str | None]:
        try:
            with open_regular_file(str(self._paths[candidate.url])) as file:
                content = file.read(self._max_bytes + 1)
        except (UnreadableImageError, OSError) as error:
            raise Postponed("unreadable", str(error)) from error
        if len(content) > self._max_bytes:
            raise TooLarge(self._max_bytes)
        return content, None


def _read_rows(file: Path, plan: Plan) -> Iterator[Mapping[str, str]]:
    for row in read_csv_rows(file, ("url", "class"), (plan.attribute, *_SOURCE_COLUMNS)):
        if row.cells["class"] not in plan.classes:
            hint = suggest(row.cells["class"], plan.classes)
            raise InputError(
                f"{row.location}: the plan has no class '{row.cells['class']}'; {hint}"
            )
        if not row.cells["url"]:
            raise InputError(f"{row.location}: the url is empty; fill it in or delete the line")
        yield row.cells
