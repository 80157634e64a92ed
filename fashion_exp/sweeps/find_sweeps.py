"""Which sweeps there are, and which of them a word means."""

from __future__ import annotations

from pathlib import Path

from fashion_exp.errors import InputError, suggest


def sweeps_in(outputs: Path) -> list[Path]:
    """Oldest first; raises `InputError` where there is none."""
    found = sorted((outputs / "sweeps").glob("*/sweep.json"), key=lambda f: f.stat().st_mtime)
    if not found:
        raise InputError(f"{outputs / 'sweeps'}: no sweep there yet; run one with --multirun")
    return [file.parent for file in found]


def chosen(sweeps: list[Path], word: str | None) -> Path:
    """The sweep that a word means, by folder, name or its beginning; None: the newest.

    Raises `InputError` for a word that means none, or several.
    """
    if word is None:
        return sweeps[-1]
    names = [sweep.name for sweep in sweeps]
    close = [s for s in sweeps if s == Path(word).expanduser().resolve() or word == s.name]
    close = close or [sweep for sweep in sweeps if sweep.name.startswith(word)]
    if len(close) != 1:
        reason = f"means {len(close)} sweeps; type more" if close else "no such sweep; "
        raise InputError(f"{word}: {reason}{'' if close else suggest(word, names)}")
    return close[0]
