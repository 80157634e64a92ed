"""check, duplicates and summary as commands: lists, pages, JSON, errors."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from fashion_exp.commands import data
from fashion_exp.errors import InputError
from tests.inspection.conftest import scene

pytestmark = pytest.mark.slow

SUBCOMMANDS = ("check", "duplicates", "summary")

RunCommand = Callable[..., None]
RunJson = Callable[[str, Path], Any]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two classes in two parts, a copy in another class, a blank and a broken image."""
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


@pytest.fixture
def run(tmp_path: Path) -> RunCommand:
    def run_command(subcommand: str, folder: Path, *options: str) -> None:
        outputs = str(tmp_path / "outputs")
        assert data.run([subcommand, str(folder), "--outputs", outputs, *options]) == 0

    return run_command


@pytest.fixture
def run_json(run: RunCommand, capsys: pytest.CaptureFixture[str]) -> RunJson:
    def run_command(subcommand: str, folder: Path) -> Any:
        capsys.readouterr()
        run(subcommand, folder, "--json")
        return json.loads(capsys.readouterr().out)

    return run_command


@pytest.mark.parametrize("subcommand", SUBCOMMANDS)
def test_prints_only_json_and_writes_a_self_contained_page(
    subcommand: str, root: Path, tmp_path: Path, run_json: RunJson
) -> None:
    result = run_json(subcommand, root)
    page = Path(result["page"])
    assert page.name == f"{subcommand}.html" and page.is_relative_to(tmp_path / "outputs")
    assert json.loads(page.with_suffix(".json").read_text()) == result
    text = page.read_text()
    assert 'src="http' not in text and "<b>&.jpg" not in text
    assert "data:image/jpeg" in text


@pytest.mark.parametrize("subcommand", SUBCOMMANDS)
def test_terminal_output_names_the_page(
    subcommand: str,
    root: Path,
    tmp_path: Path,
    run: RunCommand,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run(subcommand, root, "--into", str(tmp_path / "pages"))
    assert f"page:        {tmp_path / 'pages' / subcommand}.html" in capsys.readouterr().out


def test_check_writes_the_quarantine(root: Path, run_json: RunJson) -> None:
    result = run_json("check", root)
    assert (root / "quarantine.csv").read_text().splitlines() == [
        "path,reason,by",
        "train/dress/<b>&.jpg,broken JPEG,check",
        "train/dress/blank.png,blank: all #000000,check",
    ]
    assert result["quarantined"] == 2 and result["files"] == 11
    assert result["quarantine"] == str(root / "quarantine.csv")


def test_duplicates_writes_groups_and_label_conflicts(root: Path, run_json: RunJson) -> None:
    result = run_json("duplicates", root)
    (group,) = result["found"]
    assert group["photos"] == ["test/shirt/2.jpg", "train/dress/2.png"]
    assert (group["classes"], group["parts"]) == (["dress", "shirt"], ["test", "train"])
    lines = (root / "groups.csv").read_text().splitlines()
    assert lines[1:] == [f"{path},{group['group']},duplicates" for path in group["photos"]]
    assert Path(result["conflicts"]).read_text().splitlines() == [
        "group,path,label,part,joined by",
        f"{group['group']},test/shirt/2.jpg,shirt,test,near copy",
        f"{group['group']},train/dress/2.png,dress,train,near copy",
    ]
    (root / "test/shirt/2.jpg").unlink()
    assert run_json("duplicates", root)["conflicts"] is None
    assert (root / "groups.csv").read_text() == "path,group,by\n"


def test_results_are_independent_of_the_cache_and_pages_are_per_folder(
    root: Path, tmp_path: Path, run_json: RunJson
) -> None:
    first = [run_json(subcommand, root) for subcommand in SUBCOMMANDS]
    (tmp_path / "outputs/cache/looks.sqlite").unlink()
    assert [run_json(subcommand, root) for subcommand in SUBCOMMANDS] == first
    copy = shutil.copytree(root, tmp_path / "elsewhere" / "photos")
    for subcommand, result in zip(SUBCOMMANDS, first, strict=True):
        of_copy = run_json(subcommand, copy)
        assert of_copy["page"] != result["page"] and of_copy["folder"] == str(copy)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["check", "nowhere"], "DIR: there is no folder 'nowhere'"),
        (["check", "{root}", "--tiny", "-1"], "--tiny -1"),
        (["summary", "{root}", "--max-megapixels", "0"], "--max-megapixels 0"),
        (
            ["check", "{root}", "--into", "{root}/train/dress/2.png"],
            "is a file; choose another --into=FOLDER",
        ),
        (["duplicates", "{root}", "--cosine", "0.9"], "--cosine: needs --embeddings"),
        (["duplicates", "{root}", "--embeddings", "x", "--cosine", "2"], "--cosine 2"),
        (["chek", "{root}"], "did you mean check"),
    ],
)
def test_invalid_arguments_are_rejected_in_one_line(
    arguments: list[str], message: str, root: Path
) -> None:
    with pytest.raises(InputError) as error:
        data.run([argument.format(root=root) for argument in arguments])
    assert message in str(error.value) and "\n" not in str(error.value)
    assert not (root / "quarantine.csv").exists()


