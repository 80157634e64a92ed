"""Reads per-sample scores from the logs of lm-evaluation-harness and inspect_ai."""

from __future__ import annotations

import json
import struct
import zipfile
from collections.abc import Iterator
from numbers import Real
from pathlib import Path
from typing import Any

import pandas as pd

from fashion_exp.errors import InputError

LETTERS = {"C": 1.0, "I": 0.0, "P": 0.5, "N": 0.0}
"""inspect_ai's correct, incorrect, partial and no answer, as its `value_to_float` reads them."""

ZSTANDARD = 93
LOCAL_HEADER = 30
"""Compression method, and bytes before the name of a file, of the zip format."""


def lm_eval_frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """One row per document and filter, with its numeric metrics.

    `rows` are the lines of a file that `lm_eval --log_samples` wrote.
    """
    columns = ("doc_id", "filter")
    texts = ("doc", "target", "arguments", "resps", "filtered_resps", "metrics")
    records = []
    for row in rows:
        scores = {
            name: float(value)
            for name, value in row.items()
            if name not in (*columns, *texts) and isinstance(value, Real)
        }
        records.append({"id": row["doc_id"], **_given(row, "filter"), **scores})
    return pd.DataFrame(records)


def _given(row: dict[str, Any], name: str) -> dict[str, Any]:
    return {name: row[name]} if name in row else {}


def is_inspect_log(content: object) -> bool:
    return isinstance(content, dict) and {"eval", "status"} <= set(content)


def inspect_frame(file: Path) -> pd.DataFrame:
    """One row per sample and epoch, with the scores of all scorers.

    `file` is a log of inspect_ai in either of its formats. Raises `InputError` if the evaluation
    did not finish or a sample has an error: what is missing is missing for a reason.
    """
    header, samples = _inspect_parts(file)
    if header.get("status") != "success":
        raise InputError(
            f"{file}: the evaluation ended with status {header.get('status')}; finish it with "
            "`inspect eval-retry`"
        )
    records = []
    for sample in samples:
        scores = sample.get("scores") or {}
        if not scores:
            raise InputError(f"{file}: sample {sample.get('id')} has no score; repeat it")
        values: dict[str, float | None] = {}
        for scorer, score in scores.items():
            value = score["value"]
            parts = value.items() if isinstance(value, dict) else [("", value)]
            for key, part in parts:
                values[f"{scorer}/{key}" if key else scorer] = _number(part)
        records.append({"id": sample["id"], "repeat": sample["epoch"], **values})
    frame = pd.DataFrame(records)
    if len(frame) and frame["repeat"].nunique() == 1:
        return frame.drop(columns="repeat")
    return frame


def _inspect_parts(file: Path) -> tuple[dict[str, Any], Iterator[dict[str, Any]]]:
    if file.suffix == ".json":
        content = json.loads(file.read_text(encoding="utf-8"))
        return content, iter(content.get("samples") or ())
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            if "header.json" not in names:
                raise InputError(f"{file}: the evaluation did not end; `inspect eval-retry` does")
            header = json.loads(_member(archive, "header.json"))
            samples = [json.loads(_member(archive, n)) for n in names if n.startswith("samples/")]
            return header, iter(samples)
    except zipfile.BadZipFile:
        raise InputError(f"{file}: damaged: not an archive of inspect_ai") from None


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    """The content of a file; zipfile reads Zstandard from Python 3.14 on."""
    entry = archive.getinfo(name)
    if entry.compress_type != ZSTANDARD:
        return archive.read(entry)
    import pyarrow as pa

    assert archive.fp is not None
    archive.fp.seek(entry.header_offset)
    header = archive.fp.read(LOCAL_HEADER)
    lengths = struct.unpack("<HH", header[-4:])  # of the name and the extra field
    archive.fp.seek(sum(lengths), 1)
    content = archive.fp.read(entry.compress_size)
    return bytes(pa.decompress(content, entry.file_size, codec="zstd", asbytes=True))


def _number(value: object) -> float | None:
    if isinstance(value, str) and value in LETTERS:
        return LETTERS[value]
    if isinstance(value, Real):
        return float(value)
    return None
