"""The classes that an experiment selects from a data set: their order and names."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence

from fashion_exp.errors import InputError, suggest


def normalize_name(name: str) -> str:
    """The name in composed Unicode (NFC); macOS writes é as e and a combining accent."""
    return unicodedata.normalize("NFC", name)


def choose_classes(
    available: Iterable[str], requested: Sequence[str] | None, rename: Mapping[str, str]
) -> dict[str, str]:
    """{name in the data: name in the experiment}, in the order of the experiment's labels.

    Names are in composed Unicode. Classes with one new name are merged at the position of the
    first. If `requested` is None, all classes are selected in the order of their new names. Raises
    `InputError` for unknown names and for fewer than two classes.
    """
    available = sorted(available)
    selected = available if requested is None else _check_requested(requested, available)
    new_names = {
        normalize_name(key): normalize_name(value).strip() for key, value in rename.items()
    }
    for name, new_name in new_names.items():
        _check_available("dataset.rename", name, available)
        if name not in selected:
            raise InputError(
                f"dataset.rename: '{name}' is not among dataset.classes; add it there, or remove it"
            )
        if not new_name:
            raise InputError(f"dataset.rename: the new name of '{name}' is empty; give a name")
    names = {name: new_names.get(name, name) for name in selected}
    if requested is None:
        names = dict(sorted(names.items(), key=lambda pair: pair[1]))
    if len(set(names.values())) < 2:
        raise InputError(
            "dataset.classes: at least two classes are needed, but the selection has "
            f"{', '.join(class_names(names)) or 'none'}; the data have: "
            f"{', '.join(available) or 'none'}"
        )
    return names


def class_names(names: Mapping[str, str]) -> tuple[str, ...]:
    """The experiment's class names in label order, from the result of `choose_classes`."""
    return tuple(dict.fromkeys(names.values()))


def _check_requested(requested: Sequence[str], available: Sequence[str]) -> list[str]:
    names = [normalize_name(name) for name in requested]
    for name in names:
        _check_available("dataset.classes", name, available)
        if names.count(name) > 1:
            raise InputError(f"dataset.classes: '{name}' is listed twice; list it once")
    return names


def _check_available(option: str, name: str, available: Sequence[str]) -> None:
    if name not in available:
        hint = suggest(name, available) or f"the data have {len(available)} others"
        raise InputError(f"{option}: the data have no class '{name}'; {hint}")
