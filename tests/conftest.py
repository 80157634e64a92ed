"""What tests share: tiny runs through the real job code, in this process."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import settings
from PIL import Image

import fashion_exp  # noqa: F401 (before torch: it sets how torch's threads wait)
from fashion_exp.evaluation.results import load_result
from fashion_exp.evaluation.run_dir import RunDir
from tests import warm_process
from tests.cheap_runs import create_once, leave_out_figures

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED = REPOSITORY.parent / "shared"


def pytest_configure(config: pytest.Config) -> None:
    """Property tests draw fewer examples where slow tests are left out."""
    if config.getoption("markexpr") == "not slow":
        settings.register_profile("quick", max_examples=20)
        settings.load_profile("quick")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow tests go first, so that no worker is left with a long file at the end."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(scope="session", autouse=True)
def schema_created_once() -> Iterator[None]:
    """New tracking databases are copies of the session's first: MLflow takes a second for each."""
    compat = sys.modules.get("fashion_exp.tracking.compat")
    if compat is None:  # importing it takes seconds, and these tests do not
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compat, "create_schema", create_once(compat.create_schema))
        yield


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    """Commands that a failed test started do not outlive it."""
    yield
    warm_process.kill_started()


@dataclass(frozen=True)
class TinyRun:
    """The files of a tiny run."""

    output: Path

    def text(self, name: str) -> str:
        return (self.output / name).read_text()

    def predictions(self, part: str) -> pd.DataFrame:
        return RunDir(self.output).predictions(part)

    @property
    def history(self) -> pd.DataFrame:
        return pd.read_csv(self.output / "history.csv")

    @property
    def facts(self) -> dict[str, str]:
        return dict(load_result(self.output).facts)


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 3 × 24 noisy 16 px images whose class is their color, in official parts."""
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
    """Runs an experiment on the tiny photos with further overrides. No figures are drawn."""
    leave_out_figures(monkeypatch)

    def run(
        *overrides: str,
        hold_out_test: bool = False,
        tracking: str = "none",
        weights: dict[str, str] | None = None,
    ) -> TinyRun:
        from fashion_exp.configuration.composition import parse_command_line
        from fashion_exp.experiment.job import run_job

        data = () if any(o.startswith("dataset=") for o in overrides) else (
            "dataset=folder", f"dataset.root={photos}", "dataset.image_size=16")  # fmt: skip
        defaults = ("training.epochs=2", "training.batch_size=12", "repeats=1",
                    "training.threads=1", "cache.trainings=false")  # fmt: skip
        outputs = (f"tracking={tracking}", f"outputs={tmp_path / 'outputs'}")
        line = parse_command_line([*data, *defaults, *outputs, *overrides])
        number = len(list((tmp_path / "runs").glob("*")))
        folder = RunDir(tmp_path / "runs" / str(number))
        (cfg,) = line.jobs
        cfg.sweep.weights = weights or {}  # as a sweep sets them for its jobs
        code = run_job(cfg, folder, overrides, hold_out_test=hold_out_test)
        assert code == 0
        return TinyRun(folder.path)

    return run


@pytest.fixture(scope="session")
def backbone_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    from tests.backbone_runs import save_backbones

    return save_backbones(tmp_path_factory.mktemp("backbones"))


@pytest.fixture(scope="session")
def clothing() -> Path:
    """Real photos, if they are available."""
    folder = SHARED / "data" / "clothing"
    if not folder.is_dir():
        pytest.skip("the clothing photos are not available beside this checkout")
    return folder


@pytest.fixture(scope="session")
def mobilenet() -> Path:
    """A real ImageNet backbone, if it is available."""
    file = SHARED / "data" / "weights" / "mobilenetv1_100_imagenet.safetensors"
    if not file.is_file():
        pytest.skip("the MobileNet weights are not available beside this checkout")
    return file
