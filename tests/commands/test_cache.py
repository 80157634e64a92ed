"""The `cache` command: list, clear by kind, age and name, verify."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fashion_exp.cache.array_store import ArrayStore
from fashion_exp.cache.manager import list_stores, trim_cache
from fashion_exp.commands import cache as command
from fashion_exp.errors import InputError
from tests.conftest import TinyRun

pytestmark = pytest.mark.slow

GEOMETRY = {"size": 2, "fit": "crop", "interpolation": "bilinear", "channels": 3}


def create_store(outputs: Path, kind: str, name: str, entries: int, hours_ago: float) -> None:
    """Creates a store that no process has open."""
    folder = outputs / "cache" / kind / name
    key_fields = {"geometry": GEOMETRY} if kind == "pixels" else {}
    store = ArrayStore(folder, (2, 2, 3), "uint8", key_fields)
    store.add({f"i{k}": np.full((2, 2, 3), k) for k in range(entries)})
    store.close()
    last_used = time.time() - hours_ago * 3600
    os.utime(folder / "about.json", (last_used, last_used))


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    create_store(tmp_path, "pixels", "aaaa", 3, 50)
    create_store(tmp_path, "pixels", "bbbb", 5, 1)
    create_store(tmp_path, "features", "cccc", 2, 30)
    (tmp_path / "cache" / "trainings").mkdir()
    (tmp_path / "cache" / "trainings" / "dddd.json").write_text("{}")
    return tmp_path


RunCommand = Callable[..., Any]


@pytest.fixture
def run(outputs: Path, capsys: pytest.CaptureFixture[str]) -> RunCommand:
    """Runs the command with these arguments; returns the rows of its JSON output."""

    def run_command(*args: str, code: int = 0) -> Any:
        assert command.run([*args, "--json", "--outputs", str(outputs)]) == code
        return json.loads(capsys.readouterr().out)["stores"]

    return run_command


def names(outputs: Path) -> list[str]:
    return [store.folder.name for store in list_stores(outputs / "cache")]


def test_list_has_a_row_for_each_store(
    outputs: Path, run: RunCommand, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = run("list")
    assert [row["name"] for row in rows] == ["aaaa", "cccc", "bbbb", ""]
    assert [row["entries"] for row in rows] == [3, 2, 5, 1]
    assert rows[0]["of"] == "2 px, crop, bilinear" and not rows[0]["in use"]
    assert command.run(["list", "--outputs", str(outputs)]) == 0
    assert "aaaa" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("args", "remaining"),
    [
        ([], []),
        (["--kind", "pixels"], ["cccc", "trainings"]),
        (["--kind", "trainings"], ["aaaa", "cccc", "bbbb"]),
        (["--unused", "1d", "--kind", "pixels"], ["cccc", "bbbb", "trainings"]),
        (["bb"], ["aaaa", "cccc", "trainings"]),
        (["--kind", "pixels", "aa", "cc"], ["cccc", "bbbb", "trainings"]),
    ],
)
def test_clear_removes_the_selected_stores(
    outputs: Path, run: RunCommand, args: list[str], remaining: list[str]
) -> None:
    run("clear", *args)
    assert names(outputs) == remaining


def test_clear_keeps_a_store_in_use(outputs: Path, run: RunCommand) -> None:
    store = ArrayStore.open_existing(outputs / "cache" / "pixels" / "aaaa")
    rows = run("clear")
    assert {row["name"]: row["cleared"] for row in rows}["aaaa"] is False
    assert store is not None and names(outputs) == ["aaaa"]
    store.close()
    run("clear")
    assert names(outputs) == []


def test_verify_reports_damage_and_does_not_count_as_use(outputs: Path, run: RunCommand) -> None:
    data = outputs / "cache" / "pixels" / "bbbb" / "records.bin"
    content = bytearray(data.read_bytes())
    content[13] ^= 1
    data.write_bytes(content)
    (outputs / "cache" / "trainings" / "eeee.json").write_text("{")
    rows = run("verify", code=1)
    assert {row["name"]: row["damaged"] for row in rows} == {"aaaa": 0, "cccc": 0, "bbbb": 1, "": 1}
    assert names(outputs)[:3] == ["aaaa", "cccc", "bbbb"]  # least recently used first


def test_run_removes_unused_stores_above_the_limit(tiny: Callable[..., TinyRun]) -> None:
    cache = tiny("dataset.image_size=16", "training.epochs=1").output.parents[1] / "outputs/cache"
    tiny("dataset.image_size=20", "training.epochs=1")
    assert sizes(cache) == ["16", "20"]
    # The limit of 0 does not remove the store that the run itself uses.
    tiny("dataset.image_size=24", "training.epochs=1", "cache.gigabytes=0")
    assert sizes(cache) == ["24"]


def sizes(cache: Path) -> list[str]:
    """Image sizes of the pixel stores, least recently used first."""
    return [s.description.partition(" ")[0] for s in list_stores(cache) if s.kind == "pixels"]


def test_trim_cache_stops_at_the_limit(outputs: Path) -> None:
    total = sum(store.size for store in list_stores(outputs / "cache")[:3])
    assert [store.folder.name for store in trim_cache(outputs / "cache", total - 1)] == ["aaaa"]
    assert trim_cache(outputs / "cache", total) == []


@pytest.mark.parametrize(
    ("args", "message"),
    [(["clear", "zz"], "zz: no such store"), (["clear", "--unused", "soon"], "12h, 30d, 4w")],
)
def test_rejects_unknown_names_and_ages(outputs: Path, args: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        command.run([*args, "--outputs", str(outputs)])
    assert len(names(outputs)) == 4
