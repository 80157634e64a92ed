"""Images with similar network features are paired."""

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
from fashion_exp.inspection.duplicates import FEATURES
from fashion_exp.tools.curate import embeddings
from fashion_exp.tools.curate.embeddings import (
    close_features,
    find_similar_features,
    load_network,
)
from tests.conftest import TinyRun
from tests.inspection.conftest import SaveImage, load_images, no_tick, scene

pytestmark = pytest.mark.slow


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 30), st.integers(1, 7))
def test_close_features_equals_brute_force(seed: int, n: int, block: int) -> None:
    plain, mirrored = np.random.default_rng(seed).normal(5, 1, (2, n, 3)).astype(np.float32)
    unit, unit_mirrored = (
        (rows - plain.mean(0)) / np.linalg.norm(rows - plain.mean(0), axis=1)[:, None]
        for rows in (plain, mirrored)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embeddings, "_ROWS", block)
        pairs = {(i, j) for i, j, _ in close_features(plain, mirrored, 0.8)}
    for i in range(n):
        for j in range(i + 1, n):
            cosine = float(max(unit[i] @ unit[j], unit[i] @ unit_mirrored[j]))
            if abs(cosine - 0.8) > 1e-4:
                assert ((i, j) in pairs) == (cosine > 0.8)


def test_network_of_a_run_pairs_darkened_and_mirrored_copies(
    tiny: Callable[..., TinyRun], save: SaveImage, tmp_path: Path
) -> None:
    from fashion_exp.configuration.composition import parse_command_line
    from fashion_exp.configuration.schema import to_plain

    run = tiny()
    overrides = ["dataset=folder", "dataset.root=x", "dataset.image_size=16"]
    config = to_plain(parse_command_line(overrides).jobs[0])
    (run.output / "config" / "config.yaml").write_text(yaml.safe_dump(config))
    for number in range(6):
        save(f"dress/{number}.png", number)
    save("dress/dark.png", scene(3).point(lambda value: value * 0.97))
    save("dress/mirrored.png", ImageOps.mirror(scene(5)).point(lambda value: value * 0.97))
    images = load_images(tmp_path / "photos")
    pairs = find_similar_features(images, str(run.output), 0.99, 40, no_tick)
    paths = {frozenset((pair.first.path, pair.second.path)) for pair in pairs}
    assert {"dress/3.png", "dress/dark.png"} in paths
    assert {"dress/5.png", "dress/mirrored.png"} in paths
    assert {pair.kind for pair in pairs} == {FEATURES}


def test_rejects_folder_without_a_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not the folder of a run"):
        load_network(str(tmp_path))
