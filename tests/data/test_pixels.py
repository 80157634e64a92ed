"""The pixel store: decoded once, shared by runs and processes, repaired where damaged."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from fashion_exp.configuration.schema import DatasetConfig
from fashion_exp.data.geometry import Geometry, resize
from fashion_exp.data.pixels import CachedPixels, load_pixels
from fashion_exp.data.sources.folder import load_folder
from fashion_exp.data.table import (
    COLUMNS,
    ImageReader,
    ImageTable,
    SourceUnavailableError,
    UnreadableImageError,
    left_out_table,
)
from fashion_exp.errors import InputError

SQUARE = Geometry(size=8, fit="crop", interpolation="bilinear", channels=3)


class RandomImages:
    """Reads random images of several shapes; counts reads; fails for the rows in `broken`."""

    def __init__(self, broken: dict[int, str] | None = None) -> None:
        self.broken, self.reads = broken or {}, 0
        self.error: type[Exception] = UnreadableImageError

    def __call__(self, row: int) -> np.ndarray:
        self.reads += 1
        if row in self.broken:
            raise self.error(self.broken[row])
        return np.random.default_rng(row).integers(0, 256, (9 + row % 5, 12, 3), dtype=np.uint8)


def make_table(n: int, read: ImageReader, left_out: int = 0, copies: int = 1) -> ImageTable:
    rows = [(f"i{k}", f"i{k}", f"photo {k}", k % 2, "", copies) for k in range(n)]
    files = left_out_table((f"left {k}", "label conflict") for k in range(left_out))
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return ImageTable("test", frame, ("dress", "shirt"), read, 8, files)


Load = Callable[..., tuple[ImageTable, CachedPixels]]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """`load_pixels` with one cache for all calls of a test."""

    def load_with_defaults(
        table: ImageTable,
        max_left_out: float | None = 0,
        processes: int = 1,
        geometry: Geometry = SQUARE,
        progress: Callable[[int, int], None] = lambda done, total: None,
        cache: str = "cache",
    ) -> tuple[ImageTable, CachedPixels]:
        readable, (pixels,) = load_pixels(
            table, [geometry], max_left_out, processes, progress, tmp_path / cache
        )
        return readable, pixels

    return load_with_defaults


def all_images(pixels: CachedPixels) -> np.ndarray:
    return np.stack([pixels[row] for row in range(len(pixels))])


def test_images_do_not_depend_on_number_of_processes(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fashion_exp.data.pixels._BYTES_PER_TASK", 1)  # tasks of 16 images
    table = make_table(50, RandomImages())
    sequential, parallel = (load(table, 0, n, cache=f"{n}")[1] for n in (1, 4))
    assert len(sequential) == 50 and sequential.reused == parallel.reused == 0
    assert np.array_equal(all_images(sequential), all_images(parallel))
    for row in (0, 17, 49):
        assert np.array_equal(sequential[row], resize(table.read(row), SQUARE))


def test_images_are_decoded_once_and_returned_as_copies(load: Load) -> None:
    read = RandomImages()
    _, first = load(make_table(20, read))
    before = first[3]
    first[3][:] = 0
    _, second = load(make_table(20, read))
    assert np.array_equal(second[3], before) and before.any()
    assert (first.reused, second.reused, read.reads) == (0, 20, 20)


def test_only_added_images_are_decoded(load: Load) -> None:
    read = RandomImages()
    load(make_table(20, read))
    _, extended = load(make_table(30, read))
    assert (extended.reused, read.reads) == (20, 30)
    _, fresh = load(make_table(30, read), cache="fresh")
    assert np.array_equal(all_images(extended), all_images(fresh))


@pytest.mark.parametrize(
    "geometry",
    [
        replace(SQUARE, size=9),
        replace(SQUARE, fit="pad"),
        replace(SQUARE, interpolation="nearest"),
        replace(SQUARE, channels=1),
    ],
)
def test_geometries_do_not_share_images(load: Load, geometry: Geometry) -> None:
    table = make_table(4, RandomImages())
    load(table)
    _, pixels = load(table, geometry=geometry)
    assert pixels.reused == 0
    assert np.array_equal(pixels[2], resize(table.read(2), geometry))


def test_read_options_do_not_share_images(load: Load) -> None:
    """The id of a drawing does not depend on its size or ambiguity."""
    table = make_table(4, RandomImages())
    load(table)
    assert load(replace(table, read_options="drawn_size=7"))[1].reused == 0


def test_damaged_image_is_decoded_again(load: Load) -> None:
    table = make_table(20, RandomImages())
    _, intact = load(table)
    expected = all_images(intact)
    data = intact.store.folder / "records.bin"
    damaged = bytearray(data.read_bytes())
    damaged[5 * 192 + 7] ^= 1
    data.write_bytes(damaged)
    assert np.array_equal(all_images(load(table)[1]), expected)
    read = RandomImages()
    _, repaired = load(make_table(20, read))
    assert np.array_equal(all_images(repaired), expected) and read.reads == 0


def test_truncated_store_loses_only_truncated_images(load: Load) -> None:
    table = make_table(20, RandomImages())
    _, intact = load(table)
    expected = all_images(intact)
    index, data = (intact.store.folder / name for name in ("index.jsonl", "records.bin"))
    lines = index.read_bytes()
    index.write_bytes(lines[: len(lines) // 2])
    _, repaired = load(table)
    assert np.array_equal(all_images(repaired), expected) and 5 < repaired.reused < 12
    with open(data, "r+b") as file:
        file.truncate(10 * 192 + 5)
    assert np.array_equal(all_images(load(table)[1]), expected)
    data.unlink()
    assert np.array_equal(all_images(load(table)[1]), expected)


def read_slowly(row: int) -> np.ndarray:
    time.sleep(0.002)
    return RandomImages()(row)


def fill_cache(cache: Path) -> None:
    load_pixels(make_table(300, read_slowly), [SQUARE], 0, 1, lambda *_: None, cache)


@pytest.mark.slow
def test_concurrent_runs_share_store_and_survive_kill(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    runs = [context.Process(target=partial(fill_cache, tmp_path)) for _ in range(3)]
    for run in runs:
        run.start()
    while not (indexes := list(tmp_path.glob("pixels/*/index.jsonl"))):
        time.sleep(0.01)
    os.kill(runs[0].pid or 0, signal.SIGKILL)
    for run in runs:
        run.join()
    assert [run.exitcode for run in runs[1:]] == [0, 0]
    table = make_table(300, RandomImages())
    _, (pixels,) = load_pixels(table, [SQUARE], 0, 1, lambda *_: None, tmp_path)
    assert pixels.reused == 300
    assert len(indexes[0].read_bytes().splitlines()) == 300, "no image twice"
    assert all(np.array_equal(pixels[r], resize(table.read(r), SQUARE)) for r in range(300))


def test_full_disk_is_reported_before_decoding(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    read = RandomImages()
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=20 * 192 - 1))
    with pytest.raises(InputError, match=r"need 0\.0 GB, but only 0\.0 GB are free; .*`cache clea"):
        load(make_table(20, read))
    assert read.reads == 0


def test_pixels_are_picklable(load: Load) -> None:
    _, pixels = load(make_table(4, RandomImages()))
    unpickled = pickle.loads(pickle.dumps(pixels))
    assert np.array_equal(all_images(unpickled), all_images(pixels))


def test_store_remembers_unreadable_images(load: Load) -> None:
    read = RandomImages({0: "truncated JPEG"})
    first, _ = load(make_table(40, read), 0.05)
    second, pixels = load(make_table(40, read), 0.05)
    assert read.reads == 40 and pixels.reused == 40
    assert second.left_out.equals(first.left_out) and len(second) == 39


def test_unavailable_image_is_tried_again(load: Load) -> None:
    read = RandomImages({3: "stale file handle"})
    read.error = SourceUnavailableError
    readable, _ = load(make_table(40, read), 1)
    assert readable.left_out.values.tolist() == [["photo 3", "stale file handle"]]
    assert len(load(make_table(40, RandomImages()), 0)[0]) == 40


def test_readable_rows_keep_their_images(load: Load) -> None:
    read = RandomImages({0: "truncated JPEG", 33: "60 megapixels, more than 40"})
    readable, pixels = load(make_table(40, read), 0.05, 3)
    assert len(readable) == len(pixels) == 38
    assert readable.left_out.values.tolist() == [
        ["photo 0", "truncated JPEG"],
        ["photo 33", "60 megapixels, more than 40"],
    ]
    for row in range(38):
        assert np.array_equal(pixels[row], resize(readable.read(row), SQUARE))
        assert readable.rows["path"][row] == f"photo {row + 1 + (row >= 32)}"


def test_limit_of_files_left_out(load: Load) -> None:
    read = RandomImages({0: "truncated JPEG", 1: "empty file", 2: "broken PNG"})
    table = make_table(36, read, left_out=4)
    with pytest.raises(InputError) as error:
        load(table, 0.17, 2)
    assert str(error.value) == (
        "dataset.max_left_out: 7 of 40 files (17.5%) cannot be used, more than 17.0%: "
        "'left 0' (label conflict), 'left 1' (label conflict), 'left 2' (label conflict), …; "
        "repair or remove them, or raise dataset.max_left_out"
    )
    assert len(load(table, 0.175, 2)[0]) == 33
    assert len(load(table, None, 2)[0]) == 33


def test_unreadable_image_counts_with_its_copies(load: Load) -> None:
    table = make_table(10, RandomImages({1: "truncated JPEG"}), copies=3)
    readable, _ = load(table, 0.1, 1)
    assert readable.left_out.values.tolist() == [["photo 1", "truncated JPEG (3 copies)"]] * 3
    assert readable.file_count == table.file_count == 30
    with pytest.raises(InputError, match=r"3 of 30 files \(10\.0%\)"):
        load(table, 0.09, 1)


def test_rejects_class_without_readable_image(load: Load) -> None:
    read = RandomImages({row: "truncated JPEG" for row in range(1, 6, 2)})
    with pytest.raises(InputError, match=r"no usable image of shirt \(3 files were left out\)"):
        load(make_table(6, read), 1)


def test_progress_increases_to_number_of_images(load: Load) -> None:
    calls: list[tuple[int, int]] = []
    load(make_table(40, RandomImages()), 0, 2, progress=lambda *call: calls.append(call))
    assert calls[-1] == (40, 40) and calls == sorted(calls)
    assert {total for _, total in calls} == {40}


def test_other_exceptions_are_not_treated_as_unreadable(load: Load) -> None:
    read = RandomImages({2: "bug"})
    read.error = KeyError
    with pytest.raises(KeyError):
        load(make_table(4, read), 1, 2)


def test_folder_with_damaged_files_loads_with_reasons(
    write_image: Callable[..., Path],
    make_config: Callable[..., DatasetConfig],
    tmp_path: Path,
    load: Load,
) -> None:
    for seed in range(4):
        write_image(f"dress/{seed}.png", seed)
        write_image(f"shirt/{seed}.jpg", 10 + seed, format="JPEG")
    data = write_image("shirt/half.jpg", 30, size=(40, 40), format="JPEG").read_bytes()
    (tmp_path / "shirt/half.jpg").write_bytes(data[: len(data) // 2])
    (tmp_path / "dress/words.jpg").write_text("not a photo")
    readable, pixels = load(load_folder(make_config()), 0.2, 2)
    assert len(pixels) == 8 and readable.file_count == 10
    assert dict(readable.left_out.values) == {
        "dress/words.jpg": "not a JPEG, PNG, WebP, BMP, GIF or TIFF image",
        "shirt/half.jpg": "truncated JPEG",
    }


def test_copies_of_unreadable_image_are_left_out_by_their_own_paths(load: Load) -> None:
    table = make_table(10, RandomImages({1: "truncated JPEG"}), copies=2)
    readable, _ = load(replace(table, copy_paths={"i1": ("photo 1", "copy of 1")}), 0.2)
    assert readable.left_out["path"].tolist() == ["photo 1", "copy of 1"]
    assert readable.file_count == table.file_count == 20
