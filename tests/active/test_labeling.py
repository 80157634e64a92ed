"""What to label next, and labels where two runs differ: from the page to the next training."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fashion_exp.active.between import find_disagreements, judge_disagreements
from fashion_exp.active.selection import development_ids, training_list
from fashion_exp.inference.trained_run import load_run
from tests.backbone_runs import options
from tests.command_line import call_command, call_successfully
from tests.conftest import TinyRun

FROZEN = ("model.weights=none", "model.freeze=backbone", "training.precision=fp32", "seed=1")
CLASSES = ("dress", "pullover", "shirt")


@pytest.fixture
def unlabeled(tmp_path: Path, photos: Path) -> Path:
    """12 new photos, a copy, a smaller copy, one of the run's own, a smaller copy of a photo of its
    own, and one that is no photo."""
    folder = tmp_path / "unlabeled"
    folder.mkdir()
    rng = np.random.default_rng(5)
    for number in range(12):
        blocks = rng.integers(0, 256, (8, 8, 3), np.uint8)
        image = Image.fromarray(blocks).resize((64, 64), Image.Resampling.NEAREST)
        image.save(folder / f"{number:02}.png")
    shutil.copy(folder / "00.png", folder / "copy.png")
    Image.open(folder / "01.png").resize((48, 48)).save(folder / "smaller.png")
    shutil.copy(photos / "train" / "dress" / "00.png", folder / "own.png")
    own = Image.open(photos / "train" / "shirt" / "00.png")
    own.resize([2 * edge for edge in own.size]).save(folder / "own, larger.png")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0nothing")
    return folder


def cases(page: Path) -> list[dict[str, object]]:
    result = re.search(r'id="review-data">(.*?)</script>', page.read_text(), re.DOTALL)
    assert result is not None
    content: list[dict[str, object]] = json.loads(result[1])["cases"]
    return content


def decide(page: Path, file: Path, decision: str) -> int:
    """Writes what the page exports when every case gets this decision; returns their number."""
    rows = [
        [image, path, case["given"], decision]
        for case in cases(page)
        for image, path in case["images"]  # type: ignore[attr-defined]
    ]
    with open(file, "w", newline="") as stream:
        csv.writer(stream).writerows([["image_id", "path", "given", "decision"], *rows])
    return len(cases(page))


@pytest.mark.slow
def test_page_decisions_and_next_round(
    tiny: Callable[..., TinyRun], unlabeled: Path, tmp_path: Path, backbone_files: dict[str, Path]
) -> None:
    network = options(backbone_files, "test_resnet")
    run = str(tiny(*network).output)
    page, decisions, manifest = (tmp_path / n for n in ("page.html", "decisions.csv", "all.csv"))
    common = ["active", "next", run, str(unlabeled), "--page", str(page)]
    for strategy in ("badge", "coreset", "usdm", "margin"):
        text = call_successfully(*common, "--count", "5", "--strategy", strategy)
        assert "5 photos to label" in text and "Left out: 1 photo that cannot be read." in text
        assert len(cases(page)) == 5
    call_successfully(*common, "--count", "99")
    everything = cases(page)
    assert len(everything) == 12  # the smaller copy is beside its photo, the others are left out
    assert sorted(len(case["images"]) for case in everything)[-2:] == [1, 2]  # type: ignore[arg-type]
    call_successfully(*common, "--count", "5")
    assert decide(page, decisions, "shirt") == 5
    again = ["--decided", str(decisions), "--manifest", str(manifest)]
    text = call_successfully(*common, "--count", "99", *again)
    assert "72 photos of the run and 5 decided, " in text and len(cases(page)) == 7
    with open(manifest) as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 77 and {row["part"] for row in rows} == {"train", "test"}
    trained = tiny(*network, "dataset=csv", f"dataset.manifest={manifest}")
    before = set(TinyRun(Path(run)).predictions("test")["image_id"])
    assert set(trained.predictions("test")["image_id"]) == before
    call_successfully("active", "next", str(trained.output), str(unlabeled), "--page", str(page))
    assert len(cases(page)) == 7  # the next run knows the decided photos
    decide(page, decisions, "shirt")
    page.unlink()
    text = call_successfully("active", "next", str(trained.output), str(unlabeled),
                             "--page", str(page), "--decided", str(decisions),
                             "--manifest", str(manifest))  # fmt: skip
    assert "Nothing is left to label" in text and "train: dataset=csv" in text
    assert not page.exists()
    call_successfully(*common, "--count", "99")
    decide(page, decisions, "trousers")
    for arguments, message in {
        ("--decided", str(decisions)): "no class 'trousers'",
        ("--strategy", "bald"): "needs a run of several models",
        ("--strategy", "x"): "no such strategy",
        ("--manifest", str(manifest)): "needs --decided FILE",
        ("--count", "0"): "must be at least 1",
    }.items():
        done = call_command(*common, *arguments)
        assert done.returncode == 2 and message in done.stderr, done.stderr


@pytest.mark.slow
def test_labels_where_two_runs_differ_decide(
    tiny: Callable[..., TinyRun], unlabeled: Path, tmp_path: Path
) -> None:
    runs = [str(tiny(*FROZEN, f"seed={seed}").output) for seed in (1, 2)]
    page, decisions = tmp_path / "page.html", tmp_path / "decisions.csv"
    common = ["active", "next", "--between", *runs, str(unlabeled), "--page", str(page)]
    done = call_command("active", "next", runs[0], str(unlabeled), "--strategy", "badge")
    assert done.returncode == 2 and "choose margin" in done.stderr  # each model has its backbone
    text = call_successfully(*common)
    assert "of 12 photos, 0 of them labeled" in text
    shown = cases(page)
    assert all("|" in str(case["suggested"]) for case in shown)
    decide(page, decisions, "shirt")
    result = json.loads(call_successfully(*common, "--decided", str(decisions), "--json"))
    assert result["differ"] == result["labelled"] == len(shown) and result["page"] is None
    difference = result["difference"]["on_these"]
    assert difference["low"] == difference["estimate"] == difference["high"]


def test_right_runs_win_and_gaps_are_named() -> None:
    answers = {f"{i}": ("dress", "shirt" if i < 6 else "dress") for i in range(20)}
    results = find_disagreements(answers, 0)
    assert sorted(results.image_ids) == [f"{i}" for i in range(6)] and results.photos == 20
    assert results.image_ids == find_disagreements(dict(reversed(answers.items())), 0).image_ids
    first, _, third, *_ = results.image_ids
    decided = {first: ("dress",), third: ("dress", "pants"), "7": ("dress",)}
    result = judge_disagreements(("a", "b"), results, decided)
    assert (result.labeled, result.skipped) == (2, 1)
    assert result.estimate is not None
    assert result.estimate.on_these.estimate == pytest.approx(6 / 20)
    text = " ".join(result.sentences())
    assert (
        "a and b differ on 6 of 20 photos, 2 of them labeled." in text
        and "1 photo without a decision" in text
    )
    every = judge_disagreements(("a", "b"), results, dict.fromkeys(answers, ("shirt",)))
    assert every.estimate is not None and every.estimate.on_these.low == pytest.approx(-6 / 20)
    assert "b is better." in every.sentences()


@pytest.mark.slow
def test_development_ids_leave_out_the_test(tiny: Callable[..., TinyRun]) -> None:
    """Also with one training, whose validation photos are few of those that have labels."""
    run = tiny(*FROZEN, "repeats=1")
    split = pd.read_csv(run.output / "split.csv", dtype=str)
    trained = load_run(str(run.output), run.output.parents[1])
    expected = split["image_id"][split["r0f0"].isin(["train", "validation"])]
    assert development_ids(trained) == list(expected) and len(expected) > len(split) / 2


def test_training_list_has_labels_of_several_classes() -> None:
    own = [{"path": "/a.jpg", "label": "dress", "group": "0", "part": "test"}]
    decided = {"1": ("shirt",), "2": (), "3": ("dress", "shirt")}
    decided["4"] = decided["5"] = ("shirt",)  # 5 is a copy of a photo of the run
    photos = {image: (f"/{image}.jpg", "1" if image == "4" else image) for image in "1234"}
    rows = training_list(own, decided, photos)
    assert [(row["path"], row["label"], row["group"], row["part"]) for row in rows[1:]] == [
        ("/1.jpg", "shirt", "1", "train"),
        ("/3.jpg", "dress|shirt", "3", "train"),
        ("/4.jpg", "shirt", "1", "train"),
    ]
