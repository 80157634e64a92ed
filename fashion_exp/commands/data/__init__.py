"""`data`: collect photos, check and group them, and review their labels."""

from __future__ import annotations

import importlib

from fashion_exp.errors import InputError, suggest

SUBCOMMANDS: dict[str, str] = {
    "collect": "download photos by a plan, with license and creator",
    "check": "decode every photo; list unusable files in quarantine.csv",
    "duplicates": "group exact, near and mirrored copies in groups.csv",
    "labels": "find labels that look wrong, by models that have not seen the images",
    "annotators": "agreement of several annotators, and soft labels from them",
    "apply": "apply or undo decisions on labels as a new version of the data set",
    "summary": "show counts, sizes, colors, photos of each class, drift between parts",
}
"""Description of each subcommand; each is a module of this package."""


def run(arguments: list[str]) -> int:
    """Runs the subcommand that the first argument names; returns its exit code.

    Raises `InputError` for an unknown subcommand.
    """
    if not arguments or arguments[0] in ("--help", "-h"):
        print("fashion_exp data SUBCOMMAND …; data SUBCOMMAND --help shows its options\n")
        print("\n".join(f"  {name:<12}{text}" for name, text in SUBCOMMANDS.items()))
        return 0
    subcommand, *rest = arguments
    if subcommand not in SUBCOMMANDS:
        raise InputError(
            f"data {subcommand}: unknown subcommand; {suggest(subcommand, SUBCOMMANDS)}"
        )
    return int(importlib.import_module(f"fashion_exp.commands.data.{subcommand}").run(rest))
