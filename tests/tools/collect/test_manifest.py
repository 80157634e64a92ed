"""What was written is known again, whatever cut the writing off."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fashion_exp.errors import InputError
from fashion_exp.tools.collect.candidate import Candidate, Page
from fashion_exp.tools.collect.manifest import FILE, Manifest, Outcome


def candidate(number: int = 1, label: str = "dress", **more: str) -> Candidate:
    return Candidate(f"http://a/{number}", label, "red dress", number, "openverse", **more)


def accepted(number: int, label: str = "dress") -> Outcome:
    return Outcome("accepted", file=f"{label}/{number}.jpg", bytes=9, sha256=f"{number:064x}")


texts = st.text(max_size=20)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(title=texts, creator=texts, colour=texts)
def test_a_line_is_read_as_it_was_written(
    tmp_path: Path, title: str, creator: str, colour: str
) -> None:
    (tmp_path / FILE).unlink(missing_ok=True)
    offered = Candidate("u", "dress", "q", 1, "p", {"colour": colour}, title=title, creator=creator)
    with Manifest(tmp_path) as manifest:
        manifest.add(offered, accepted(1))
        manifest.add_page("p", "dress", "q", Page([offered], last=True))
    with Manifest(tmp_path) as manifest:
        (entry,) = manifest.entries
        assert entry.candidate == offered and entry.outcome == accepted(1)
        assert manifest.listing("p", "dress", "q").candidates == [offered]


def test_wherever_the_last_line_is_torn_the_lines_before_are_kept(tmp_path: Path) -> None:
    with Manifest(tmp_path) as manifest:
        manifest.add(candidate(1), accepted(1))
        manifest.add(candidate(2), accepted(2))
    whole = (tmp_path / FILE).read_bytes()
    first = whole.index(b"\n") + 1
    for cut in range(first, len(whole)):
        (tmp_path / FILE).write_bytes(whole[:cut])
        with Manifest(tmp_path) as manifest:
            assert manifest.outcome(candidate(1)) == accepted(1)
            assert manifest.outcome(candidate(2)) is None
            if cut % 50 == 0:
                manifest.add(candidate(3), accepted(3))
        lines = (tmp_path / FILE).read_bytes().splitlines()
        assert len([json.loads(line) for line in lines]) == 1 + (cut % 50 == 0)


@pytest.mark.parametrize(
    "line", ["{", "[]", "{}", '{"status": "listed"}', '{"status": "accepted"}']
)
def test_a_line_that_is_not_ours_is_a_mistake(tmp_path: Path, line: str) -> None:
    (tmp_path / FILE).write_text(f"{line}\n")
    with pytest.raises(InputError, match=r"manifest\.jsonl, line 1: is no line"):
        Manifest(tmp_path)


def test_the_latest_outcome_counts(tmp_path: Path) -> None:
    with Manifest(tmp_path) as manifest:
        manifest.add(candidate(1), Outcome("failed", "busy", "later"))
        assert manifest.of_address("http://a/1") is None
        manifest.add(candidate(1), accepted(1))
        assert manifest.of_address("http://a/1") == accepted(1)
    with Manifest(tmp_path) as manifest:
        assert manifest.outcome(candidate(1)) == accepted(1) and len(list(manifest.entries)) == 1


def test_bytes_are_known_by_their_classes(tmp_path: Path) -> None:
    with Manifest(tmp_path) as manifest:
        manifest.add(candidate(1), accepted(7))
        manifest.add(candidate(2, "shirt"), accepted(7, "shirt"))
        assert set(manifest.classes_with(f"{7:064x}")) == {"dress", "shirt"}
        assert not manifest.classes_with("0")
