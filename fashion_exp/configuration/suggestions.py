"""Which option a mistyped or unknown one may mean. No suggestion is better than a wrong one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from fashion_exp.errors import MAX_SUGGESTIONS, close_matches, suggest

FILLERS = frozenset({"n", "num", "nb", "number", "of", "max", "total", "random", "initial", "base"})
"""Words that other programs put around the name of an option: num_epochs, max_epochs."""


OTHERS = {
    "model": "any model of timm: model=timm model.name={}",
    "optim": "any optimizer of torch: optim.name={}",
}
"""How to name what a group has no choice for."""


def suggest_choice(group: str, typed: str, choices: Iterable[str]) -> str:
    """The choices that resemble what was typed, or all choices of the group if they are few."""
    hint = suggest(typed, choices)
    if group not in OTHERS:
        return hint
    return f"{hint}{' ' if hint.endswith('?') else '; '}{OTHERS[group].format(typed)}"


def suggest_option(typed: str, docs: Mapping[str, str], groups: Iterable[str] = ()) -> str:
    """The options that resemble what was typed, as a question; empty if there are none.

    `docs` has the options that a user may set, with their documentation.
    """
    close = similar_options(typed, docs, groups)
    return f"did you mean {' or '.join(close)}?" if close else ""


def similar_options(typed: str, docs: Mapping[str, str], groups: Iterable[str] = ()) -> list[str]:
    """The options or groups that `typed` may mean, at most `MAX_SUGGESTIONS`.

    The first rule that finds any decides: the same last part (`lr` is optim.lr), a group, a
    spelling close to it, the same words but for fillers, and at last a documentation that begins
    with it (`learning_rate`). An option in the same group goes first.
    """
    word = typed.strip().lstrip("+~").casefold().replace("-", "_")
    prefix, _, last = word.rpartition(".")
    if not last:
        return []
    rules: list[Callable[[], list[str]]] = [
        lambda: [name for name in docs if _last(name) == last],
        lambda: [] if prefix else _groups(word, groups),
        lambda: _near_spellings(prefix, last, docs),
        lambda: _same_words(last, docs),
        lambda: _documented_as(last, docs),
    ]
    for rule in rules:
        if names := rule():
            return _in_group(prefix or last.partition("_")[0], names)[:MAX_SUGGESTIONS]
    return []


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _group(name: str) -> str:
    return name.rpartition(".")[0]


def _groups(word: str, groups: Iterable[str]) -> list[str]:
    """Groups spelled similarly, or that the word begins with: optimizer, optim."""
    names = list(groups)
    if nested := [name for name in names if name.endswith(f"/{word}")]:
        return nested
    return close_matches(word, names) or [
        name for name in names if len(name) >= 5 and word.startswith(name) and "_" not in word
    ]


def _near_spellings(prefix: str, last: str, docs: Mapping[str, str]) -> list[str]:
    """Options of the same group if one is near, else of any group."""
    own = {_last(name): name for name in docs if _group(name) == prefix}
    if prefix and (close := close_matches(last, own)):
        return [own[name] for name in close]
    close = close_matches(last, {_last(name) for name in docs})
    return [name for part in close for name in docs if _last(name) == part]


def _same_words(last: str, docs: Mapping[str, str]) -> list[str]:
    """num_epochs, model_name and train_batch_size: the option and words that add nothing."""
    words = last.split("_")
    names = []
    for name in docs:
        own = _last(name).split("_")
        rest = [word for word in words if word not in own]
        is_whole = all(word in words for word in own) and len(words) > len(own)
        if is_whole and all(word in FILLERS or _names_group(word, _group(name)) for word in rest):
            names.append(name)
    return [name for name in names if not _group(name)] or names


def _names_group(word: str, group: str) -> bool:
    """Whether one of word and group begins with the other: train and training, data and dataset."""
    return len(word) >= 4 and bool(group) and (group.startswith(word) or word.startswith(group))


def _documented_as(last: str, docs: Mapping[str, str]) -> list[str]:
    """Options whose documentation begins with these words."""
    letters = re.sub(r"\W|_", "", last)
    if len(letters) < 6:
        return []
    begins = {name: re.sub(r"\W|_", "", doc.casefold()) for name, doc in docs.items()}
    return [name for name, text in begins.items() if text.startswith(letters)]


def _in_group(prefix: str, names: Sequence[str]) -> list[str]:
    """Those in the group that was typed, or all if there is none."""
    own = [name for name in names if prefix and _names_group(prefix, _group(name))]
    return own or list(names)
