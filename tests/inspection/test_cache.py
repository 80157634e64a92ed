"""Each content is inspected once, and the cache never changes a result."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fashion_exp.data.decode import BinaryFile
from fashion_exp.inspection import cache as inspection_cache
from fashion_exp.inspection.cache import InspectionCache, inspect_files
from fashion_exp.inspection.image import ImageInspection, inspect_image
from fashion_exp.inspection.image_tree import ImageFile, scan_folder
from tests.inspection.conftest import SaveImage, no_tick


@pytest.fixture
def images(save: SaveImage, tmp_path: Path) -> list[ImageFile]:
    """Five valid images and a broken one."""
    for number in range(5):
        save(f"dress/{number}.png", number)
    (tmp_path / "photos/dress/5.jpg").write_bytes(b"\xff\xd8\xff no more")
    return scan_folder(str(tmp_path / "photos")).images


@pytest.fixture
def cache(tmp_path: Path) -> InspectionCache:
    return InspectionCache(tmp_path / "looks.sqlite")


@pytest.fixture
def inspected_sizes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of all contents that are really inspected."""
    sizes: list[int] = []

    def count_and_inspect(content: BinaryFile, limit: float) -> ImageInspection:
        sizes.append(content.seek(0, os.SEEK_END))
        return inspect_image(content, limit)

    monkeypatch.setattr(inspection_cache, "inspect_image", count_and_inspect)
    return sizes


def _inspect(
    images: list[ImageFile], cache: InspectionCache, limit: float = 40, processes: int = 1
) -> list[ImageInspection]:
    inspections = dict(inspect_files(images, cache, limit, processes, no_tick))
    return [inspections[position] for position in range(len(images))]


def test_second_run_inspects_nothing(
    images: list[ImageFile], cache: InspectionCache, inspected_sizes: list[int]
) -> None:
    first = _inspect(images, cache)
    assert len(inspected_sizes) == 6
    assert [inspection.reason == "" for inspection in first] == [True] * 5 + [False]
    assert _inspect(images, cache) == first and len(inspected_sizes) == 6


def test_number_of_processes_does_not_matter(
    images: list[ImageFile], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspection_cache, "_BATCH_SIZE", 1)
    single, parallel = (
        _inspect(images, InspectionCache(tmp_path / f"{n}.sqlite"), processes=n) for n in (1, 3)
    )
    assert single == parallel


def test_megapixel_limit_applies_to_cached_inspections(
    images: list[ImageFile], cache: InspectionCache, inspected_sizes: list[int]
) -> None:
    limited = _inspect(images, cache, limit=0.001)
    assert all(inspection.is_oversized for inspection in limited[:5])
    full = _inspect(images, cache)
    assert all(inspection.stats for inspection in full[:5])
    assert _inspect(images, cache, limit=0.001) == limited and len(inspected_sizes) == 11


def test_changed_file_gets_a_new_inspection(
    images: list[ImageFile], cache: InspectionCache
) -> None:
    before = _inspect(images, cache)
    Path(images[0].real_path).write_bytes(Path(images[1].real_path).read_bytes())
    assert _inspect(images, cache)[0] == before[1] != before[0]


def test_damaged_cache_is_rebuilt(images: list[ImageFile], cache: InspectionCache) -> None:
    before = _inspect(images, cache)
    cache.path.write_bytes(b"no database" * 100)
    assert _inspect(images, cache) == before
