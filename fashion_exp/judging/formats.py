"""Reads files of predictions as other tools write them into a table and class names.

`docs/judge.md` lists the tools, and which of the formats were checked against files they wrote.
"""

from __future__ import annotations

import codecs
import csv
import json
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from fashion_exp.errors import InputError, os_error_reason, suggest
from fashion_exp.judging.class_scores import read_class_scores
from fashion_exp.judging.columns import ALIASES
from fashion_exp.judging.eval_logs import inspect_frame, is_inspect_log, lm_eval_frame

if TYPE_CHECKING:
    import pyarrow as pa

Format = Literal["auto", "table", "timm"]
FORMATS: tuple[Format, ...] = ("auto", "table", "timm")

TEXT_ROLES = ("id", "hash", "path", "label", "predicted", "group")
"""Columns that are read as texts from CSV: 007 is another id than 7."""

NO_FILE = (
    "no such file; choices are CSV, TSV, Parquet, JSON, JSON lines, npy and npz files, folders of "
    "Hugging Face datasets, logs of inspect_ai, and runs"
)


def read_frame(file: Path, form: Format = "auto", manifest: Path | None = None) -> pd.DataFrame:
    """The table in a file, with class names where the file numbers classes and has their names.

    `manifest` is the table with the ids of an array's rows. Raises `InputError` if the file cannot
    be read.
    """
    if not file.exists():
        raise InputError(f"{file}: {NO_FILE}")
    suffix = file.suffix.lower()
    readers: Mapping[str, Callable[[Path], pd.DataFrame]] = {
        ".csv": _read_csv, ".tsv": _read_csv, ".txt": _read_csv,
        ".parquet": _read_parquet, ".pq": _read_parquet,
        ".json": _read_json, ".jsonl": _read_json_lines, ".ndjson": _read_json_lines,
        ".eval": inspect_frame, ".npz": _read_npz, ".npy": _read_npy, ".arrow": _read_arrow,
    }  # fmt: skip
    if file.is_dir():
        frame = _read_dataset_folder(file)
    elif suffix in readers:
        frame = _read_with(readers[suffix], file)
    else:
        raise InputError(f"{file}: unknown extension; {suggest(suffix, readers)}")
    if suffix in (".npz", ".npy"):
        frame = _with_manifest(frame, file, manifest, form)
    return _interpret(frame, str(file), form)


def _read_with(reader: Callable[[Path], pd.DataFrame], file: Path) -> pd.DataFrame:
    try:
        return reader(file)
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {os_error_reason(error)}") from None
    except EOFError:  # numpy's, of an empty file
        raise InputError(f"{file}: empty; write the arrays again") from None
    except (ValueError, KeyError, TypeError) as error:  # pyarrow's and json's errors are these
        reason = " ".join(str(error).split())[:200]
        remedy = next((text for part, text in _REMEDIES.items() if part in reason), "")
        kind = f"no {file.suffix[1:]} file that can be read"
        raise InputError(f"{file}: {kind}{remedy or f': {reason}'}") from None


_TRUNCATED = ", but other data, or a part of one; copy it again, or write it as CSV"
_REMEDIES = {
    "Parquet magic bytes not found": _TRUNCATED,
    "Parquet file size is": _TRUNCATED,
    "codec can't decode": ": it is not in UTF-8; save it as CSV UTF-8",
}
"""By what a reader says: what to do."""


def _read_csv(file: Path) -> pd.DataFrame:
    with open(file, "rb") as content:
        is_wide = content.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)  # of spreadsheets
    encoding = "utf-16" if is_wide else "utf-8-sig"
    with open(file, encoding=encoding, newline="") as lines:
        first = lines.readline()
        delimiter = max(",;\t|", key=first.count)
        header = next(csv.reader([first], delimiter=delimiter), [])
        row = next(csv.reader(lines, delimiter=delimiter), [])
    if twice := [name for name in header if header.count(name) > 1]:
        raise InputError(f"{file}: the column {twice[0]} is there twice; keep one")
    if len(row) > len(header):  # pandas would take the first cells for an index
        raise _ragged(file, 2, len(row), len(header), delimiter)
    texts = {name for role in TEXT_ROLES for name in ALIASES[role]}
    types = {name: str for name in header if name.strip().casefold() in texts}
    try:
        frame = pd.read_csv(
            file, sep=delimiter, dtype=types, encoding=encoding, skipinitialspace=True,
            na_values=[""], keep_default_na=False,
        )  # fmt: skip
    except pd.errors.ParserError as error:
        counts = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", str(error))
        if counts is None:
            raise
        columns, line, cells = map(int, counts.groups())
        raise _ragged(file, line, cells, columns, delimiter) from None
    return frame.rename(columns=str.strip)


