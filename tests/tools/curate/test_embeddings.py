"""What a trained network finds alike is joined."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ImageOps

from fashion_exp.errors import InputError
from fashion_exp.tools.curate import embeddings
from fashion_exp.tools.curate.duplicates import FEATURES
from fashion_exp.tools.curate.embeddings import alike, close_features, network_of
from tests.conftest import TinyRun
from tests.tools.curate.conftest import Draw, looked, scene


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 30), st.integers(1, 7))
def test_close_features_are_those_of_all_pairs(seed: int, n: int, rows: int) -> None:
    drawn, turned = np.random.default_rng(seed).normal(5, 1, (2, n, 3)).astype(np.float32)
    to_plain, mirror = (
        (rows - drawn.mean(0)) / np.linalg.norm(rows - drawn.mean(0), axis=1)[:, None]
        for rows in (drawn, turned)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embeddings, "_ROWS", rows)
        found = {(i, j): cosine for i, j, cosine in close_features(drawn, turned, 0.8)}
    for i in range(n):
        for j in range(i + 1, n):
            cosine = float(max(to_plain[i] @ to_plain[j], to_plain[i] @ mirror[j]))
            if abs(cosine - 0.8) > 1e-4:
                assert ((i, j) in found) == (cosine > 0.8)


def test_the_network_of_a_run_joins_what_it_finds_alike(
    tiny: Callable[..., TinyRun], draw: Draw, tmp_path: Path
) -> None:
    from fashion_exp.configuration.composition import parse_command_line
    from fashion_exp.configuration.schema import to_plain

    run = tiny()
    words = ["dataset=folder", "dataset.root=x", "dataset.image_size=16"]
    config = to_plain(parse_command_line(words).jobs[0])
    (run.output / "config" / "config.yaml").write_text(yaml.safe_dump(config))
    for number in range(6):
        draw(f"dress/{number}.png", number)
    draw("dress/again.png", scene(3).point(lambda value: value * 0.97))
    draw("dress/mirrored.png", ImageOps.mirror(scene(5)).point(lambda value: value * 0.97))
    found = looked(tmp_path / "photos")
    links = alike(found, str(run.output), 0.99, 40, lambda done, total=None, /: None)
    pairs = {
        frozenset((found[link.first].place.path, found[link.second].place.path)) for link in links
    }
    assert {"dress/3.png", "dress/again.png"} in pairs and links[0].why == FEATURES
    assert {"dress/5.png", "dress/mirrored.png"} in pairs


def test_what_is_no_run_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no run's folder"):
        network_of(str(tmp_path))
