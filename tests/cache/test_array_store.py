"""Stored arrays are read back exactly, whatever was truncated, corrupted or added by others."""

from __future__ import annotations

import multiprocessing
import pickle
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fashion_exp.cache.array_store import ArrayStore, has_users, remove_store, store_lock
from fashion_exp.cache.manager import is_used, list_stores
from fashion_exp.errors import InputError

SHAPE = (3, 2)


def open_store(folder: Path) -> ArrayStore:
    return ArrayStore(folder, SHAPE, "uint16", {"of": "a test"})


def array(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2**16, SHAPE, dtype=np.uint16)


def holds(store: ArrayStore, name: str, expected: np.ndarray) -> bool:
    stored = store.read(name)
    return stored is not None and np.array_equal(stored, expected)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "pixels" / "store"


def test_added_arrays_are_read_by_all_processes(folder: Path) -> None:
    first, second = open_store(folder), open_store(folder)
    first.add({"a": array(1), "b": array(2)}, {"c": "truncated JPEG"})
    assert "a" not in second
    second.refresh()
    assert all(name in second for name in "abc") and second.absent == {"c": "truncated JPEG"}
    reopened = ArrayStore.open_existing(folder)
    assert reopened is not None and reopened.shape == SHAPE and reopened.dtype == np.uint16
    for store in (first, second, reopened, pickle.loads(pickle.dumps(first))):
        assert holds(store, "b", array(2))
    assert ArrayStore.open_existing(folder.with_name("none")) is None


def test_existing_names_are_not_added_again(folder: Path) -> None:
    first, second = open_store(folder), open_store(folder)
    first.add({"a": array(1)})
    second.add({"a": array(7), "b": array(2)})
    assert holds(second, "a", array(1))
    assert (folder / "records.bin").stat().st_size == 2 * 12


def test_mapped_arrays_are_found_by_position(folder: Path) -> None:
    store = open_store(folder)
    assert store.map_arrays([])[0].shape == (0, *SHAPE)
    store.add({name: array(number) for number, name in enumerate("abc")})
    stored, positions = store.map_arrays(["c", "a"])
    assert np.array_equal(stored[positions], [array(2), array(0)])


@given(
    cut=st.floats(0, 1),
    corrupted=st.floats(0, 1),
    file=st.sampled_from(["index.jsonl", "records.bin"]),
)
@example(cut=1.0, corrupted=94 / 196, file="index.jsonl")  # i4's position becomes that of i0
@settings(max_examples=40, deadline=None)
@pytest.mark.slow
def test_damage_never_gives_a_wrong_array_and_can_be_repaired(
    cut: float, corrupted: float, file: str
) -> None:
    """A file is cut off and has a flipped bit: arrays are right or None, and can be added again."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "store"
        arrays = {f"i{number}": array(number) for number in range(9)}
        open_store(folder).add(arrays)
        content = bytearray((folder / file).read_bytes())
        content[int(corrupted * (len(content) - 1))] ^= 4
        (folder / file).write_bytes(content[: int(cut * len(content))])
        store = open_store(folder)
        for name in [name for name in arrays if name in store]:
            stored = store.read(name)
            assert stored is None or np.array_equal(stored, arrays[name])
        store.add(arrays)
        reopened = open_store(folder)
        assert all(holds(reopened, name, expected) for name, expected in arrays.items())


def test_an_entry_with_the_position_of_a_verified_array_is_damaged(folder: Path) -> None:
    store = open_store(folder)
    store.add({"a": array(1), "b": array(2)})
    index = folder / "index.jsonl"
    index.write_text(index.read_text().replace('["b", 1,', '["b", 0,'))
    store = open_store(folder)
    assert holds(store, "a", array(1)) and store.read("b") is None
    store.add({"b": array(2)})
    assert holds(open_store(folder), "b", array(2))


def test_store_in_use_is_not_removed_until_its_process_ends(folder: Path) -> None:
    context = multiprocessing.get_context("fork")
    ready, end = context.Event(), context.Event()

    def use() -> None:
        store = open_store(folder)
        ready.set()
        end.wait()
        store.close()

    process = context.Process(target=use)
    process.start()
    assert ready.wait(30)
    assert not remove_store(folder) and folder.exists()
    before = sorted(folder.parent.rglob("*"))
    (used,) = (s for s in list_stores(folder.parents[1]) if s.folder == folder)
    assert is_used(used) and sorted(folder.parent.rglob("*")) == before, "listing writes nothing"
    process.kill()
    process.join()
    assert not is_used(used)
    assert remove_store(folder) and not folder.exists() and remove_store(folder)
    open_store(folder).close()
    with store_lock(folder):
        assert not has_users(folder)


def test_full_disk_raises_with_a_remedy_and_loses_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    store = open_store(folder)
    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(InputError, match=r"no space left on device.*cache clear"):
        store.add({"a": array(1)})
    monkeypatch.undo()
    store.add({"a": array(2)})
    assert holds(store, "a", array(2))
