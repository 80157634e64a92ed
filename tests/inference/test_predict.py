"""Photos in, one row per photo out: readable or not, however they are named and decoded."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from fashion_exp.commands.predict import run as predict_command
from fashion_exp.errors import InputError
from fashion_exp.inference.album import Album
from fashion_exp.inference.calibration import load_calibration
from fashion_exp.inference.output import open_predictions
from fashion_exp.inference.predict import predict
from fashion_exp.inference.sources import list_photos
from fashion_exp.inference.trained_run import TrainedRun

pytestmark = pytest.mark.slow


@pytest.fixture
def new(tmp_path: Path) -> Path:
    """Five noisy photos, and files that are none: one broken, one of a format that is not read."""
    rng = np.random.default_rng(1)
    folder = tmp_path / "new"
    (folder / "below").mkdir(parents=True)
    for number in range(5):
        pixels = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / ("below" if number > 2 else "") / f"{number}.png")
    (folder / "broken.png").write_bytes((folder / "0.png").read_bytes()[:60])
    (folder / "raw.cr2").write_bytes(b"II*\0    CR")
    (folder / "notes.txt").write_text("no photo")
    return folder


def test_ensemble_is_the_mean_of_the_stored_probabilities(
    trained: TrainedRun, photos: Path
) -> None:
    frame = trained.predictions("test")
    columns = [f"p_{name}" for name in trained.classes]
    by_model = [frame[frame["repeat"] == repeat].reset_index(drop=True) for repeat in (0, 1)]
    common = by_model[0].merge(by_model[1], on="image_id")
    paths = [str(photos / path) for path in by_model[0]["path"]]
    (table,) = predict(trained, paths)
    (single,) = predict(trained, paths, ["r0f0"], processes=2)
    assert np.array_equal(single[columns], by_model[0][columns].astype(float))
    first, second = (common[[f"{c}_{side}" for c in columns]].to_numpy() for side in "xy")
    assert len(common) > 10 and list(common["path_x"]) == list(by_model[0]["path"])
    mean = np.stack([first, second]).mean(0, dtype=np.float64)
    assert np.array_equal(table[columns], mean)
    assert (table["predicted"] == np.array(trained.classes)[mean.argmax(1)]).all()
    assert (table["runner_up"] == np.array(trained.classes)[mean.argsort(1)[:, -2]]).all()
    agreement = np.mean([p.argmax(1) == mean.argmax(1) for p in (first, second)], axis=0)
    assert np.array_equal(table["agreement"], agreement)


def test_sets_and_unfamiliar_photos_are_those_of_the_calibration(
    trained: TrainedRun, photos: Path, new: Path
) -> None:
    calibration = load_calibration(trained)
    frame = trained.predictions("test").query("repeat == 0")
    paths = [*(str(photos / path) for path in frame["path"]), str(new / "broken.png")]
    (table,) = predict(trained, paths, coverage=0.8)
    (single,) = predict(trained, paths, ["r1f0"], coverage=0.99)
    pixels = np.stack([trained.preprocess(trained.decode(path)) for path in paths[:-1]])
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    output = trained.predict_batch(images)
    sets = calibration.prediction_sets(output.probabilities, 0.8)
    _, unfamiliar = calibration.unfamiliar(None, output.probabilities)
    assert list(table["prediction_set"]) == [*("|".join(names) for names in sets), ""]
    assert list(table["unfamiliar"][:-1]) == list(unfamiliar)
    assert table["unfamiliar"].isna().iloc[-1]
    sizes = [t["prediction_set"].str.count(r"\|").mean() for t in (table, single)]
    assert sizes[1] > sizes[0]
    assert "prediction_set" not in next(predict(trained, paths, coverage=None))


@pytest.mark.parametrize("processes", [0, 2])
def test_unreadable_files_are_rows_with_a_reason(
    processes: int, trained: TrainedRun, new: Path
) -> None:
    (new / "gone.png").symlink_to(new / "nowhere.png")
    done: list[int] = []
    (table,) = predict(trained, [new], processes=processes, on_progress=done.append)
    names = [Path(path).name for path in table["path"]]
    assert names == ["0.png", "1.png", "2.png", "3.png", "4.png", "broken.png", "gone.png",
                     "raw.cr2"]  # fmt: skip
    reasons = dict(zip(names, table["reason"], strict=True))
    assert "PNG" in reasons["broken.png"] and reasons["gone.png"] == "broken link"
    assert "camera raw" in reasons["raw.cr2"]
    readable = table["reason"] == ""
    assert readable.sum() == 5 and table[readable].notna().to_numpy().all()
    assert table.loc[~readable, "probability"].isna().all() and done[-1] == 8


def test_rows_do_not_depend_on_the_other_photos_of_a_batch(
    trained: TrainedRun, new: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (whole,) = predict(trained, [new])
    monkeypatch.setattr(TrainedRun, "batch_size", 2)
    parts = list(predict(trained, [new]))
    assert [len(part) for part in parts] == [2, 2, 2, 1]
    pd.testing.assert_frame_equal(pd.concat(parts, ignore_index=True), whole, rtol=1e-5)


def test_what_is_not_there_is_a_row_among_photos(trained: TrainedRun, new: Path) -> None:
    (new / "empty").mkdir()
    (table,) = predict(trained, [new / "empty", new / "0.png", new / "gone.png"], processes=0)
    assert list(table["reason"]) == ["a folder, not a photo", "", "no such file"]
    with pytest.raises(InputError, match=r"no file or folder.*gone.png"):
        predict(trained, [new / "gone.png", new / "empty"])


def test_only_unreadable_photos_give_rows(trained: TrainedRun, new: Path) -> None:
    (table,) = predict(trained, [new / "broken.png"])
    assert len(table) == 1 and table["predicted"][0] == ""


def test_sources_name_photos_in_many_ways(new: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(list_photos([new])) == 7
    monkeypatch.chdir(new)
    assert list_photos(["."])[0] == "0.png" and len(list_photos(["."])) == 7
    (new / "list.csv").write_text("number;path\n1;below/3.png\n2;0.png\n3;missing.png\n")
    monkeypatch.chdir(new)
    assert list_photos([new / "0.png", new / "0.png"]) == [str(new / "0.png")]
    assert list_photos(["*.png"]) == ["0.png", "1.png", "2.png", "broken.png"]
    assert list_photos(["**/3.*"]) == ["below/3.png"]
    assert list_photos(["list.csv"]) == ["below/3.png", "0.png", "missing.png"]
    assert list_photos(["-"], io.StringIO("1.png\n\n2.png\n")) == ["1.png", "2.png"]
    (new / "empty").mkdir()
    for source, message in {
        "empty": "no photos in it", "x*.png": "no photos in it", "-": "no paths on standard input",
        "0.pgn": "did you mean 0.png", "belo": "did you mean below/", "nowhere/": "there is no",
    }.items():  # fmt: skip
        with pytest.raises(InputError, match=message):
            list_photos([source], io.StringIO(""))
    mixed = ["gone.png", "empty", "0.png", "x*.png"]
    assert list_photos([*mixed, "-"], io.StringIO("")) == mixed, "each is a row with its reason"
    (new / "other.csv").write_text("file\n0.png\n")
    with pytest.raises(InputError, match="no column 'path'"):
        list_photos(["other.csv"])


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
def test_files_hold_the_rows_of_all_tables(
    ending: str, trained: TrainedRun, new: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (new / "=formula.png").write_bytes(b"")
    monkeypatch.chdir(new)
    monkeypatch.setattr(TrainedRun, "batch_size", 2)
    tables = list(predict(trained, ["[01].png", "=formula.png", "broken.png", "below"], ["r0f0"]))
    assert [list(table["reason"] == "") for table in tables] == [
        [True] * 2,
        [False] * 2,
        [True] * 2,
    ]
    file = tmp_path / f"predictions.{ending}"
    with open_predictions(file) as write:
        for table in tables:
            write(table)
        assert not file.exists()
    assert ending != "parquet" or pq.ParquetFile(file).num_row_groups == 1
    read: dict[str, Callable[[Path], pd.DataFrame]] = {
        "csv": pd.read_csv,
        "parquet": pd.read_parquet,
        "jsonl": lambda path: pd.read_json(path, lines=True),
    }
    rows = read[ending](file)
    expected = pd.concat(tables, ignore_index=True)
    assert list(rows.columns) == list(expected.columns)
    assert rows["path"][2] == ("'=formula.png" if ending == "csv" else "=formula.png")
    assert list(rows["prediction_set"].fillna("")) == list(expected["prediction_set"])
    assert list(rows["unfamiliar"].astype("boolean")) == list(expected["unfamiliar"])
    for name in ("probability", "p_dress", "agreement"):
        assert np.array_equal(
            rows[name].astype(np.float32), expected[name].astype(np.float32), equal_nan=True
        )
    assert list(rows["reason"].fillna("")) == list(expected["reason"])


def test_interrupted_output_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), open_predictions(tmp_path / "a.csv") as write:
        write(pd.DataFrame({"path": ["a"], "reason": [""]}))
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())
    with pytest.raises(InputError, match=r"ending: \.csv, \.parquet, \.jsonl"):
        open_predictions(tmp_path / "a.txt")


def test_album_shows_the_most_doubtful_photos_first(
    trained: TrainedRun, new: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fashion_exp.inference.album.MAX_PHOTOS", 3)
    monkeypatch.setattr(TrainedRun, "batch_size", 2)
    album, tables = Album(trained), list(predict(trained, [new]))
    for table in tables:
        album.add(table)
    album.write(tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text()
    ranked = pd.concat(tables).sort_values("probability")["path"]
    positions = [text.find(f">{path}<") for path in ranked[:3]]
    assert positions == sorted(positions) and positions[0] > 0
    assert f">{ranked.iloc[3]}<" not in text and "the first 3" in text
    assert "7 photos" in album.summary and "2 could not be read" in album.summary
    assert "camera raw" in text


def test_command_writes_prints_and_reports_failures(
    trained_folder: Path, new: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    folder = ["--outputs", str(trained_folder.parents[1])]
    into = tmp_path / "rows.csv"
    assert predict_command(["tiny", str(new), "--into", str(into), *folder]) == 3
    assert len(pd.read_csv(into)) == 7
    assert "2 could not be read" in capsys.readouterr().out
    assert predict_command(["tiny", str(new), "--model", "r0f0,r1f0", *folder]) == 3
    text = capsys.readouterr().out
    assert re.search("could not be read: raw.cr2: .*camera raw", text), "not a class"
    assert "prediction set" in text and max(map(len, text.splitlines()[1:8])) <= 80
    with pytest.raises(InputError, match="choose the format by the ending"):
        predict_command(["no-such-run", str(new), "--into", "x.xlsx"])
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{new / '0.png'}\n{new / '1.png'}\n"))
    assert predict_command(["tiny", "-", "--json", "--model", "r1f0", *folder]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [Path(row["path"]).name for row in rows] == ["0.png", "1.png"]
    total = sum(rows[0][f"p_{name}"] for name in ("dress", "pullover", "shirt"))
    assert rows[0]["agreement"] == 1 and total == pytest.approx(1)
    monkeypatch.chdir(new.parent)
    assert predict_command(["tiny", f"{new.name}/0.png", str(new / "1.png"), *folder]) == 0
    assert "0.png" in (text := capsys.readouterr().out) and "runner-up" in text
    for option, name in (("--into", "list.csv"), ("--page", "0.png")):
        (new / "list.csv").write_text("path\n0.png\n")
        before = (new / name).read_bytes()
        with pytest.raises(InputError, match=f"{option} .*{name}: is one of PHOTOS"):
            predict_command(["tiny", str(new / "list.csv"), option, str(new / name), *folder])
        assert (new / name).read_bytes() == before
    with pytest.raises(InputError, match="--into and --page: name two files"):
        predict_command(["tiny", str(new), "--into", str(into), "--page", str(into), *folder])
    with pytest.raises(InputError, match="r7f0: no model of this run"):
        predict_command(["tiny", str(new), "--model", "r7f0", *folder])
