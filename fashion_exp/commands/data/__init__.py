"""`data`: a folder of photos made, checked, grouped, relabelled, and told of."""

from __future__ import annotations

import importlib

from fashion_exp.errors import InputError, suggest

VERBS: dict[str, str] = {
    "collect": "photos gathered by a plan, with licence and creator",
    "check": "every photo decoded; what must not be trained on goes into quarantine.csv",
    "duplicates": "exact and near copies, mirrored too, grouped in groups.csv",
    "labels": "labels that look wrong, by models that had not seen the images",
    "apply": "decisions on labels made a version of the data set, or undone",
    "summary": "counts, sizes, colours, a few photos of each class, drift between parts",
}
"""Each is a module of this package, with what it does."""


def run(arguments: list[str]) -> int:
    """Hands the words after `data` to the verb that the first of them names; gives the exit code.

    Raises `InputError` for a verb that there is not.
    """
    if not arguments or arguments[0] in ("--help", "-h"):
        print("fashion_exp data VERB …; each tells its arguments by --help\n")
        print("\n".join(f"  {verb:<12}{does}" for verb, does in VERBS.items()))
        return 0
    verb, *rest = arguments
    if verb not in VERBS:
        raise InputError(f"data {verb}: no such verb; {suggest(verb, VERBS)}")
    return int(importlib.import_module(f"fashion_exp.commands.data.{verb}").run(rest))
