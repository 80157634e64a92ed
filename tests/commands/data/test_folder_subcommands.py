"""check, duplicates and summary through the command line: lists, pages, JSON, exit codes."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from fashion_exp.commands import data
from fashion_exp.errors import InputError
from tests.tools.curate.conftest import scene

VERBS = ("check", "duplicates", "summary")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two classes in two parts, a copy in another class, a blank and a broken one."""
    root = tmp_path / "photos"
    for number in range(8):
        part, label = ("train", "test")[number % 4 == 0], ("dress", "shirt")[number % 2]
        (root / part / label).mkdir(parents=True, exist_ok=True)
        scene(number).save(root / part / label / f"{number}.png")
    (root / "test/shirt").mkdir(exist_ok=True)
    scene(2).save(root / "test/shirt/2.jpg", quality=60)
    Image.new("RGB", (90, 90)).save(root / "train/dress/blank.png")
    (root / "train/dress/<b>&.jpg").write_bytes(b"\xff\xd8\xff")
    return root


def _run(verb: str, root: Path, tmp_path: Path, *words: str) -> int:
    return data.run([verb, str(root), "--outputs", str(tmp_path / "outputs"), *words])


def _told(verb: str, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    capsys.readouterr()
    assert _run(verb, root, tmp_path, "--json") == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_prints_json_alone_and_writes_a_page_that_needs_nothing(
    verb: str, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = _told(verb, root, tmp_path, capsys)
    page = Path(told["page"])
    assert page.name == f"{verb}.html" and page.is_relative_to(tmp_path / "outputs")
    assert json.loads(page.with_suffix(".json").read_text()) == told
    text = page.read_text()
    assert 'src="http' not in text and "<b>&.jpg" not in text
    assert "data:image/jpeg" in text


@pytest.mark.parametrize("verb", VERBS)
def test_what_a_person_reads_says_where_the_page_is(
    verb: str, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(verb, root, tmp_path, "--into", str(tmp_path / "here")) == 0
    assert f"page:        {tmp_path / 'here' / verb}.html" in capsys.readouterr().out


def test_check_writes_the_quarantine_and_says_so(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = _told("check", root, tmp_path, capsys)
    assert (root / "quarantine.csv").read_text().splitlines() == [
        "path,reason,by",
        "train/dress/<b>&.jpg,broken JPEG,check",
        "train/dress/blank.png,blank: all #000000,check",
    ]
    assert told["quarantined"] == 2 and told["files"] == 11
    assert told["quarantine"] == str(root / "quarantine.csv")


def test_duplicates_writes_groups_and_label_conflicts(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = _told("duplicates", root, tmp_path, capsys)
    (group,) = told["found"]
    assert group["photos"] == ["test/shirt/2.jpg", "train/dress/2.png"]
    assert (group["classes"], group["parts"]) == (["dress", "shirt"], ["test", "train"])
    lines = (root / "groups.csv").read_text().splitlines()
    assert lines[1:] == [f"{path},{group['group']},duplicates" for path in group["photos"]]
    assert "train/dress/2.png,dress,train,near copy" in Path(told["conflicts"]).read_text()
    (root / "test/shirt/2.jpg").unlink()
    assert _told("duplicates", root, tmp_path, capsys)["conflicts"] is None
    assert (root / "groups.csv").read_text() == "path,group,by\n"


def test_the_data_say_the_same_whenever_and_wherever_they_are_looked_at(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = [_told(verb, root, tmp_path, capsys) for verb in VERBS]
    (tmp_path / "outputs/cache/looks.sqlite").unlink()
    assert [_told(verb, root, tmp_path, capsys) for verb in VERBS] == first
    there = shutil.copytree(root, tmp_path / "elsewhere" / "photos")
    for verb, told in zip(VERBS, first, strict=True):
        again = _told(verb, there, tmp_path, capsys)
        assert again["page"] != told["page"]
        assert json.dumps(again).count("elsewhere") > 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["check", "nowhere"], "DIR: there is no folder 'nowhere'"),
        (["check", "{root}", "--tiny", "-1"], "--tiny -1"),
        (["summary", "{root}", "--max-megapixels", "0"], "--max-megapixels 0"),
        (["check", "{root}", "--into", "{root}/train/dress/2.png"], "is a file; name a folder"),
        (["chek", "{root}"], "did you mean check"),
    ],
)
def test_a_mistake_is_one_line(words: list[str], told: str, root: Path) -> None:
    with pytest.raises(InputError) as error:
        data.run([word.format(root=root) for word in words])
    assert told in str(error.value) and "\n" not in str(error.value)
    assert not (root / "quarantine.csv").exists()


@pytest.mark.parametrize("verb", ["check", "duplicates"])
def test_an_ill_formed_list_ends_before_the_work(verb: str, root: Path, tmp_path: Path) -> None:
    file = root / {"check": "quarantine.csv", "duplicates": "groups.csv"}[verb]
    file.write_text("path,what\n")
    with pytest.raises(InputError, match="has no column"):
        _run(verb, root, tmp_path)
    assert file.read_text() == "path,what\n" and not (tmp_path / "outputs").exists()


@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_to_is_told(root: Path, tmp_path: Path) -> None:
    root.chmod(0o500)
    try:
        with pytest.raises(InputError, match=r"cannot be written.*--list"):
            _run("check", root, tmp_path)
    finally:
        root.chmod(0o700)
    assert _run("check", root, tmp_path, "--list", str(tmp_path / "away.csv")) == 0


@pytest.mark.parametrize("verb", ["check", "duplicates"])
def test_lists_that_no_run_may_read_are_doubted(
    verb: str, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(verb, root, tmp_path) == 0 and "looks like" not in capsys.readouterr().out
    assert _run(verb, root / "train", tmp_path) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "the folder of an official part: runs read the lists at their dataset.root. " in said
    assert _run(verb, root / "train/dress", tmp_path) == 0
    assert "the folder of one class" in capsys.readouterr().out


@pytest.mark.timeout(60)
@pytest.mark.parametrize("verb", VERBS)
def test_what_is_no_file_is_not_waited_for(
    verb: str, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = _told(verb, root, tmp_path, capsys)
    os.mkfifo(root / "train/dress/pipe.jpg")
    os.mkfifo(root / "train/dress/pipe")
    (root / "train/dress/link.jpg").symlink_to("nowhere")
    assert _told(verb, root, tmp_path, capsys)["files"] == before["files"] + 2


@pytest.mark.parametrize("verb", VERBS)
def test_a_name_that_is_not_utf_8_can_be_told(
    verb: str, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = tmp_path / os.fsdecode(b"caf\xe9")
    root.rename(odd)
    (odd / "train/dress/2.png").rename(odd / "train/dress" / os.fsdecode(b"\xe9.png"))
    assert "caf\\xe9" in _told(verb, odd, tmp_path, capsys)["folder"]


@pytest.mark.parametrize("verb", VERBS)
def test_help_names_the_exit_codes(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        data.run([verb, "--help"])
    assert ended.value.code == 0 and "Exit codes: 0 done" in capsys.readouterr().out
