"""Records: what was added is read back, whatever was cut off, spoilt, or added by others."""

from __future__ import annotations

import multiprocessing
import pickle
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fashion_exp.cache.array_store import ArrayStore, in_use, remove, store_lock
from fashion_exp.cache.provenance import library_versions, source_hash
from fashion_exp.errors import InputError

SHAPE = (3, 2)


def opened(folder: Path) -> ArrayStore:
    return ArrayStore(folder, SHAPE, "uint16", {"of": "a test"})


def array(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2**16, SHAPE, dtype=np.uint16)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "store"


def test_what_is_added_is_read_and_found_by_others(folder: Path) -> None:
    ours, theirs = opened(folder), opened(folder)
    ours.add({"a": array(1), "b": array(2)}, {"c": "truncated JPEG"})
    assert "a" not in theirs
    theirs.refresh()
    assert all(name in theirs for name in "abc") and theirs.absent == {"c": "truncated JPEG"}
    again = ArrayStore.open_existing(folder)
    assert again is not None and again.shape == SHAPE and again.dtype == np.uint16
    for records in (ours, theirs, again, pickle.loads(pickle.dumps(ours))):
        assert np.array_equal(records.read("b"), array(2))
    assert ArrayStore.open_existing(folder.with_name("none")) is None


def test_what_is_there_is_not_added_twice(folder: Path) -> None:
    ours, theirs = opened(folder), opened(folder)
    ours.add({"a": array(1)})
    theirs.add({"a": array(7), "b": array(2)})
    assert np.array_equal(theirs.read("a"), array(1))
    assert (folder / "records.bin").stat().st_size == 2 * 12


def test_all_arrays_can_be_had_as_they_lie(folder: Path) -> None:
    records = opened(folder)
    assert records.gather([])[0].shape == (0, *SHAPE)
    records.add({name: array(number) for number, name in enumerate("abc")})
    stored, places = records.gather(["c", "a"])
    assert np.array_equal(stored[places], [array(2), array(0)])


@given(
    cut=st.floats(0, 1),
    spoilt=st.floats(0, 1),
    file=st.sampled_from(["index.jsonl", "records.bin"]),
)
@settings(max_examples=40, deadline=None)
def test_no_damage_gives_a_wrong_array_or_loses_the_way(
    cut: float, spoilt: float, file: str
) -> None:
    """Files cut off and a bit turned over anywhere: each array is right or is none, and what is
    added after that is read back."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "store"
        written = {f"i{number}": array(number) for number in range(9)}
        opened(folder).add(written)
        content = bytearray((folder / file).read_bytes())
        content[int(spoilt * (len(content) - 1))] ^= 4
        (folder / file).write_bytes(content[: int(cut * len(content))])
        records = opened(folder)
        for name in [name for name in written if name in records.places]:
            found = records.read(name)
            assert found is None or np.array_equal(found, written[name])
        records.add(written)
        later = opened(folder)
        assert all(np.array_equal(later.read(name), own) for name, own in written.items())


def test_a_folder_in_use_is_not_removed_until_its_process_ends(folder: Path) -> None:
    context = multiprocessing.get_context("fork")
    ready, end = context.Event(), context.Event()

    def use() -> None:
        records = opened(folder)
        ready.set()
        end.wait()
        assert records is not None

    user = context.Process(target=use)
    user.start()
    assert ready.wait(30)
    assert not remove(folder) and folder.exists()
    user.kill()
    user.join()
    assert remove(folder) and not folder.exists() and remove(folder)
    opened(folder).close()
    with store_lock(folder):
        assert not in_use(folder)


def test_a_disk_that_refuses_is_told_with_a_way_out(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    records = opened(folder)
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(InputError, match=r"no space left on device.*cache clear"):
        records.add({"a": array(1)})
    monkeypatch.undo()
    records.add({"a": array(2)})
    assert np.array_equal(records.read("a"), array(2))


def test_code_is_told_apart_by_its_text() -> None:
    assert source_hash("models") != source_hash("data/synthetic") != source_hash("seeding.py")
    assert set(library_versions("numpy")) == {"python", "numpy"}
