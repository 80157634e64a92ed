"""What the columns of a table of predictions mean, whoever wrote it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, cast

import numpy as np
import pandas as pd

from fashion_exp.errors import InputError, suggest
from fashion_exp.judging.class_scores import PREFIXES, read_class_scores
from fashion_exp.judging.shares import find_shares, refuse_several

Scores = Literal["probabilities", "logits", "ranking"]
SCORES: tuple[Scores, ...] = ("probabilities", "logits", "ranking")

ALIASES: Mapping[str, tuple[str, ...]] = {
    "id": ("id", "image_id", "item_id", "sample_id", "example_id", "doc_id"),
    "hash": ("image_hash",),
    "path": ("path", "file", "filename", "file_name", "filepath", "image_path"),
    "label": ("label", "target", "y_true", "true_label", "label_ids"),
    "predicted": ("predicted", "prediction", "pred", "y_pred", "yhat", "predictions"),
    "probabilities": ("probabilities", "probs", "proba", "logits", "scores"),
    "group": ("group", "group_id"),
    "fold": ("fold",),
    "repeat": ("repeat",),
    "seed": ("seed",),
    "split": ("split", "part"),
}
"""By role the names under which columns are found; the first is that of the documentation."""

KEYS = ("id", "hash", "path", "name")
"""What items are joined by: the first that all tables have. The name is the path's last part."""

SUM_TOLERANCE = 1e-3


@dataclass(frozen=True)
class ColumnOptions:
    """How to read a table. Raises `InputError` for a role or a kind of scores that is unknown."""

    columns: Mapping[str, str] = field(default_factory=dict)
    """Names of columns by role, where tables have other names than `ALIASES`."""
    classes: Sequence[str] = ()
    """Names of the classes 0, 1, … of tables that number them."""
    scores: Scores = "probabilities"
    """What columns of probabilities hold. Logits are converted by softmax; of a ranking, only the
    highest score of a row is used."""
    where: Mapping[str, str] = field(default_factory=dict)
    """Rows to read: value by column."""

    def __post_init__(self) -> None:
        for role in self.columns:
            if role not in ALIASES:
                raise InputError(f"columns {role}=…: no such role; {suggest(role, ALIASES)}")
        if self.scores not in SCORES:
            raise InputError(f"scores={self.scores}: no such kind; {suggest(self.scores, SCORES)}")


@dataclass(frozen=True)
class Predictions:
    """A table of predictions, one row per item and training."""

    source: str
    """File or name, for messages."""
    keys: Mapping[str, pd.Series]
    """Texts by kind of key (`KEYS`)."""
    label: pd.Categorical[str] | None
    predicted: pd.Categorical[str] | None
    probabilities: np.ndarray | None
    """(n, classes) in the order of `classes`."""
    classes: tuple[str, ...]
    """Of the probabilities; empty without them."""
    design: Mapping[str, np.ndarray]
    """The columns fold, repeat and seed that the table has, as codes from 0 on in sorted order."""
    group: np.ndarray | None
    """(n,) names."""
    score: np.ndarray | None
    """(n,) the column that is compared, if it is no prediction of a class."""
    notes: tuple[str, ...] = ()
    """Sentences on what was converted and what was not read."""
    shares: np.ndarray | None = None
    """(n, classes): of labels of several classes, as a run with training.targets=soft has them."""
    train_sizes: Mapping[str, int] | None = None
    """Training items of each model by its name (r0f0), of runs of this project."""

    def __len__(self) -> int:
        return len(next(iter(self.keys.values())))


def read_columns(
    frame: pd.DataFrame, source: str, options: ColumnOptions, metric: str | None = None
) -> Predictions:
    """The predictions in a table; `metric` names a column of scores to compare instead of classes.

    Raises `InputError` for a column that is missing, ambiguous or holds something else.
    """
    frame = select_rows(frame, source, options.where)
    column_of = find_columns(frame, source, options.columns)
    _refuse_rows(frame, source, column_of)
    score: np.ndarray | None = None
    if metric is None:
        refuse_several(frame, source)  # first: their probabilities do not sum to 1
        classes, probabilities, used, converted = _probabilities(frame, source, column_of, options)
    else:
        if metric not in frame:
            numeric = score_columns(frame)
            raise InputError(f"{source}: no column {metric}; {suggest(metric, numeric)}")
        column_of = {role: name for role, name in column_of.items() if name != metric}
        score = _numbers(frame[metric], f"{source}: column {metric}")
        classes, probabilities, used, converted = (), None, {metric}, ""
    predicted = label = cast("pd.Categorical[str] | None", None)
    shares, share_columns = find_shares(frame, classes)
    notes: list[str] = []
    if metric is None:
        if "label" in column_of:
            label = _named(_texts(frame[column_of["label"]], f"{source}: label"), options.classes)
        if probabilities is not None:
            predicted = pd.Categorical.from_codes(probabilities.argmax(axis=1), pd.Index(classes))
            notes += [f"{source}: {converted}."] if converted else []
        elif "predicted" in column_of:
            predicted = _named(_texts(frame[column_of["predicted"]], f"{source}: predicted"),
                               options.classes)  # fmt: skip
    if probabilities is None:
        column_of.pop("probabilities", None)
    used |= {*options.where, *share_columns, *column_of.values()}
    notes += _unread_note(frame, source, used)
    keys = _keys(frame, source, column_of)
    return Predictions(
        source,
        keys,
        label,
        predicted,
        None if options.scores == "ranking" else probabilities,
        classes,
        {
            role: _codes(frame[column_of[role]], f"{source}: {role}", sort=True)[0]
            for role in ("fold", "repeat", "seed")
            if role in column_of
        },
        _groups(frame[column_of["group"]], keys) if "group" in column_of else None,
        score,
        tuple(notes),
        shares,
    )


