"""An index of photos: vectors and attributes in a LanceDB table, on disk or on shared storage.

LanceDB filters before it searches, updates rows in place, keeps vectors on disk, and opens a folder
and object storage (s3://, gs://, az://) alike.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from fashion_exp.errors import InputError, redact_credentials, suggest
from fashion_exp.paths import expand_user
from fashion_exp.retrieval.filters import as_sql

os.environ.setdefault("LANCEDB_LOG", "error")  # read when the library is imported

import lancedb

PHOTOS, ABOUT = "photos", "about"
IMAGENET = ("imagenet_classes", "imagenet_shares")
"""The ImageNet classes with the highest probabilities, and these."""
IMAGENET_KEPT = 10
_ARRAYS = ("vector", *IMAGENET)
"""Columns with several numbers per photo, which no condition can name."""
VERSION = 1
EXACT_ROWS = 100_000
"""Up to so many photos every vector is compared; more are searched through an index of vectors."""
REFINE_FACTOR = 20
PROBES = 40
"""Of an index of vectors: partitions searched, and candidates per result compared exactly."""


@dataclass(frozen=True)
class About:
    """What an index was built with."""

    by: tuple[str, ...]
    """The run or the networks, as the user named them."""
    identity: list[dict[str, str]]
    """Of the networks: `Embedder.identity`."""
    classes: tuple[str, ...]
    """Of the run; empty for networks without one."""
    center: list[float]
    """Mean of the features at the first build, which is subtracted from every vector."""
    sources: tuple[str, ...]
    """The photos, as the user named them."""
    attributes: tuple[str, ...]
    """Names of the columns from the user's list."""
    attribute_list: str | None
    """The list, as the user named it."""
    colors_by: str
    """Hash of the code that measured the colors."""
    weights: Mapping[str, str] = field(default_factory=dict)
    """Files of weights of networks, by their names."""
    imagenet: Sequence[str] = ()
    """Names and definition of each class of ImageNet, if a network has its classifier."""
    version: int = VERSION


