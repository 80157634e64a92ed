"""Rewriting the lists replaces generated lines and keeps manual ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from fashion_exp.errors import InputError
from fashion_exp.inspection.image_tree import ImageFile, ImageTree
from fashion_exp.tools.curate.csv_files import read_manual_groups, write_groups, write_quarantine
from fashion_exp.tools.curate.findings import Finding


def _finding(path: str, kind: str = "blank") -> Finding:
    return Finding(ImageFile(path, path, "dress", ""), kind, kind)


def test_no_list_without_findings(tmp_path: Path) -> None:
    file = tmp_path / "quarantine.csv"
    assert write_quarantine(tmp_path, file, [_finding("a.png", "tiny")]) == (0, 0)
    write_groups(tmp_path, tmp_path / "groups.csv", [])
    assert list(tmp_path.iterdir()) == []


def test_generated_lines_follow_findings_and_manual_lines_stay(tmp_path: Path) -> None:
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


def test_unchanged_list_is_not_rewritten(tmp_path: Path) -> None:
    file = tmp_path / "quarantine.csv"
    write_quarantine(tmp_path, file, [_finding("a.png")])
    before = file.stat()
    write_quarantine(tmp_path, file, [_finding("a.png")])
    assert file.stat().st_mtime_ns == before.st_mtime_ns
    assert file.stat().st_ino == before.st_ino


def test_malformed_list_is_rejected_and_unchanged(tmp_path: Path) -> None:
    file = tmp_path / "quarantine.csv"
    file.write_text("path,reason\na.png,blank,too,many\n")
    with pytest.raises(InputError, match=r"quarantine\.csv', line 2"):
        write_quarantine(tmp_path, file, [_finding("b.png")])
    assert "too,many" in file.read_text() and len(list(tmp_path.iterdir())) == 1


def test_counts_files_no_longer_grouped_by_features(tmp_path: Path) -> None:
    file = tmp_path / "groups.csv"
    lines = "a.png,g,embeddings\nb.png,g,embeddings\nc.png,h,duplicates\nd.png,h,duplicates\n"
    file.write_text("path,group,by\n" + lines)
    assert write_groups(tmp_path, file, []) == 2
    assert file.read_text() == "path,group,by\n"
    assert write_groups(tmp_path, file, []) == 0


def test_manual_groups_are_read_and_kept(tmp_path: Path) -> None:
    file = tmp_path / "groups.csv"
    manual_lines = "b.png,,duplicates\n./c.png,mine,\nd.png,mine,anna\ne.png,mine,\n"
    file.write_text("path,group,by\na.png,g,duplicates\n" + manual_lines)
    images = [ImageFile(f"{name}.png", "", "", "") for name in "abcd"]
    manual = read_manual_groups(ImageTree(tmp_path, images, []), file)
    assert manual.groups == {"c.png": "mine", "d.png": "mine"}
    assert manual.excluded == {"b.png"}
    write_groups(tmp_path, file, [])
    assert file.read_text() == "path,group,by\n" + manual_lines
