"""The bench that plants copies says what it has to, on few photos."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.curation import planted
from tests.curation.conftest import Draw


def test_planted_copies_are_found_and_their_leak_is_measured(
    draw: Draw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [draw(f"{label}/{number}.png", 100 * place + number)
             for place, label in enumerate(("dress", "shirt")) for number in range(12)]  # fmt: skip
    own = planted.plant(files, tmp_path / "planted", 20, 4, seed=0)
    found = planted.groups_found(own.root, tmp_path / "outputs")
    assert set(found) == own.pairs and len(own.pairs) == 4
    none = tmp_path / "none.csv"
    none.write_text("path,group\n")
    monkeypatch.setattr(planted, "SPLITS", 1)
    words = ["dataset.image_size=16", "training.epochs=1", "repeats=1", "training.threads=1"]
    lists = [none, own.root / "groups.csv"]
    told = planted.accuracies(own, lists, tmp_path / "outputs", words)
    assert [one.shape for one in told] == [(1, 2), (1, 2)]
