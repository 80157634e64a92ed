"""Providers that search nothing: a list of addresses, and a folder of this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from fashion_exp.data.csv_lists import read_list
from fashion_exp.data.image_files import opened
from fashion_exp.data.sources import walk
from fashion_exp.data.table import UnreadableImage
from fashion_exp.errors import InputError, suggest
from fashion_exp.tools.collect.candidate import Candidate, Page
from fashion_exp.tools.collect.fetching import Fetcher
from fashion_exp.tools.collect.plan import FolderSource, Plan, Query
from fashion_exp.tools.collect.rejections import Postponed, TooLarge

_FACTS = (
    "landing_page", "title", "creator", "creator_url", "licence", "licence_url", "attribution",
    "group",
)  # fmt: skip
"""Columns of a list that are kept as they are; `url` and `class` are needed."""


class Listed:
    """The addresses of a CSV file: `url`, `class`, if wanted the plan's attribute and `_FACTS`."""

    remembered = False

    def __init__(self, file: Path, plan: Plan, fetcher: Fetcher, most: int) -> None:
        """Raises `InputError` for what is no such list."""
        self._fetcher, self._most = fetcher, most
        self._file = file.name
        self.name = f"urls {file.name}"
        self._rows = [
            Candidate(
                url=row["url"],
                label=row["class"],
                query=file.name,
                rank=rank,
                provider="urls",
                attributes={key: row[key] for key in [plan.attribute] if row.get(key)},
                **{fact: row.get(fact, "") for fact in _FACTS},
            )
            for rank, row in enumerate(_rows(file, plan), start=1)
        ]

    def queries(self, label: str) -> Sequence[Query]:
        mine = sum(row.label == label for row in self._rows)
        return [Query(label, self._file, "", mine)] if mine else []

    def pages(self, query: Query, first: int) -> Iterator[Page]:
        yield Page([row for row in self._rows if row.label == query.label], last=True)

    def content(self, candidate: Candidate) -> tuple[bytes, str | None]:
        return self._fetcher.picture(candidate.url, self._most)


class Folder:
    """The pictures below a folder's class folders."""

    remembered = False

    def __init__(self, root: Path, source: FolderSource, plan: Plan, most: int) -> None:
        """Raises `InputError` if there is no such folder, or none of a class in it."""
        self._most = most
        self._root = root.name
        self.name = f"folder {root.name}"
        walk.existing_folder("the plan's folder", str(root))
        self._files: dict[str, list[Candidate]] = {}
        self._paths: dict[str, Path] = {}
        for label in plan.classes:
            below = walk.files_below(root / label, root) if (root / label).is_dir() else ()
            pictures = [path for path, _ in below if walk.has_image_ending(path.name)]
            # An address cannot be turned back into every name that a disk knows.
            self._paths |= {_address(path): path for path in pictures}
            self._files[label] = [
                Candidate(
                    url=_address(path),
                    label=label,
                    query=root.name,
                    rank=rank,
                    provider="folder",
                    creator=source.creator,
                    licence=source.licence,
                )
                for rank, path in enumerate(pictures, start=1)
            ]
        if not any(self._files.values()):
            raise InputError(
                f"{root}: has no pictures below folders named {', '.join(plan.classes)}"
            )

    def queries(self, label: str) -> Sequence[Query]:
        mine = len(self._files[label])
        return [Query(label, self._root, "", mine)] if mine else []

    def pages(self, query: Query, first: int) -> Iterator[Page]:
        yield Page(self._files[query.label], last=True)

    def content(self, candidate: Candidate) -> tuple[bytes, str | None]:
        try:
            with opened(str(self._paths[candidate.url])) as file:
                content = file.read(self._most + 1)
        except (UnreadableImage, OSError) as error:
            raise Postponed("unreadable", str(error)) from error
        if len(content) > self._most:
            raise TooLarge(self._most)
        return content, None


def _address(path: Path) -> str:
    return Path(os.path.abspath(path)).as_uri()


def _rows(file: Path, plan: Plan) -> Iterator[Mapping[str, str]]:
    for row in read_list(file, ("url", "class"), (plan.attribute, *_FACTS)):
        if row.cells["class"] not in plan.classes:
            hint = suggest(row.cells["class"], plan.classes)
            raise InputError(f"{row.where}: the plan has no class '{row.cells['class']}'; {hint}")
        if not row.cells["url"]:
            raise InputError(f"{row.where}: has no url; fill it in or delete the line")
        yield row.cells
