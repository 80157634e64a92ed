"""Columns of items besides the predictions: of the tables themselves, or of another table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from fashion_exp.errors import InputError
from fashion_exp.judging.class_scores import PREFIXES
from fashion_exp.judging.columns import ALIASES, KEYS, ColumnOptions, read_columns

_ROLES = {name for names in ALIASES.values() for name in names}
LABEL = "label"


def item_columns(
    frame: pd.DataFrame, source: str, items: pd.Index, keys: Sequence[Mapping[str, pd.Series]],
    options: ColumnOptions,
) -> pd.DataFrame:  # fmt: skip
    """The other columns of a table, by item: those that are neither keys nor predictions.

    `keys` are those of the judged tables, which tell the item of a path, an id or a content hash.
    Raises `InputError` if no row is of an item.
    """
    used = {*_ROLES, *options.columns.values(), *options.where}
    names = [
        name
        for name in frame.columns
        if str(name).casefold() not in used and not str(name).startswith(PREFIXES)
    ]
    if not names:
        return pd.DataFrame(index=items)
    own = _all_keys(read_columns(frame, source, options).keys)
    row_items = _matches(own, items, keys)
    if row_items is None:
        raise InputError(f"{source}: no row is of an item that was judged, by id, path or hash")
    values = frame[names].set_axis(row_items, axis=0)
    values = values[values.index.notna()]
    return values[~values.index.duplicated()].reindex(items)


def item_values(
    items: pd.Index, keys: Sequence[Mapping[str, pd.Series]], kind: str
) -> dict[str, str]:
    """The id or path of each item, by the first of the tables that has it. `keys` are theirs."""
    value_of: dict[str, str] = {}
    for own in map(_all_keys, keys):
        if kind in own:
            names = own[_item_kind(own, items)]
            value_of = {
                name: value for name, value in zip(names, own[kind], strict=True)
            } | value_of
    return {item: value_of[item] for item in items if item in value_of}


def _item_kind(keys: Mapping[str, pd.Series], items: pd.Index) -> str:
    """Of the key that tables were joined by."""
    return max(keys, key=lambda name: int(keys[name].isin(items).sum()))


def _matches(
    own: Mapping[str, pd.Series], items: pd.Index, keys: Sequence[Mapping[str, pd.Series]]
) -> pd.Index | None:
    """The item of each row, by the key that finds most."""
    best, most = None, 0
    for kind, values in own.items():
        direct = pd.Index(values.where(values.isin(items)))
        lookups = [direct, *(_lookup(values, kind, _all_keys(k), items) for k in keys)]
        for matched in lookups:
            if (count := int(matched.notna().sum())) > most:
                best, most = matched, count
    return best


def _lookup(
    values: pd.Series, kind: str, keys: Mapping[str, pd.Series], items: pd.Index
) -> pd.Index:
    if kind not in keys:
        return pd.Index([None] * len(values), dtype=object)
    item_of = dict(zip(keys[kind], keys[_item_kind(keys, items)], strict=True))
    matched = values.map(item_of)
    return pd.Index(matched.where(matched.isin(items)))


def _all_keys(keys: Mapping[str, pd.Series]) -> dict[str, pd.Series]:
    texts = {kind: keys[kind] for kind in KEYS if kind in keys}
    if "path" in texts:
        texts["name"] = texts["path"].str.rpartition("/")[2]
    return texts