def _unread_note(frame: pd.DataFrame, source: str, used: set[str]) -> list[str]:
    unread = [str(name) for name in frame.columns if name not in used]
    more = " …" * (len(unread) > 12)
    text = f"{source}: not used to compare: {', '.join(unread[:12])}{more}."  # slices may use them
    return [text] if unread else []


def _refuse_rows(frame: pd.DataFrame, source: str, column_of: Mapping[str, str]) -> None:
    if frame.empty:
        raise InputError(f"{source}: no rows")
    if "split" in column_of and frame[split := column_of["split"]].nunique() > 1:
        values = " and ".join(map(str, sorted(frame[split].astype(str).unique())))
        raise InputError(f"{source}: rows of {values}; --where {split}=VALUE reads one of them")


_SCORE_NOTES = {
    "logits": "logits converted by softmax",
    "ranking": "the highest score of a row is the prediction; there are no probabilities",
}


def score_columns(frame: pd.DataFrame) -> list[str]:
    """The numeric columns that could be the score of an item."""
    known = {name for names in ALIASES.values() for name in names}
    return [
        str(name)
        for name in frame.columns
        if pd.api.types.is_numeric_dtype(frame[name])
        and str(name) not in known
        and not str(name).startswith(PREFIXES)
    ]


def select_rows(frame: pd.DataFrame, source: str, where: Mapping[str, str]) -> pd.DataFrame:
    """The rows with these values. Raises `InputError` if there are none."""
    for column, value in where.items():
        if column not in frame:
            hint = suggest(column, map(str, frame.columns))
            raise InputError(f"{source}: where {column}={value}: no such column; {hint}")
        is_selected = frame[column].astype(str) == value
        if not is_selected.any():
            values = ", ".join(map(str, frame[column].unique()[:6]))
            raise InputError(f"{source}: no row with {column}={value}; it has {values}")
        frame = frame[is_selected]
    return frame


def find_columns(frame: pd.DataFrame, source: str, mapping: Mapping[str, str]) -> dict[str, str]:
    """The column of each role that the table has. Raises `InputError` if it may be one of two."""
    names = [str(name) for name in frame.columns]
    folded: dict[str, str] = {}
    for name in names:
        folded.setdefault(name.casefold(), name)
    column_of = {role: name for role, name in mapping.items() if name in names}
    taken = set(column_of.values())
    for role, aliases in ALIASES.items():
        matches = [folded[name] for name in aliases if name in folded]
        matches = [name for name in matches if name not in taken]
        if role in column_of or not matches:
            continue
        if len(matches) > 1 and matches[0] != aliases[0]:
            raise InputError(
                f"{source}: the {role} may be {' or '.join(matches)}; choose with "
                f"--columns {role}={matches[0]}"
            )
        column_of[role] = matches[0]
    return column_of


def path_text(paths: pd.Series) -> pd.Series:
    """As Windows writes them and others do alike."""
    return paths.str.replace("\\", "/", regex=False)


def _keys(frame: pd.DataFrame, source: str, column_of: Mapping[str, str]) -> dict[str, pd.Series]:
    keys = {}
    for role in ("id", "hash", "path"):
        if role in column_of:
            column = frame[column_of[role]]
            if column.isna().any():
                row = int(np.flatnonzero(column.isna())[0]) + 1
                raise InputError(f"{source}: row {row} has no {role}; complete or remove the row")
            keys[role] = column.astype(str).reset_index(drop=True)
    if "path" in keys:
        keys["path"] = path_text(keys["path"])
    if not keys:
        raise InputError(
            f"{source}: no id, path or image_hash to join by; name the column with "
            f"--columns id=COLUMN (it has {', '.join(map(str, frame.columns[:8]))})"
        )
    return keys


