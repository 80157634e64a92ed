"""Files are whole or not there, names do not collide, and each look at a test set is counted."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import pytest

from fashion_exp.atomic_io import atomic_write, write_text
from fashion_exp.errors import InputError
from fashion_exp.paths import (
    check_writable,
    checkout_root,
    conf_dir,
    outputs_dir,
    record_test_evaluation,
    unique_name,
)
from fashion_exp.seeding import derive_seed, derive_seeds


def test_a_file_is_whole_or_as_it_was(tmp_path: Path) -> None:
    write_text(tmp_path / "new" / "f.txt", "first")
    with pytest.raises(RuntimeError), atomic_write(tmp_path / "new" / "f.txt") as unfinished:
        unfinished.write_text("half")
        raise RuntimeError
    assert [f.name for f in (tmp_path / "new").iterdir()] == ["f.txt"]
    assert (tmp_path / "new" / "f.txt").read_text() == "first"


def test_where_nothing_can_be_written_is_told_and_nothing_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_writable(tmp_path / "new" / "outputs")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file is a file; outputs=FOLDER"):
        check_writable(tmp_path / "file" / "outputs")
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(InputError, match="may not be written to"):
        check_writable(tmp_path / "new" / "outputs")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_look_counts_once_for_each_run_and_test_set(tmp_path: Path) -> None:
    looks = [("a", "1"), ("a", "1"), ("a", "2"), ("b", "1"), ("a", "3")]
    assert [record_test_evaluation(tmp_path, test, run) for test, run in looks] == [1, 1, 2, 1, 3]


def test_a_line_cut_off_by_a_crash_hides_no_other(tmp_path: Path) -> None:
    record_test_evaluation(tmp_path, "a", "1")
    with open(tmp_path / "test_looks.jsonl", "a") as ledger:
        ledger.write('{"test_hash": "a", "ru\n')
    assert record_test_evaluation(tmp_path, "a", "2") == 2


def test_looks_of_processes_at_once_are_all_counted(tmp_path: Path) -> None:
    with ProcessPoolExecutor(4, mp_context=get_context("forkserver")) as pool:
        counts = list(pool.map(partial(record_test_evaluation, tmp_path, "a"), map(str, range(12))))
    assert sorted(counts) == list(range(1, 13))


def test_names_do_not_collide() -> None:
    assert len({unique_name("resnet50") for _ in range(20)}) == 20


def test_outputs_are_the_checkouts_wherever_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    root = checkout_root()
    assert root is not None and outputs_dir(None) == root / "outputs"
    assert outputs_dir("here") == tmp_path / "here" and (conf_dir() / "config.yaml").is_file()


def test_seeds_are_functions_of_their_parts() -> None:
    assert derive_seed("order", 0, 1) == derive_seed("order", 0, 1)
    seeds = {derive_seed(*parts) for parts in (("a", 1), ("a", 2), ("b", 1), ("a", "1"), ("a1",))}
    assert len(seeds) == 5 and all(0 <= seed < 2**63 for seed in seeds)
    assert derive_seed("order", 0, 1) == 8556750900509299915, "in every process and version"


def test_many_seeds_are_those_of_each() -> None:
    for parts in (("test", 0), ("validation", 3, 1), ("one",)):
        names = ["a", "it's", 'a"b', "é", 7]
        assert derive_seeds(parts, names) == [derive_seed(*parts, name) for name in names]
