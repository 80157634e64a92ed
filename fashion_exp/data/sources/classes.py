"""Which classes an experiment takes from a data set, in which order and under which names."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence

from fashion_exp.errors import InputError, suggest


def normal(name: str) -> str:
    """A name in composed Unicode: folders that came from a Mac spell é as e and an accent."""
    return unicodedata.normalize("NFC", name)


def choose_classes(
    available: Iterable[str], asked: Sequence[str] | None, rename: Mapping[str, str]
) -> dict[str, str]:
    """{name in the data: name in the experiment}, in the order of the experiment's labels.

    Names are composed Unicode. Classes that get one name are merged, at the place of the first.
    Without `asked` all are taken, ordered by their names in the experiment. Raises `InputError`
    for names that the data do not have and for fewer than two classes.
    """
    available = sorted(available)
    old = available if asked is None else _asked(asked, available)
    new = {normal(key): normal(value).strip() for key, value in rename.items()}
    for key, value in new.items():
        _check("dataset.rename", key, available, old)
        if not value:
            raise InputError(f"dataset.rename: '{key}' needs a name that is not empty")
    names = {name: new.get(name, name) for name in old}
    if asked is None:
        names = dict(sorted(names.items(), key=lambda pair: pair[1]))
    if len(set(names.values())) < 2:
        left = ", ".join(dict.fromkeys(names.values())) or "none"
        raise InputError(
            f"dataset.classes: two classes are needed at least, here is {left}; "
            f"the data have: {', '.join(available) or 'none'}"
        )
    return names


def labels(names: Mapping[str, str]) -> tuple[str, ...]:
    """The experiment's classes, label 0 first, from `choose_classes`."""
    return tuple(dict.fromkeys(names.values()))


def _asked(asked: Sequence[str], available: Sequence[str]) -> list[str]:
    old = [normal(name) for name in asked]
    for name in old:
        _check("dataset.classes", name, available, available)
        if old.count(name) > 1:
            raise InputError(f"dataset.classes: '{name}' is listed twice; list it once")
    return old


def _check(key: str, name: str, available: Sequence[str], taken: Sequence[str]) -> None:
    if name not in available:
        hint = suggest(name, available) or f"the data have {len(available)} others"
        raise InputError(f"{key}: the data have no class '{name}'; {hint}")
    if name not in taken:
        raise InputError(f"{key}: '{name}' is not among dataset.classes; add it there or drop it")
