"""What tests share: tiny runs through the real command line, in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import fashion_exp  # noqa: F401 (before torch: it decides how torch's threads wait)

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED = REPOSITORY.parent / "shared"


NOT_QUICK = (
    "test_main.py", "test_options.py", "experiment/", "test_build.py", "test_page.py",
    "test_browser.py", "test_comparison_figures.py", "test_simulations.py", "comparison/",
    "commands/", "test_figures.py", "test_fashion_mnist.py", "test_clothing.py",
    "test_contact_sheets.py", "tracking/", "sweeps/", "doctor/", "test_review_page.py",
    "collect/test_collection.py", "collect/test_decoder.py", "test_embeddings.py",
    "test_planted.py",
)  # fmt: skip
"""Where processes are started, networks trained or pictures drawn."""


LONGEST = ("sweeps/", "test_distributed.py", "test_resume.py", "test_main.py")
"""Files that go first, so that no worker is left with one of them at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not any(place in item.path.as_posix() for place in LONGEST))
    for item in items:
        if not any(place in item.path.as_posix() for place in NOT_QUICK):
            item.add_marker("quick")


@dataclass(frozen=True)
class TinyRun:
    """The traces that a run leaves."""

    output: Path

    def text(self, name: str) -> str:
        return (self.output / name).read_text()

    def frame(self, part: str) -> pd.DataFrame:
        from fashion_exp.evaluation.predictions import PART_FILES, read_predictions

        return read_predictions(self.output / PART_FILES[part])

    @property
    def history(self) -> pd.DataFrame:
        return pd.read_csv(self.output / "history.csv")

    @property
    def facts(self) -> dict[str, str]:
        from fashion_exp.evaluation.results import load_result

        return dict(load_result(self.output).facts)


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 3 × 24 noisy 16 px pictures whose class is their colour, in official parts."""
    root = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for label, name in enumerate(("dress", "pullover", "shirt")):
        for number in range(24):
            part = "train" if number < 16 else "validation"
            folder = root / part / name
            folder.mkdir(parents=True, exist_ok=True)
            pixels = rng.normal(100, 50, (16, 16, 3))
            pixels[..., label] += 60
            image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
            image.save(folder / f"{number:02}.png")
    return root


@pytest.fixture
def tiny(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., TinyRun]:
    """Runs the command line on the tiny photos with further overrides; gives what it left.

    Nothing is drawn: pictures take ten times as long as the run.
    """
    monkeypatch.setattr("fashion_exp.evaluation.results.draw_run", lambda *told: None)
    monkeypatch.setattr("fashion_exp.evaluation.results.draw_part", lambda *told: None)

    def run(*overrides: str, sealed: bool = False, tracking: str = "none") -> TinyRun:
        from fashion_exp.configuration.composition import parse_command_line
        from fashion_exp.experiment.job import run_job

        data = () if any(o.startswith("dataset=") for o in overrides) else (
            "dataset=folder", f"dataset.root={photos}", "dataset.image_size=16")  # fmt: skip
        tiny = ("training.epochs=2", "training.batch_size=12", "repeats=1", "training.threads=1",
                "cache.trainings=false")  # fmt: skip
        line = parse_command_line(
            [*data, *tiny, f"tracking={tracking}", f"outputs={tmp_path / 'outputs'}", *overrides]
        )
        output = tmp_path / "runs" / str(len(list((tmp_path / "runs").glob("*"))))
        (output / "config").mkdir(parents=True)  # Hydra's part
        (output / "config" / "overrides.yaml").write_text(json.dumps(overrides))
        assert run_job(line.jobs[0], output, overrides, sealed) == 0
        return TinyRun(output)

    (tmp_path / "runs").mkdir()
    return run


@pytest.fixture(scope="session")
def clothing() -> Path:
    """The real photos, where they are."""
    folder = SHARED / "data" / "clothing"
    if not folder.is_dir():
        pytest.skip("the clothing photos are not beside this checkout")
    return folder


@pytest.fixture(scope="session")
def mobilenet() -> Path:
    """The real ImageNet backbone, where it is."""
    file = SHARED / "data" / "weights" / "mobilenetv1_100_imagenet.safetensors"
    if not file.is_file():
        pytest.skip("the MobileNet weights are not beside this checkout")
    return file