def _ragged(file: Path, line: int, cells: int, columns: int, delimiter: str) -> InputError:
    return InputError(
        f"{file}: line {line} has {cells} cells, the header {columns}; quote cells with "
        f"{delimiter!r} in them, or remove what is too many"
    )


def _read_parquet(file: Path) -> pd.DataFrame:
    import pyarrow.parquet as pq

    return _arrow_frame(pq.read_table(file))


def _read_arrow(file: Path) -> pd.DataFrame:
    import pyarrow as pa

    try:
        with pa.ipc.open_stream(file) as stream:
            return _arrow_frame(stream.read_all())
    except pa.ArrowInvalid:
        with pa.ipc.open_file(file) as arrow:
            return _arrow_frame(arrow.read_all())


def _read_dataset_folder(folder: Path) -> pd.DataFrame:
    """What `datasets.Dataset.save_to_disk` wrote."""
    shards = sorted(folder.glob("*.arrow"))
    if not shards or not (folder / "dataset_info.json").is_file():
        raise InputError(
            f"{folder}: neither a run nor a Hugging Face dataset (of a DatasetDict, name one split)"
        )
    return pd.concat([_read_with(_read_arrow, shard) for shard in shards], ignore_index=True)


def _arrow_frame(table: pa.Table) -> pd.DataFrame:
    """Class numbers become the names that `datasets` keeps in the metadata of the schema."""
    frame = table.to_pandas()
    if frame.index.name is not None:  # a named index is a column of whoever wrote the file
        frame = frame.reset_index()
    metadata = json.loads((table.schema.metadata or {}).get(b"huggingface", b"{}"))
    features = metadata.get("info", {}).get("features", {})
    for name, feature in features.items():
        if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" and name in frame:
            names = [str(name) for name in feature["names"]]
            numbers = frame[name].to_numpy()
            if not ((numbers >= 0) & (numbers < len(names))).all():
                raise ValueError(f"column {name} has numbers of no class, such as -1")
            frame[name] = pd.Categorical.from_codes(numbers, pd.Index(names))
            frame.attrs["classes"] = names
    return frame


def _read_json(file: Path) -> pd.DataFrame:
    try:
        content = json.loads(file.read_text(encoding="utf-8-sig"))
    except ValueError:
        return _read_json_lines(file)  # JSON lines in a file called .json
    if is_inspect_log(content):
        return inspect_frame(file)
    if isinstance(content, list):
        return _records_frame(content)
    if isinstance(content, dict) and isinstance(content.get("data"), list):  # orient="split"
        return pd.DataFrame(content["data"], columns=content["columns"])
    if isinstance(content, dict) and content:
        known = {name for names in ALIASES.values() for name in names}
        if all(isinstance(value, list) for value in content.values()) or known & set(content):
            return pd.DataFrame(content)  # orient="list" or "columns"
        if not any(isinstance(value, dict | list) for value in content.values()):
            return pd.DataFrame([content])  # one row, as timm's validate.py writes it
        rows = [{"id": key, **value} for key, value in content.items()]  # orient="index"
        return pd.DataFrame(rows)
    raise ValueError("it holds no table")


def _read_json_lines(file: Path) -> pd.DataFrame:
    with open(file, encoding="utf-8-sig") as lines:
        rows = [json.loads(line) for line in lines if line.strip()]
    return _records_frame(rows)


def _records_frame(rows: list[Any]) -> pd.DataFrame:
    if not rows or not all(isinstance(row, dict) for row in rows):
        raise ValueError("it holds no list of objects")
    if "doc_id" in rows[0] and ("resps" in rows[0] or "filtered_resps" in rows[0]):
        return lm_eval_frame(rows)
    return pd.DataFrame(rows)


def _read_npz(file: Path) -> pd.DataFrame:
    """Arrays of equal length; a matrix holds the scores of the classes."""
    with np.load(file, allow_pickle=False) as arrays:
        columns = {name: _array(partial(arrays.__getitem__, name)) for name in arrays.files}
    lengths = {name: len(array) for name, array in columns.items() if array.ndim}
    if len(set(lengths.values())) != 1:
        texts = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise ValueError(f"its arrays have different lengths: {texts}")
    return _arrays_frame(columns)


def _read_npy(file: Path) -> pd.DataFrame:
    array = _array(partial(np.load, file, allow_pickle=False))
    return _arrays_frame({"predicted" if array.ndim == 1 else "probabilities": array})


