"""Outputs have one place, and names do not collide."""

from __future__ import annotations

from pathlib import Path

import pytest

from fashion_exp.errors import InputError
from fashion_exp.paths import (
    check_homes,
    check_writable,
    checkout_root,
    conf_dir,
    new_run_token,
    outputs_dir,
    outputs_id,
    outputs_of,
    unique_name,
    writable_file,
)


@pytest.mark.parametrize("argument", ["~no-such-user/x", "--into=~no-such-user"])
def test_home_of_an_unknown_user_is_refused(argument: str) -> None:
    with pytest.raises(InputError, match="there is no such user"):
        check_homes(["--json", argument])
    check_homes(["~", "~/x", "a~b", "--into=~/x"])


def test_empty_outputs_are_refused() -> None:
    with pytest.raises(InputError, match="outputs is empty"):
        outputs_dir("")


def test_unwritable_outputs_are_refused_and_nothing_is_created(tmp_path: Path) -> None:
    check_writable(tmp_path / "new" / "outputs")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file is a file; choose another outputs=FOLDER"):
        check_writable(tmp_path / "file" / "outputs")
    with pytest.raises(InputError, match="outputs=/proc: /proc is not writable"):
        check_writable(Path("/proc"))  # where root has every permission, and nothing can be made
    with pytest.raises(InputError, match="is not writable"):
        check_writable(tmp_path / ("n" * 300))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_file_that_cannot_be_written_is_refused_and_not_created(tmp_path: Path) -> None:
    assert writable_file(str(tmp_path / "new" / "a.csv"), "--into") == tmp_path / "new" / "a.csv"
    for text, message in (("/proc/a.csv", "--into=/proc: /proc is not"), (str(tmp_path), "folder")):
        with pytest.raises(InputError, match=message):
            writable_file(text, "--into")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("folder", ["runs/a", "refits/a", "sweeps/s/a"])
def test_a_run_is_in_the_outputs_folder_around_it(folder: str, tmp_path: Path) -> None:
    assert outputs_of(tmp_path / folder) == tmp_path
    assert outputs_of(tmp_path / "elsewhere" / "a") is None


def test_names_do_not_collide() -> None:
    assert len({unique_name("resnet50") for _ in range(20)}) == 20


def test_folder_of_many_backbones_has_a_short_name_without_colons() -> None:
    name = unique_name("+".join(f"network{number}:stage" for number in range(16)))
    assert "-network0-stage+network1-stage" in name and len(name) < 120


def test_default_outputs_are_those_of_the_checkout_in_any_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    root = checkout_root()
    assert root is not None and outputs_dir(None) == root / "outputs"
    assert outputs_dir("here") == tmp_path / "here" and (conf_dir() / "config.yaml").is_file()


def test_tokens_name_their_outputs_folder_and_not_a_copy_of_it(tmp_path: Path) -> None:
    original, copy = tmp_path / "original", tmp_path / "copy"
    assert outputs_id(original) == ""
    tokens = {new_run_token(original) for _ in range(2)}
    assert len(tokens) == 2
    assert {token.split("-")[0] for token in tokens} == {outputs_id(original)}
    copy.mkdir()
    (copy / ".id").write_text((original / ".id").read_text())
    assert outputs_id(copy) != outputs_id(original)
