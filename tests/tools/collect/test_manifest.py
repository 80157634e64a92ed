from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fashion_exp.errors import InputError
from fashion_exp.tools.collect.manifest import FILE_NAME, Manifest, Outcome
from fashion_exp.tools.collect.provider import Candidate, Page


def candidate(number: int, label: str = "dress") -> Candidate:
    return Candidate(f"http://a/{number}", label, "red dress", number, "openverse")


def accepted(number: int, label: str = "dress") -> Outcome:
    return Outcome("accepted", file=f"{label}/{number}.jpg", bytes=9, sha256=f"{number:064x}")


texts = st.text(max_size=20)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(title=texts, creator=texts, color=texts)
def test_reads_what_it_wrote(tmp_path: Path, title: str, creator: str, color: str) -> None:
    (tmp_path / FILE_NAME).unlink(missing_ok=True)
    item = Candidate("u", "dress", "q", 1, "p", {"colour": color}, title=title, creator=creator)
    with Manifest(tmp_path) as manifest:
        manifest.add(item, accepted(1))
        manifest.add_page("p", "dress", "q", Page([item], is_last=True))
    with Manifest(tmp_path) as manifest:
        (entry,) = manifest.entries
        assert entry.candidate == item and entry.outcome == accepted(1)
        results = manifest.cached_results("p", "dress", "q")
        assert results.candidates == [item] and results.pages == 1 and results.is_complete


def test_ignores_incomplete_last_line(tmp_path: Path) -> None:
    with Manifest(tmp_path) as manifest:
        manifest.add(candidate(1), accepted(1))
        manifest.add(candidate(2), accepted(2))
    content = (tmp_path / FILE_NAME).read_bytes()
    first_end = content.index(b"\n") + 1
    for cut in range(first_end, len(content)):
        (tmp_path / FILE_NAME).write_bytes(content[:cut])
        with Manifest(tmp_path) as manifest:
            assert manifest.outcome(candidate(1)) == accepted(1)
            assert manifest.outcome(candidate(2)) is None
            if cut % 50 == 0:
                manifest.add(candidate(3), accepted(3))
        lines = (tmp_path / FILE_NAME).read_bytes().splitlines()
        assert len([json.loads(line) for line in lines]) == 1 + (cut % 50 == 0)


@pytest.mark.parametrize(
    "line", ["{", "[]", "{}", '{"status": "listed"}', '{"status": "accepted"}']
)
def test_rejects_invalid_line(tmp_path: Path, line: str) -> None:
    (tmp_path / FILE_NAME).write_text(f"{line}\n")
    with pytest.raises(InputError, match=r"manifest\.jsonl, line 1: is not a line"):
        Manifest(tmp_path)


def test_latest_outcome_wins(tmp_path: Path) -> None:
    with Manifest(tmp_path) as manifest:
        manifest.add(candidate(1), Outcome("failed", "busy", "later"))
        assert manifest.outcome_of_url("http://a/1") is None
        manifest.add(candidate(1), accepted(1))
        assert manifest.outcome_of_url("http://a/1") == accepted(1)
    with Manifest(tmp_path) as manifest:
        assert manifest.outcome(candidate(1)) == accepted(1) and len(list(manifest.entries)) == 1


def test_finds_classes_by_hash(tmp_path: Path) -> None:
    with Manifest(tmp_path) as manifest:
        manifest.add(candidate(1), accepted(7))
        manifest.add(candidate(2, "shirt"), accepted(7, "shirt"))
        assert set(manifest.outcomes_by_class(f"{7:064x}")) == {"dress", "shirt"}
        assert not manifest.outcomes_by_class("0")
