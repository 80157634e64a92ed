"""What is free, as the system and a container tell it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fashion_exp.data.memory import available_bytes

PHYSICAL = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@pytest.fixture
def system(tmp_path: Path) -> Path:
    (tmp_path / "meminfo").write_text("MemTotal: 9000 kB\nMemFree: 1 kB\nMemAvailable:    700 kB\n")
    return tmp_path / "meminfo"


def container(folder: Path, limit: str, used: int, cached: int) -> Path:
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 5\ninactive_file {cached}\n")
    return folder


def test_the_system_s_own_figure_is_taken(system: Path, tmp_path: Path) -> None:
    assert available_bytes(system, tmp_path) == 700 * 1024


def test_a_container_s_limit_counts_if_it_is_tighter(system: Path, tmp_path: Path) -> None:
    assert available_bytes(system, container(tmp_path, "1000", 400, 100)) == 700
    assert available_bytes(system, container(tmp_path, "1000", 4000, 100)) == 0
    assert available_bytes(system, container(tmp_path, "9999999", 400, 100)) == 700 * 1024


def test_a_container_without_a_limit_changes_nothing(system: Path, tmp_path: Path) -> None:
    assert available_bytes(system, container(tmp_path, "max", 4000, 100)) == 700 * 1024


def test_where_nothing_is_told_it_is_half_of_all_memory(tmp_path: Path) -> None:
    assert available_bytes(tmp_path / "none", tmp_path) == PHYSICAL // 2


def test_this_machine_has_some_and_no_more_than_there_is() -> None:
    assert 0 < available_bytes() <= PHYSICAL
