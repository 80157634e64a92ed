"""Items gained and lost by a change, and by a new training alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fashion_exp.api.judging import flips
from fashion_exp.commands import flips as command
from fashion_exp.errors import InputError
from tests.judging.tables import random_table, table

BEFORE, AFTER = np.array([1, 1, 1, 0, 0, 1]), np.array([1, 0, 0, 1, 0, 1])


def trainings(correct: np.ndarray) -> pd.DataFrame:
    """A table of several trainings from (trainings, items)."""
    return pd.concat([table(row).assign(repeat=i) for i, row in enumerate(correct)])


def test_one_training_each_counts_items() -> None:
    result = flips(table(BEFORE), table(AFTER))
    whole, dress, shirt = result.counts
    assert (whole.items, whole.lost, whole.gained, whole.new_training) == (6, 2, 1, None)
    assert (dress.items, dress.lost, dress.gained) == (3, 1, 0)
    assert (shirt.items, shirt.lost, shirt.gained) == (3, 1, 1)
    assert result.items["id"].to_list() == ["i001", "i002", "i003"]
    assert "2 or more trainings" in result.sentence()


def test_copies_count_once() -> None:
    groups = [0, 1, 1, 2, 3, 4]  # the two lost items are copies
    result = flips(table(BEFORE).assign(group=groups), table(AFTER))
    assert (result.counts[0].items, result.counts[0].lost, result.counts[0].gained) == (5, 1, 1)


def test_a_new_training_is_expected_to_flip_as_many_as_it_does() -> None:
    """Of equal recipes, the flips between them equal those within them, on average."""
    chance = np.random.default_rng(0).random(4000)
    rng = np.random.default_rng(1)
    before, after = ((rng.random((3, 4000)) < chance).astype(int) for _ in range(2))
    counts = flips(trainings(before), trainings(after)).counts[0]
    pairs = [(a * (1 - b)).sum() for a in before for b in after]
    assert counts.lost == pytest.approx(np.mean(pairs))
    within = [(run[i] * (1 - run[j])).sum()
              for run in (before, after) for i in range(3) for j in range(3) if i != j]  # fmt: skip
    assert counts.new_training == pytest.approx(np.mean(within))
    assert counts.lost == pytest.approx(counts.new_training, rel=0.05)


def test_page_shows_the_photos_at_the_paths(tmp_path: Path) -> None:
    files = [tmp_path / "before.csv", tmp_path / "after.csv"]
    for correct, file in zip((BEFORE, AFTER), files, strict=True):
        frame = table(correct)
        frame.assign(path=frame["id"] + ".png").to_csv(file, index=False)
    for index in range(6):
        pixels = np.full((40, 30, 3), 40 * index, dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"i{index:03}.png")
    page = tmp_path / "flips.html"
    line = [*map(str, files), "--page", str(page)]
    for more in ([], ["--images", str(tmp_path)]):
        assert command.run([*line, *more]) == 0
    text = page.read_text()
    assert text.count("data:image/jpeg") == 3 and "Lost by after" in text
    assert text.count("right before, wrong after") >= 2 and "right after" in text
    page.unlink()
    for index in range(6):
        (tmp_path / f"i{index:03}.png").unlink()
    with pytest.raises(InputError, match=r"no photo of i001\.png can be read"):
        command.run(line)
    table(BEFORE).to_csv(files[0], index=False)
    table(AFTER).to_csv(files[1], index=False)
    with pytest.raises(InputError, match="no table has the paths"):
        command.run(line)
    assert not page.exists()


@pytest.mark.parametrize(
    ("accuracies", "margin", "decision", "code"),
    [
        ((0.9, 0.5), "10", "discard", 4),
        ((0.5, 0.9), "1", "keep", 0),
        ((0.8, 0.8), "1", "undecided", 5),
    ],
)
def test_gate_on_regressions_of_classes(
    accuracies: tuple[float, float], margin: str, decision: str, code: int, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    files = [str(tmp_path / f"{name}.csv") for name in ("before", "after")]
    for seed, (file, accuracy) in enumerate(zip(files, accuracies, strict=True)):
        random_table(seed, accuracy, 200).to_csv(file, index=False)
    assert command.run([*files, "--margin", margin, "--json"]) == code
    gate = json.loads(capsys.readouterr().out)["gate"]
    assert gate["decision"] == decision and set(gate["classes"]) == {"dress", "shirt"}
    assert command.run(files) == 0
    assert "right before" in capsys.readouterr().out


def test_one_class_that_is_lost_is_discarded_though_the_whole_gains(tmp_path: Path) -> None:
    before = np.tile([1, 0], 100)  # every dress, no shirt
    after = np.tile([0, 1, 1, 1], 50)  # half of the dresses, every shirt
    for name, correct in (("before", before), ("after", after)):
        table(correct).to_csv(tmp_path / f"{name}.csv", index=False)
    files = [str(tmp_path / "before.csv"), str(tmp_path / "after.csv")]
    assert command.run([*files, "--margin", "5"]) == 4


def test_why_the_whole_is_undecided_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Alone the dresses would be discarded, but not as one of two classes."""
    after = np.ones(200, dtype=int)
    after[: 2 * 12 : 2] = 0  # of the dresses
    for name, correct in (("before", np.ones(200, dtype=int)), ("after", after)):
        table(correct).to_csv(tmp_path / f"{name}.csv", index=False)
    files = [str(tmp_path / "before.csv"), str(tmp_path / "after.csv")]
    assert command.run([*files, "--margin", "7"]) == 5
    text = " ".join(capsys.readouterr().out.split())
    assert "dress: undecided: whether more than 7 points are lost: −12.0 points" in text
    assert "at alpha = 0.05/2, as one of 2 classes; alone it would be discarded." in text
    assert "shirt: keep: " in text
    assert text.endswith("undecided: whether more than 7 points are lost in dress.")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--margin", "0"], "margin"), (["--items", "-1"], "0 or more"), (["--alpha", "1"], "alpha")],
)
def test_rejects_invalid_options(arguments: list[str], message: str, tmp_path: Path) -> None:
    table(BEFORE).to_csv(tmp_path / "a.csv", index=False)
    table(AFTER).to_csv(tmp_path / "b.csv", index=False)
    with pytest.raises(InputError, match=message):
        command.run([str(tmp_path / "a.csv"), str(tmp_path / "b.csv"), *arguments])
