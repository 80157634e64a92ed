"""Lists the sweeps of an outputs folder and finds one by name."""

from __future__ import annotations

from pathlib import Path

from fashion_exp.errors import InputError, suggest


def list_sweeps(outputs: Path) -> list[Path]:
    """Folders of all sweeps, oldest first. Raises `InputError` if there are none."""
    files = sorted((outputs / "sweeps").glob("*/sweep.json"), key=lambda f: f.stat().st_mtime)
    if not files:
        raise InputError(f"{outputs / 'sweeps'}: no sweeps yet; start one with --multirun")
    return [file.parent for file in files]


def find_sweep(sweeps: list[Path], name: str | None) -> Path:
    """The sweep with this folder, name or name prefix; for None the newest.

    Raises `InputError` if the name matches no sweep or several.
    """
    if name is None:
        return sweeps[-1]
    path = Path(name).expanduser().resolve()
    matches = [sweep for sweep in sweeps if sweep == path or sweep.name == name]
    matches = matches or [sweep for sweep in sweeps if sweep.name.startswith(name)]
    if not matches:
        raise InputError(f"{name}: no such sweep; {suggest(name, [s.name for s in sweeps])}")
    if len(matches) > 1:
        some = ", ".join(sweep.name for sweep in matches)
        raise InputError(f"{name}: matches {len(matches)} sweeps: {some}; type more of the name")
    return matches[0]
