"""The classes that an experiment selects from a data set: their order and names."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from fashion_exp.errors import InputError, suggest


def normalize_name(name: str) -> str:
    """The name without blanks and invisible characters around it, in composed Unicode (NFC).

    Class names are equal if these are: spreadsheets leave blanks, web pages leave zero-width
    spaces, and macOS writes é as e and a combining accent. Bytes that are not UTF-8 become \\x…
    escapes, because no file of a run can hold them.
    """
    return _BLANKS.sub("", unicodedata.normalize("NFC", _SURROGATE.sub(_escape, name)))


_BLANKS = re.compile(r"\A[\s\u200b\u200e\u200f\u2060\ufeff]+|[\s\u200b\u200e\u200f\u2060\ufeff]+\Z")
_SURROGATE = re.compile("[\ud800-\udfff]")


def _escape(match: re.Match[str]) -> str:
    """A byte of the command line or of a file name as printable_path shows it."""
    code = ord(match[0])
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"


def lookalike_key(name: str) -> str:
    """Equal for names that differ only in case, blanks, invisible characters or Unicode form."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    visible = "".join(char for char in folded if unicodedata.category(char) != "Cf")
    return " ".join(visible.split())


def lookalikes(names: Iterable[str]) -> list[list[str]]:
    """The groups of different names with one `lookalike_key`."""
    groups: dict[str, list[str]] = {}
    for name in sorted(set(names)):
        groups.setdefault(lookalike_key(name), []).append(name)
    return [group for group in groups.values() if len(group) > 1]


def describe_lookalikes(group: Sequence[str], counts: Mapping[str, int]) -> str:
    """The names with their numbers of images: "'DRESS' (6) and 'dress' (6)"."""
    return " and ".join(f"'{name}' ({counts[name]:,})" for name in group)


def unused_lookalikes(names: Mapping[str, str], counts: Mapping[str, int]) -> list[str]:
    """Notes on classes that are not selected, but look like one that is."""
    return [
        f"Class names that differ only in case or blanks: {describe_lookalikes(group, counts)}; "
        f"not used: {', '.join(unused)}."
        for group in lookalikes(counts)
        if (unused := [name for name in group if name not in names]) and len(unused) < len(group)
    ]


def choose_classes(
    counts: Mapping[str, int], requested: Sequence[str] | None, rename: Mapping[str, str]
) -> dict[str, str]:
    """{name in the data: name in the experiment}, in the order of the experiment's labels.

    `counts` has the number of images of each class of the data. Names are compared by
    `normalize_name`. Classes with one new name are merged at the position of the first. If
    `requested` is None, all classes are selected in the order of their new names. Raises
    `InputError` for unknown names, for names that differ only in case or blanks, and for fewer than
    two classes.
    """
    available = sorted(counts)
    selected = available if requested is None else _check_requested(requested, available)
    new_names = {normalize_name(key): normalize_name(value) for key, value in rename.items()}
    for name, new_name in new_names.items():
        _check_available("dataset.rename", name, available)
        if name not in selected:
            raise InputError(
                f"dataset.rename: '{name}' is not among dataset.classes; add it there, or remove it"
            )
        if not new_name:
            raise InputError(f"dataset.rename: the new name of '{name}' is empty; give a name")
    names = {name: new_names.get(name, name) for name in selected}
    _refuse_lookalikes(names, new_names, counts)
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


def _refuse_lookalikes(
    names: Mapping[str, str], new_names: Mapping[str, str], counts: Mapping[str, int]
) -> None:
    """Classes whose names in the experiment differ only in case or blanks are likely one class.

    A class that is renamed to its own name is meant to be another one.
    """
    totals = Counter[str]()
    for name, new_name in names.items():
        totals[new_name] += counts[name]
    stated = {name for name, new_name in new_names.items() if name == new_name}
    groups = [group for group in lookalikes(totals) if len(set(group) - stated) > 1]
    if not groups:
        return
    largest = {
        name: max(group, key=lambda other: (totals[other], other))
        for group in groups
        for name in group
    }
    renamed = {name: largest.get(new_name, new_name) for name, new_name in names.items()}
    others = [name for name, new_name in names.items() if renamed[name] not in (name, new_name)]
    described = "; ".join(describe_lookalikes(group, totals) for group in groups)
    raise InputError(
        f"dataset.classes: the names of these classes differ only in case or blanks: {described}; "
        f"if they are the same, set dataset.rename='{_mapping({n: renamed[n] for n in others})}', "
        f"if not, dataset.rename='{_mapping({n: n for n in others})}' keeps them apart"
    )


def _mapping(names: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{name}: {new_name}" for name, new_name in names.items()) + "}"


def _check_requested(requested: Sequence[str], available: Sequence[str]) -> list[str]:
    names = [normalize_name(name) for name in requested]
    for name in names:
        _check_available("dataset.classes", name, available)
        if names.count(name) > 1:
            raise InputError(f"dataset.classes: '{name}' is listed twice; list it once")
    return names


def _check_available(option: str, name: str, available: Sequence[str]) -> None:
    if name not in available:
        close = [other for other in available if lookalike_key(other) == lookalike_key(name)]
        hint = suggest(name, close or available) or f"the data have {len(available)} others"
        raise InputError(f"{option}: the data have no class '{name}'; {hint}")