def _array(load: Callable[[], np.ndarray]) -> np.ndarray:
    """Raises `ValueError` for Python objects, as reading them could run any code."""
    try:
        return load()
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise
        raise ValueError("it has Python objects; write arrays of numbers or of texts") from None


def _arrays_frame(columns: Mapping[str, np.ndarray]) -> pd.DataFrame:
    frame: dict[str, pd.Series] = {}
    for name, array in columns.items():
        if array.ndim > 2:
            raise ValueError(f"array {name} has {array.ndim} dimensions; it needs 1 or 2")
        is_matrix = array.ndim == 2
        # The predictions of a Trainer are a matrix of logits.
        title = "probabilities" if is_matrix and name in ALIASES["predicted"] else name
        frame[title] = pd.Series(list(array) if is_matrix else array)
    return pd.DataFrame(frame)


def _with_manifest(
    frame: pd.DataFrame, file: Path, manifest: Path | None, form: Format
) -> pd.DataFrame:
    """With the ids, and what else the manifest has, of the rows of an array."""
    keys = {name for role in ("id", "hash", "path") for name in ALIASES[role]}
    if manifest is None:
        if keys.isdisjoint(map(str, frame.columns)):
            raise InputError(
                f"{file}: an array has no ids; --manifest FILE names a table with the id of each "
                "row, in the same order"
            )
        return frame
    rows = read_frame(manifest, form)
    if len(rows) != len(frame):
        raise InputError(f"{file} has {len(frame):,} rows, but {manifest} {len(rows):,}")
    others = [name for name in rows.columns if name not in frame]
    return pd.concat([rows[others].reset_index(drop=True), frame], axis=1)


def _interpret(frame: pd.DataFrame, source: str, form: Format) -> pd.DataFrame:
    """Columns of timm's results under the names of `ALIASES`."""
    names = set(map(str, frame.columns))
    if {"top1", "top1_err"} <= names:
        raise InputError(
            f"{source}: results of timm's validate.py have one row per model; inference.py writes "
            "one per image"
        )
    key = next((name for name in ("filename", "id") if name in names), None)
    outputs = [name for name in ("prob", "logit", "prob_0", "logit_0") if name in names]
    if form == "table" or not outputs or key is None or {"predicted", "prediction"} & names:
        return frame
    if form == "auto" and "label" in names:
        raise InputError(
            f"{source}: label may be the true class, or the one that timm predicted; write "
            "--format timm or --format table"
        )
    return _timm_frame(frame, source, key, outputs[0])


def _timm_frame(frame: pd.DataFrame, source: str, key: str, output: str) -> pd.DataFrame:
    """timm's inference.py: with --topk 0 one score per class, else the best class is the first."""
    shown = frame.rename(columns={key: "path"})
    first = next((n for n in ("index", "index_0", "label", "label_0") if n in frame), None)
    if first is None:
        _refuse_best_scores(frame, source, output)
        return shown.rename(columns={output: "probabilities"}) if output[-1] != "0" else shown
    ranked = [n for n in shown if str(n).startswith(("index", "label", "prob", "logit"))]
    return shown.drop(columns=ranked).assign(predicted=frame[first].map(_first))


def _refuse_best_scores(frame: pd.DataFrame, source: str, output: str) -> None:
    """Raises `InputError` for the scores of the best classes of which none is named."""
    names = [name for name in frame if str(name).startswith(output.removesuffix("0"))]
    columns = ["probabilities"] if output[-1] != "0" else []
    scores = frame[names] if not columns else frame.rename(columns={output: columns[0]})
    values, _, _ = read_class_scores(scores, source, {name: name for name in columns})
    if values is None or (np.diff(values, axis=1) > 0).any():
        return
    is_table = f"--format table{f' --columns probabilities={output}' if columns else ''}"
    both = f"; {is_table} if they are the classes 0 and 1" if values.shape[1] == 2 else ""
    raise InputError(
        f"{source}: {output} has the highest scores of a row and not their classes; write it "
        f"again with timm's --topk 0 or --include-index{both}"
    )


_QUOTED = re.compile(r"""\[\s*(?:'([^']*)'|"([^"]*)"|([^\s,\]]+))""")
"""The first of a list as numpy prints it: [3 1], ['tench, Tinca tinca' 'eel']."""


def _first(cell: object) -> object:
    """Of a list, or of the text that pandas writes of one."""
    if isinstance(cell, str) and (match := _QUOTED.match(cell)):
        return next(text for text in match.groups() if text is not None)
    return cell[0] if isinstance(cell, list | np.ndarray) else cell
