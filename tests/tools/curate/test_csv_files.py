"""A rerun writes its own lines anew and keeps every line that a person wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from fashion_exp.errors import InputError
from fashion_exp.tools.curate.csv_files import read_hand, write_groups, write_quarantine
from fashion_exp.tools.curate.findings import Finding
from fashion_exp.tools.curate.image_tree import Folder, Place


def _finding(path: str, detail: str = "blank", kind: str = "blank") -> Finding:
    return Finding(Place(path, path, "dress", ""), kind, detail)


def test_without_findings_there_is_no_list(tmp_path: Path) -> None:
    file = tmp_path / "quarantine.csv"
    assert write_quarantine(tmp_path, file, [_finding("a.png", "tiny", "tiny")]) == (0, 0)
    write_groups(tmp_path, tmp_path / "groups.csv", [])
    assert list(tmp_path.iterdir()) == []


def test_ours_go_with_their_cause_and_theirs_stay(tmp_path: Path) -> None:
    file = tmp_path / "quarantine.csv"
    assert write_quarantine(tmp_path, file, [_finding("b.png"), _finding("a.png")]) == (2, 0)
    assert file.read_text() == "path,reason,by\na.png,blank,check\nb.png,blank,check\n"
    file.write_text(
        'path,reason,by,note\nb.png,blank,check,\nz.png,"ugly, and old",,mine\na.png,fine,check,\n'
    )
    before = file.read_text()
    assert write_quarantine(tmp_path, file, [_finding("a.png"), _finding("b.png")]) == (1, 2)
    lines = set(file.read_text().splitlines())
    assert lines == set(before.splitlines())
    assert write_quarantine(tmp_path, file, [_finding("a.png")]) == (0, 2)
    assert lines - set(file.read_text().splitlines()) == {"b.png,blank,check,"}


def test_what_does_not_change_is_not_written(tmp_path: Path) -> None:
    file = tmp_path / "quarantine.csv"
    write_quarantine(tmp_path, file, [_finding("a.png")])
    before = file.stat()
    write_quarantine(tmp_path, file, [_finding("a.png")])
    assert file.stat().st_mtime_ns == before.st_mtime_ns
    assert file.stat().st_ino == before.st_ino


def test_a_list_that_cannot_be_read_stays_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "quarantine.csv"
    file.write_text("path,reason\na.png,blank,too,many\n")
    with pytest.raises(InputError, match=r"quarantine: .*quarantine\.csv', line 2 has more fields"):
        write_quarantine(tmp_path, file, [_finding("b.png")])
    assert "too,many" in file.read_text() and len(list(tmp_path.iterdir())) == 1


def test_groups_by_features_that_are_found_no_more_are_counted(tmp_path: Path) -> None:
    file = tmp_path / "groups.csv"
    lines = "a.png,g,embeddings\nb.png,g,embeddings\nc.png,h,duplicates\nd.png,h,duplicates\n"
    file.write_text("path,group,by\n" + lines)
    assert write_groups(tmp_path, file, []) == 2
    assert file.read_text() == "path,group,by\n"
    assert write_groups(tmp_path, file, []) == 0


def test_what_people_said_of_groups_is_told_from_what_was_found(tmp_path: Path) -> None:
    file = tmp_path / "groups.csv"
    file.write_text(
        "path,group,by\na.png,g,duplicates\nb.png,,duplicates\n./c.png,mine,\nd.png,mine,anna\ne.png,mine,\n"
    )
    places = [Place(f"{name}.png", "", "", "") for name in "abcd"]
    hand = read_hand(Folder(tmp_path, places, []), file)
    assert hand.together == {"c.png": "mine", "d.png": "mine"}
    assert hand.alone == {"b.png"}
    write_groups(tmp_path, file, [])
    before = "path,group,by\nb.png,,duplicates\n./c.png,mine,\nd.png,mine,anna\ne.png,mine,\n"
    assert file.read_text() == before
