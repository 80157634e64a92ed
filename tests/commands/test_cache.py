"""`cache`: what is there, cleared by kind, age and name, and verified."""

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

GEOMETRY = {"size": 2, "fit": "crop", "interpolation": "bilinear", "channels": 3}


def store(outputs: Path, kind: str, name: str, entries: int, hours_ago: float) -> Path:
    """A store that no process has open."""
    folder = outputs / "cache" / kind / name
    about = {"geometry": GEOMETRY} if kind == "pixels" else {}
    records = ArrayStore(folder, (2, 2, 3), "uint8", about)
    records.add({f"i{k}": np.full((2, 2, 3), k) for k in range(entries)})
    records.close()
    then = time.time() - hours_ago * 3600
    os.utime(folder / "about.json", (then, then))
    return folder


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    store(tmp_path, "pixels", "aaaa", 3, 50)
    store(tmp_path, "pixels", "bbbb", 5, 1)
    store(tmp_path, "features", "cccc", 2, 30)
    (tmp_path / "cache" / "trainings").mkdir()
    (tmp_path / "cache" / "trainings" / "dddd.json").write_text("{}")
    return tmp_path


def told(outputs: Path, capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> Any:
    assert command.run([*words, "--json", "--outputs", str(outputs)]) == code
    return json.loads(capsys.readouterr().out)["stores"]


def names(outputs: Path) -> list[str]:
    return [found.folder.name for found in list_stores(outputs / "cache")]


def test_list_tells_each_store(outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = told(outputs, capsys, "list")
    assert [row["name"] for row in rows] == ["aaaa", "cccc", "bbbb", ""]
    assert [row["entries"] for row in rows] == [3, 2, 5, 1]
    assert rows[0]["of"] == "2 px, crop, bilinear" and not rows[0]["in use"]
    assert command.run(["list", "--outputs", str(outputs)]) == 0
    assert "aaaa" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "left"),
    [
        ([], []),
        (["--kind", "pixels"], ["cccc", "trainings"]),
        (["--kind", "trainings"], ["aaaa", "cccc", "bbbb"]),
        (["--unused", "1d", "--kind", "pixels"], ["cccc", "bbbb", "trainings"]),
        (["bb"], ["aaaa", "cccc", "trainings"]),
        (["--kind", "pixels", "aa", "cc"], ["cccc", "bbbb", "trainings"]),
    ],
)
def test_clear_takes_what_is_asked(
    outputs: Path, words: list[str], left: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    told(outputs, capsys, "clear", *words)
    assert names(outputs) == left


def test_a_store_in_use_stays(outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    held = ArrayStore.open_existing(outputs / "cache" / "pixels" / "aaaa")
    rows = told(outputs, capsys, "clear")
    assert {row["name"]: row["cleared"] for row in rows}["aaaa"] is False
    assert held is not None and names(outputs) == ["aaaa"]
    held.close()
    told(outputs, capsys, "clear")
    assert names(outputs) == []


def test_verify_finds_what_is_damaged(outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = outputs / "cache" / "pixels" / "bbbb" / "records.bin"
    content = bytearray(data.read_bytes())
    content[13] ^= 1
    data.write_bytes(content)
    (outputs / "cache" / "trainings" / "eeee.json").write_text("{")
    rows = told(outputs, capsys, "verify", code=1)
    assert {row["name"]: row["damaged"] for row in rows} == {"aaaa": 0, "cccc": 0, "bbbb": 1, "": 1}
    assert names(outputs)[:3] == ["aaaa", "cccc", "bbbb"], "verifying is no use of a store"


def test_the_store_unused_the_longest_makes_room(tiny: Callable[..., TinyRun]) -> None:
    """`cache.gigabytes`: never one that a process uses, as this run does its own."""
    first = tiny("dataset.image_size=16", "training.epochs=1")
    place = first.output.parents[1] / "outputs" / "cache"
    tiny("dataset.image_size=20", "training.epochs=1")
    assert [found.described.split(" ")[0] for found in list_stores(place)[:-1]] == ["16", "20"]
    tiny("dataset.image_size=24", "training.epochs=1", "cache.gigabytes=0")
    assert [found.described.split(" ")[0] for found in list_stores(place)[:-1]] == ["24"]


def test_room_is_made_up_to_the_limit(outputs: Path) -> None:
    total = sum(found.size for found in list_stores(outputs / "cache")[:3])
    assert [gone.folder.name for gone in trim_cache(outputs / "cache", total - 1)] == ["aaaa"]
    assert trim_cache(outputs / "cache", total) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [(["clear", "zz"], "zz: no such store"), (["clear", "--unused", "soon"], "12h, 30d, 4w")],
)
def test_what_cannot_be_is_told(outputs: Path, words: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        command.run([*words, "--outputs", str(outputs)])
    assert len(names(outputs)) == 4