def _probabilities(
    frame: pd.DataFrame, source: str, column_of: Mapping[str, str], options: ColumnOptions
) -> tuple[tuple[str, ...], np.ndarray | None, set[str], str]:
    """Class names, checked probabilities (n, classes), the columns that held them, and how they
    were converted."""
    values, names, used = read_class_scores(frame, source, column_of)
    if values is None:
        return (), None, set(), ""
    if values.shape[1] < 2:
        raise InputError(
            f"{source}: one column of probabilities ({used.pop()}); give one per class, or the "
            "predicted classes in a column predicted"
        )
    classes = names
    if options.classes and all(name.isdigit() for name in names):
        if len(options.classes) != len(names):
            raise InputError(
                f"{source}: {len(names)} columns of probabilities, but --classes names "
                f"{len(options.classes)}"
            )
        classes = [options.classes[int(name)] for name in names]
    if not np.isfinite(values).all():
        row, column = (int(index[0]) for index in np.nonzero(~np.isfinite(values)))
        raise InputError(
            f"{source}: row {row + 1} has a missing or infinite score of the class "
            f"{classes[column]}; complete it"
        )
    note = _SCORE_NOTES.get(options.scores, "")
    if options.scores == "logits" and _are_probabilities(values):
        note = "its scores are probabilities already, and stay as they are"
    elif options.scores == "logits":
        shifted = np.exp(values - values.max(axis=1, keepdims=True))
        values = shifted / shifted.sum(axis=1, keepdims=True)
    elif options.scores == "probabilities":
        if not _are_probabilities(values):
            _refuse_missing_class(frame, source, column_of, classes)
        _check_probabilities(values, source)
    return tuple(classes), values, used, note


def _refuse_missing_class(
    frame: pd.DataFrame, source: str, column_of: Mapping[str, str], classes: Sequence[str]
) -> None:
    """Raises `InputError` if one class of the labels, which name the others, has no column."""
    labels = set(map(_text, frame[column_of["label"]].dropna())) if "label" in column_of else set()
    if len(missing := labels - set(classes)) == 1 and labels > missing:
        raise InputError(
            f"{source}: no column with the probability of {missing.pop()}, a class of the labels; "
            "add it"
        )


def _are_probabilities(values: np.ndarray) -> bool:
    """Whether all rows are, which logits never happen to be."""
    sums = values.sum(axis=1)
    return bool((values >= 0).all() and (np.abs(sums - 1) <= SUM_TOLERANCE).all())


def _check_probabilities(values: np.ndarray, source: str) -> None:
    remedy = (
        "--scores logits converts logits by softmax, --scores ranking uses only the highest score"
    )
    outside = (values < -SUM_TOLERANCE) | (values > 1 + SUM_TOLERANCE)
    if outside.any():
        if _are_probabilities(values / 100):
            raise InputError(
                f"{source}: each row sums to 100; these are percentages, divide them by 100"
            )
        row, column = (int(index[0]) for index in np.nonzero(outside))
        raise InputError(
            f"{source}: row {row + 1} has the score {values[row, column]:.4g}, which is no "
            f"probability; {remedy}"
        )
    sums = values.sum(axis=1)
    worst = int(np.abs(sums - 1).argmax())
    if abs(sums[worst] - 1) > SUM_TOLERANCE:
        raise InputError(
            f"{source}: the probabilities of row {worst + 1} sum to {sums[worst]:.4g}, not 1; "
            f"{remedy}"
        )


def _numbers(column: pd.Series, where: str) -> np.ndarray:
    """(n,) finite numbers; true and false are 1 and 0."""
    try:
        values = column.to_numpy(np.float64, na_value=np.nan)
    except (ValueError, TypeError):
        raise InputError(f"{where} holds texts, such as {column.iloc[0]!r}, no numbers") from None
    if not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values))[0]) + 1
        raise InputError(f"{where} has no finite number in row {row}; complete or remove the row")
    return values


def _codes(column: pd.Series, where: str, sort: bool = False) -> tuple[np.ndarray, pd.Index]:
    """Codes (n,) from 0 on, and their values. Raises `InputError` for a missing value."""
    codes, values = pd.factorize(column, sort=sort)
    if (codes < 0).any():
        row = int(np.flatnonzero(codes < 0)[0]) + 1
        raise InputError(f"{where}: missing in row {row}; complete or remove the row")
    return codes, values


def _groups(column: pd.Series, keys: Mapping[str, pd.Series]) -> np.ndarray:
    """Names (n,); an item without a group is a group of its own."""
    items = next(iter(keys.values()))
    missing = column.isna()
    names = [
        f"item {item}" if alone else _text(value)
        for value, alone, item in zip(column, missing, items, strict=True)
    ]
    return np.array(names, dtype=object)


def _texts(column: pd.Series, where: str) -> pd.Categorical[str]:
    """Class names; 1 and 1.0 are "1"."""
    codes, values = _codes(column, where)
    names = [_text(value) for value in values]
    distinct = sorted(set(names))
    position = {name: index for index, name in enumerate(distinct)}
    return pd.Categorical.from_codes(
        np.array([position[name] for name in names])[codes], pd.Index(distinct)
    )


def _text(value: object) -> str:
    is_whole = isinstance(value, float | np.floating) and float(value).is_integer()
    return str(int(value)) if is_whole else str(value).strip()  # type: ignore[call-overload]


def _named(values: pd.Categorical[str], classes: Sequence[str]) -> pd.Categorical[str]:
    """With names instead of numbers, if every value is the number of a class."""
    numbers = [str(name) for name in values.categories]
    if not classes or not all(n.isdigit() and int(n) < len(classes) for n in numbers):
        return values
    return values.rename_categories({n: classes[int(n)] for n in numbers})