@pytest.mark.parametrize(
    ("subcommand", "name"), [("check", "quarantine.csv"), ("duplicates", "groups.csv")]
)
def test_malformed_list_is_rejected_before_inspection(
    subcommand: str, name: str, root: Path, tmp_path: Path, run: RunCommand
) -> None:
    (root / name).write_text("path,what\n")
    with pytest.raises(InputError, match="no column"):
        run(subcommand, root)
    assert (root / name).read_text() == "path,what\n" and not (tmp_path / "outputs").exists()


@pytest.mark.skipif(os.getuid() == 0, reason="root can write anywhere")
def test_read_only_folder_is_reported(root: Path, tmp_path: Path, run: RunCommand) -> None:
    root.chmod(0o500)
    try:
        with pytest.raises(InputError, match=r"cannot be written.*--list"):
            run("check", root)
    finally:
        root.chmod(0o700)
    run("check", root, "--list", str(tmp_path / "elsewhere.csv"))


@pytest.mark.parametrize("subcommand", ["check", "duplicates"])
def test_warns_if_runs_may_not_read_the_list(
    subcommand: str, root: Path, run: RunCommand, capsys: pytest.CaptureFixture[str]
) -> None:
    run(subcommand, root)
    assert "looks like" not in capsys.readouterr().out
    for folder, kind in (("train", "an official part"), ("train/dress", "one class")):
        run(subcommand, root / folder)
        output = " ".join(capsys.readouterr().out.split())
        assert f"This looks like the folder of {kind}, but runs read the lists in" in output


@pytest.mark.timeout(60)
@pytest.mark.parametrize("subcommand", SUBCOMMANDS)
def test_named_pipes_and_broken_links_do_not_block(
    subcommand: str, root: Path, run_json: RunJson
) -> None:
    before = run_json(subcommand, root)
    os.mkfifo(root / "train/dress/pipe.jpg")
    os.mkfifo(root / "train/dress/pipe")
    (root / "train/dress/link.jpg").symlink_to("nowhere")
    assert run_json(subcommand, root)["files"] == before["files"] + 2


@pytest.mark.parametrize("subcommand", SUBCOMMANDS)
def test_names_that_are_not_utf_8_are_escaped(
    subcommand: str, root: Path, tmp_path: Path, run_json: RunJson
) -> None:
    renamed = tmp_path / os.fsdecode(b"caf\xe9")
    root.rename(renamed)
    (renamed / "train/dress/2.png").rename(renamed / "train/dress" / os.fsdecode(b"\xe9.png"))
    assert "caf\\xe9" in run_json(subcommand, renamed)["folder"]


@pytest.mark.parametrize("subcommand", SUBCOMMANDS)
def test_help_lists_the_exit_codes(subcommand: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_info:
        data.run([subcommand, "--help"])
    assert exit_info.value.code == 0 and "Exit codes: 0 done" in capsys.readouterr().out
