"""Looks are taken once for each content, whoever asks, and whatever became of the store."""

from __future__ import annotations

from pathlib import Path

import pytest

from fashion_exp.tools.curate import inspection_cache
from fashion_exp.tools.curate.image_tree import Place, look_through
from fashion_exp.tools.curate.inspection import Look, look_at
from fashion_exp.tools.curate.inspection_cache import LookStore, look_at_all
from tests.tools.curate.conftest import Draw

Store = LookStore


@pytest.fixture
def places(draw: Draw, tmp_path: Path) -> list[Place]:
    for number in range(5):
        draw(f"dress/{number}.png", number)
    (tmp_path / "photos/dress/5.jpg").write_bytes(b"\xff\xd8\xff no more")
    return look_through(str(tmp_path / "photos")).pictures


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows with every look that is really taken."""
    counted: list[int] = []

    def counting(content: bytes, limit: float) -> Look:
        counted.append(len(content))
        return look_at(content, limit)

    monkeypatch.setattr(inspection_cache, "look_at", counting)
    return counted


def _looks(places: list[Place], store: LookStore, limit: float = 40) -> list[Look]:
    return look_at_all(places, store, limit, 1, lambda done, total=None, /: None)


def test_a_second_time_nothing_is_looked_at(
    places: list[Place], taken: list[int], tmp_path: Path
) -> None:
    store = LookStore(tmp_path / "looks.sqlite")
    first = _looks(places, store)
    assert len(taken) == 6 and [look.reason == "" for look in first] == [True] * 5 + [False]
    assert _looks(places, store) == first and len(taken) == 6


def test_processes_change_nothing(places: list[Place], tmp_path: Path) -> None:
    alone, together = (
        look_at_all(
            places * 8, LookStore(tmp_path / f"{n}.sqlite"), 40, n, lambda done, total=None, /: None
        )
        for n in (1, 3)
    )
    assert alone == together


def test_the_limit_is_none_of_the_contents_own(
    places: list[Place], taken: list[int], tmp_path: Path
) -> None:
    store = LookStore(tmp_path / "looks.sqlite")
    small = _looks(places, store, 0.001)
    assert all("megapixels" in look.reason for look in small[:5])
    full = _looks(places, store)
    assert all(look.sight for look in full[:5])
    assert _looks(places, store, 0.001) == small and len(taken) == 11


def test_a_changed_file_is_another_content(places: list[Place], tmp_path: Path) -> None:
    store = LookStore(tmp_path / "looks.sqlite")
    before = _looks(places, store)
    Path(places[0].file).write_bytes(Path(places[1].file).read_bytes())
    assert _looks(places, store)[0] == before[1] != before[0]


def test_a_damaged_store_is_begun_anew(places: list[Place], tmp_path: Path) -> None:
    store = LookStore(tmp_path / "looks.sqlite")
    before = _looks(places, store)
    store.file.write_bytes(b"no database" * 100)
    assert _looks(places, store) == before
