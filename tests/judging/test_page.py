"""The comparison of tools as a page."""

from __future__ import annotations

from pathlib import Path

import pytest

from fashion_exp.api.judging import judge
from fashion_exp.commands import judge as command
from fashion_exp.errors import InputError
from fashion_exp.judging.page import write_page
from tests.judging.tables import random_table


def test_page_has_the_answer_the_numbers_and_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, seed, accuracy in (("good", 1, 0.95), ("poor", 2, 0.6)):
        random_table(seed, accuracy).to_csv(tmp_path / f"{name}.csv", index=False)
    files = [str(tmp_path / f"{name}.csv") for name in ("good", "poor")]
    folder = tmp_path / "page"
    assert command.run([*files, "--page", str(folder)]) == 0
    assert f"page: {folder / 'report.html'}" in capsys.readouterr().out
    page = (folder / "report.html").read_text()
    judgement = judge(files)
    assert f"--page {folder}" in (folder / "report.md").read_text()
    assert "good is better than poor by" in page
    assert "McNemar" in page and "Joined by id." in page
    assert {file.name for file in folder.iterdir()} >= {"report.md", "runs.csv", "pairs.csv"}
    assert len(list((folder / "figures").glob("accuracy-*.png"))) == 1
    assert len(judgement.pairs) == 1


def test_page_has_the_slices_and_no_password(tmp_path: Path) -> None:
    random_table(1, 0.8).to_csv(tmp_path / "a.csv", index=False)
    folder, store = tmp_path / "page", "http://me:secret@tracking.example"
    line = [str(tmp_path / "a.csv"), "--slices", "--page", str(folder), "--uri", store]
    assert command.run(line) == 0
    page = (folder / "report.html").read_text()
    assert "class dress" in page.partition("Slices</h2>")[2]
    for text in (page, (folder / "report.md").read_text()):
        assert "tracking.example" in text and "secret" not in text


def test_page_of_one_tool_and_of_scores(tmp_path: Path) -> None:
    single = write_page(judge({"a": random_table(1, 0.8)}), tmp_path / "one")
    assert "Wilson" not in single.read_text() and "80" in single.read_text()
    frames = {
        name: random_table(seed, 0.8)[["id"]].assign(score=[(seed * i) % 7 for i in range(120)])
        for seed, name in ((2, "a"), (3, "b"))
    }
    scores = write_page(judge(frames, metric="score"), tmp_path / "scores")
    assert "Score, 95 % intervals for the models at hand" in scores.read_text()


def test_page_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="choose another folder"):
        write_page(judge({"a": random_table(1, 0.8)}), tmp_path / "file")