class PhotoIndex:
    """One photo per row, by image id. Vectors have unit length."""

    def __init__(self, location: str, database: Any, about: About) -> None:
        self.location, self.about, self._database = location, about, database
        self._table = database.open_table(PHOTOS)

    def __len__(self) -> int:
        return int(self._table.count_rows())

    @property
    def columns(self) -> list[str]:
        """Names of all columns with one value per photo."""
        return [name for name in self._table.schema.names if name not in _ARRAYS]

    @property
    def center(self) -> np.ndarray:
        return np.array(self.about.center, np.float32)

    def rows(self, columns: Sequence[str], where: str | None = None) -> pd.DataFrame:
        """These columns of all photos, or of those that a condition holds for."""
        query = self._table.search().select(list(columns)).limit(len(self))
        return self._arrow(query, where).to_pandas()

    def rows_of(self, column: str, values: Sequence[str], columns: Sequence[str]) -> pa.Table:
        """These columns of the photos whose `column` has one of the texts."""
        if not len(values):
            return self._table.schema.empty_table().select(list(columns))
        quoted = ", ".join("'" + value.replace("'", "''") + "'" for value in dict.fromkeys(values))
        query = self._table.search().select(list(columns)).limit(len(self))
        return self._arrow(query, None, sql=f"`{column}` IN ({quoted})")

    def vectors(self, image_ids: Sequence[str]) -> np.ndarray:
        """float32 (n, width). Raises `InputError` for an id that the index does not have."""
        rows = self.rows_of("image_id", image_ids, ["image_id", "vector"])
        if missing := set(image_ids) - set(rows["image_id"].to_pylist()):
            raise InputError(f"{self.location}: has no photo {min(missing)}")
        by_id = dict(zip(rows["image_id"].to_pylist(), _matrix(rows["vector"]), strict=True))
        return np.stack([by_id[name] for name in image_ids])

    def all_vectors(self) -> tuple[list[str], np.ndarray]:
        """All image ids, sorted, and their vectors (n, width)."""
        rows = self._table.search().select(["image_id", "vector"]).limit(len(self)).to_arrow()
        order = np.argsort(rows["image_id"].to_numpy(zero_copy_only=False))
        return rows["image_id"].take(order).to_pylist(), _matrix(rows["vector"])[order]

    def nearest(
        self, vector: np.ndarray, count: int, columns: Sequence[str], where: str | None = None
    ) -> pd.DataFrame:
        """The `count` photos with the highest cosine to a vector among those that the condition
        holds for: the columns and `similarity`, best first."""
        query = self._table.search(np.asarray(vector, np.float32)).distance_type("cosine")
        if self._table.list_indices():
            query = query.nprobes(PROBES).refine_factor(REFINE_FACTOR)
        query = query.select([*columns, "_distance"]).limit(min(count, max(len(self), 1)))
        rows = self._arrow(query, where).to_pandas()
        return rows.assign(similarity=1 - rows.pop("_distance")).sort_values(
            ["similarity"], ascending=False, kind="stable", ignore_index=True
        )

    def replace_rows(self, rows: pa.Table, about: About) -> tuple[int, int, int]:
        """Makes these rows the content, built as `about` says; returns how many were added, changed
        and deleted."""
        before = self.rows(self.columns)
        after = rows.select(self.columns).to_pandas()
        changed = _changed(before, after)
        with _plain_errors(self.location):
            result = (
                self._table.merge_insert("image_id")
                .when_matched_update_all()
                .when_not_matched_insert_all()
                .when_not_matched_by_source_delete()
                .execute(rows)
            )
            _write_about(self._database, about)
        self.about = about
        self.optimize()
        return result.num_inserted_rows, changed, result.num_deleted_rows

    def takes(self, rows: pa.Table) -> bool:
        """Whether the rows have the columns of the index, with their types."""
        return bool(self._table.schema.equals(rows.schema))

    def delete(self) -> None:
        """Deletes the index, and its folder if nothing else is in it."""
        with _plain_errors(self.location):
            for name in (PHOTOS, ABOUT):
                self._database.drop_table(name)
        if not is_remote(self.location):
            with suppress(OSError):  # other files are not ours
                Path(self.location).rmdir()

    def optimize(self) -> None:
        """Removes what earlier versions of the table took; indexes the vectors of many photos."""
        if len(self) > EXACT_ROWS and not self._table.list_indices():
            self._table.create_index(vector_column_name="vector", metric="cosine",
                                     index_type="IVF_PQ")  # fmt: skip
        self._table.optimize()

    def _arrow(self, query: Any, where: str | None, sql: str | None = None) -> pa.Table:
        condition = sql or (as_sql(where, self._table.schema) if where else None)
        if condition:
            query = query.where(condition, prefilter=True)
        with _plain_errors(f"--where {where!r}" if where else self.location):
            return query.to_arrow()


def _changed(before: pd.DataFrame, after: pd.DataFrame) -> int:
    shared = before.merge(after, on="image_id", suffixes=("", " now"))
    differs = np.zeros(len(shared), bool)
    for name in after.columns.drop("image_id"):
        if name in before:
            old, new = shared[name], shared[f"{name} now"]
            differs |= ~((old == new) | (old.isna() & new.isna())).to_numpy()
    return int(differs.sum())


def create_index(location: str, rows: pa.Table, about: About) -> PhotoIndex:
    """A new index, in place of one that is there. Raises `InputError` for a folder with other
    files."""
    folder = None if is_remote(location) else Path(location)
    if folder is not None and folder.is_dir():
        others = [path.name for path in folder.iterdir() if path.suffix != ".lance"]
        if others:
            raise InputError(
                f"{location}: has other files, such as {min(others)}; name a new folder"
            )
    database = _connect(location)
    with _plain_errors(location):
        database.create_table(PHOTOS, rows, mode="overwrite")
        _write_about(database, about)
    index = PhotoIndex(location, database, about)
    index.optimize()
    return index


def _write_about(database: Any, about: About) -> None:
    rows = pa.table({"about": [json.dumps(asdict(about))]})
    database.create_table(ABOUT, rows, mode="overwrite")


def open_index(location: str) -> PhotoIndex:
    """Raises `InputError` if there is none, and for one of a later version of this package."""
    index = find_index(location)
    if index is None:
        raise InputError(
            f"{location}: no index; make one with `index build PHOTOS --by RUN --into {location}`"
        )
    return index


