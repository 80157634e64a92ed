"""What side signals alone tell of the classes: `fashion_exp.shortcuts`."""

from __future__ import annotations

from os import PathLike, fspath
from typing import TYPE_CHECKING

from fashion_exp.errors import InputError, suggest
from fashion_exp.paths import outputs_dir, outputs_of

if TYPE_CHECKING:
    from fashion_exp.inference.source_control import SourceResult
    from fashion_exp.judging.shortcuts import ShortcutControl


def shortcuts(
    run: str | PathLike[str], *, alpha: float = 0.05, uri: str | None = None,
    outputs: str | PathLike[str] | None = None,
) -> ShortcutControl:  # fmt: skip
    """Heads on color, size, border and file properties alone, under the splits of a run.

    They are compared with the network, and with the most frequent class, by the tests of the run's
    design. Raises `InputError` for a run whose photos are gone or whose splits are not known.
    """
    from fashion_exp.api.judging import judge
    from fashion_exp.comparison.find_runs import find_runs
    from fashion_exp.comparison.run_data import load_run
    from fashion_exp.evaluation.run_dir import RunDir, require_config
    from fashion_exp.judging.shortcuts import CHANCE, NETWORK, control_of, shortcut_tables

    outputs_root = outputs_dir(None if outputs is None else fspath(outputs))
    folders = find_runs([fspath(run)], outputs_root, uri)
    if len(folders) > 1:
        raise InputError(f"{run}: {len(folders)} runs match; name one")
    require_config(RunDir(folders[0]))
    data = load_run(folders[0])
    part = "test" if data.is_test_evaluated else "validation"
    tables = shortcut_tables(data, part, (outputs_of(folders[0]) or outputs_root) / "cache")
    network = judge(tables, baseline=NETWORK, alpha=alpha)
    others = {name: table for name, table in tables.items() if name != NETWORK}
    chance = judge(others, baseline=CHANCE, alpha=alpha)
    return control_of(network, chance, part)


def leave_one_source_out(
    run: str | PathLike[str], column: str, table: object = None, *, uri: str | None = None,
    outputs: str | PathLike[str] | None = None,
) -> list[SourceResult]:  # fmt: skip
    """The accuracy on each source of photos when the head is trained without it.

    `column` of `table` (a frame or file with path, id or image_hash) has the source of each photo;
    without a table, "group" is the group of the photo. Raises `InputError`.
    """
    import pandas as pd

    from fashion_exp.inference.source_control import leave_one_source_out as leave_out
    from fashion_exp.inference.trained_run import load_run
    from fashion_exp.reporting.console import plain_console
    from fashion_exp.reporting.progress import Progress

    trained = load_run(fspath(run), outputs_dir(None if outputs is None else fspath(outputs)), uri)
    frame = trained.predictions("validation").drop_duplicates("image_id")
    items = pd.Index(frame["image_id"].astype(str))
    columns = pd.DataFrame({"group": frame["group_id"].to_numpy()}, index=items)
    if table is not None:
        from fashion_exp.judging.columns import ColumnOptions
        from fashion_exp.judging.item_columns import item_columns
        from fashion_exp.judging.sources import SourceOptions, named_frames

        ((_, parts),) = named_frames({"table": table}, SourceOptions()).items()
        keys = [{"id": frame["image_id"].astype(str), "path": frame["path"].astype(str)}]
        columns = item_columns(parts[0][1], "table", items, keys, ColumnOptions())
    if column not in columns:
        hint = suggest(column, map(str, columns))
        raise InputError(f"leave-out={column}: no such column of the photos; {hint}")
    with Progress(plain_console(stderr=True)) as progress:
        return leave_out(trained, columns[column], progress)
