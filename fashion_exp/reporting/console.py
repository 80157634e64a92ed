"""The terminal output of all subcommands."""

from __future__ import annotations

from typing import Any

from rich.console import Console


def plain_console(**options: Any) -> Console:
    """A console that prints texts as they are.

    By default rich removes `[dress,hat]` as markup and replaces `:hat:` by a symbol. `options` are
    those of `rich.console.Console`.
    """
    return Console(markup=False, emoji=False, highlight=False, **options)