def find_index(location: str) -> PhotoIndex | None:
    """As `open_index`, but None if there is none."""
    if not is_remote(location) and not Path(location).is_dir():
        return None
    database = _connect(location)
    with _plain_errors(location):
        if not {PHOTOS, ABOUT} <= set(database.list_tables().tables):
            return None
        saved = json.loads(database.open_table(ABOUT).to_arrow()["about"][0].as_py())
        if saved["version"] > VERSION:
            raise InputError(f"{location}: written by a later version of this package; update it")
        lists = {key: tuple(value) for key, value in saved.items()
                 if key in ("by", "classes", "sources", "attributes")}  # fmt: skip
        return PhotoIndex(location, database, About(**{**saved, **lists}))


def index_location(option: str, outputs: Path) -> str:
    """An address as it is; a path, which has a slash, as absolute; a name as a folder of
    outputs/indexes."""
    if is_remote(option):
        return option.rstrip("/")
    if not option.strip():
        raise InputError("--in is empty: is a variable of the shell unset? name an index")
    path = expand_user(option, "--in")
    return str(outputs / "indexes" / option if path.name == option else path.resolve())


def is_remote(location: str) -> bool:
    return "://" in location


def known_indexes(outputs: Path) -> list[str]:
    return sorted(path.parent.name for path in (outputs / "indexes").glob(f"*/{ABOUT}.lance"))


def unknown_index(option: str, outputs: Path) -> InputError:
    names = known_indexes(outputs)
    hint = suggest(option, names) or "make one with `index build PHOTOS --by RUN`"
    return InputError(f"--in {option}: no such index; {hint}")


def _connect(location: str) -> Any:
    options: dict[str, str] | None = None
    if endpoint := os.environ.get("AWS_ENDPOINT_URL"):
        options = {
            "aws_endpoint": endpoint,
            "allow_http": str(endpoint.startswith("http:")).lower(),
        }
    with _plain_errors(location):
        return lancedb.connect(location, storage_options=options)


@contextmanager
def _plain_errors(source: str) -> Iterator[None]:
    """An error of the library in one line, without the credentials that an address may have."""
    try:
        yield
    except InputError:
        raise
    except (ValueError, RuntimeError, OSError) as error:
        reason = " ".join(str(error).split())
        if message := re.search("<Message>(.+?)</Message>", reason):  # by an S3 server
            reason = message[1]
        elif re.search("kind: (Connect|Timeout)", reason):
            reason = "the storage does not answer; is the address right, and AWS_ENDPOINT_URL?"
        elif fault := re.search(r"sql parser error: (.+?)\)?$", reason):  # of a condition
            reason = f'{fault[1]}; write for example price<50 and size="M"'
        raise InputError(redact_credentials(f"{source}: {reason[:300]}")) from None


def _matrix(column: pa.ChunkedArray) -> np.ndarray:
    flat = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return np.asarray(flat, np.float32).reshape(len(column), -1)


def rows_as_arrow(
    rows: pd.DataFrame, vectors: np.ndarray, imagenet: np.ndarray | None = None
) -> pa.Table:
    """The table of an index from its columns, vectors (n, width) and probabilities of ImageNet's
    classes (n, 1000), of which the highest are kept, as in ConSE (Norouzi et al. 2014)."""
    arrays = {"vector": np.asarray(vectors, np.float32)}
    if imagenet is not None:
        best = np.argsort(-imagenet, axis=1, kind="stable")[:, :IMAGENET_KEPT]
        shares = np.take_along_axis(imagenet, best, axis=1).astype(np.float32)
        arrays |= dict(zip(IMAGENET, (best.astype(np.int16), shares), strict=True))
    table = pa.Table.from_pandas(rows, preserve_index=False)
    for name, values in arrays.items():
        flat = pa.array(np.ascontiguousarray(values).ravel())
        table = table.append_column(name, pa.FixedSizeListArray.from_arrays(flat, values.shape[1]))
    return table.replace_schema_metadata(None)


def unit_vectors(features: np.ndarray, center: np.ndarray) -> np.ndarray:
    """(n, width) minus the center, at unit length.

    Features after a ReLU are nonnegative, so without centering all their angles are small.
    """
    centered = features - center
    norm = np.linalg.norm(centered, axis=1, keepdims=True)
    return np.asarray(centered / np.maximum(norm, 1e-12), np.float32)
