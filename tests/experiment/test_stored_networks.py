"""A head on stored features needs neither its networks nor timm, and is the same without them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file

from fashion_exp.experiment import trainee
from fashion_exp.experiment.shared_setup import sharing_set_ups
from tests.backbone_runs import options
from tests.command_line import fork_successfully
from tests.conftest import TinyRun

pytestmark = pytest.mark.slow

NETWORKS = ("test_resnet", "test_efficientnet")
UNNEEDED = ("timm", "torchvision", "albumentations", "torch._dynamo", "scipy.stats")
RUN = f"""if True:
    import sys
    from fashion_exp import __main__ as command

    def print_imports(code):
        print("imported:", [name for name in {UNNEEDED} if name in sys.modules], "code", code)

    command.exit_without_teardown = print_imports
    command.console()"""


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the models that were built with their networks."""
    names: list[str] = []
    build = trainee.build_model

    def recorded(cfg, *args, **options):  # type: ignore[no-untyped-def]
        names.append(cfg.name)
        return build(cfg, *args, **options)

    monkeypatch.setattr(trainee, "build_model", recorded)
    return names


def heads(files: dict[str, Path], *more: str) -> tuple[str, ...]:
    """A solved head on two networks, trained twice."""
    line = [option for option in options(files, *NETWORKS) if not option.startswith("optim")]
    return (
        *line, "model.head=prototype", "repeats=2", "training.precision=fp32", "training.epochs=8",
        "training.batch_size=32", *more,
    )  # fmt: skip


def assert_equal(first_run: TinyRun, other: TinyRun) -> None:
    for name in ("validation_predictions.parquet", "test_predictions.parquet", "split.csv"):
        assert (first_run.output / name).read_bytes() == (other.output / name).read_bytes()
    assert first_run.facts["parameters"] == other.facts["parameters"]
    assert first_run.facts["job_hash"] == other.facts["job_hash"]
    for fold in ("r0f0", "r1f0"):
        first, second = (load_file(run.output / f"checkpoints/{fold}-last.safetensors")
                         for run in (first_run, other))  # fmt: skip
        assert first.keys() == second.keys() and len(first) == 2
        assert all(first[name].equal(second[name]) for name in first)


@pytest.mark.parametrize("views", ["none", "flip"])
def test_head_on_stored_features_is_the_same_without_networks(
    tiny: Callable[..., TinyRun], backbone_files: dict[str, Path], built: list[str], views: str
) -> None:
    line = heads(backbone_files, f"model.test_views={views}")
    cold = tiny(*line)
    assert built
    built.clear()
    warm = tiny(*line)
    assert not built and warm.facts["features"] != cold.facts["features"]
    assert_equal(cold, warm)


def test_jobs_that_share_a_set_up_on_stored_features_build_no_networks(
    tiny: Callable[..., TinyRun], backbone_files: dict[str, Path], built: list[str],
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    lines = [
        [option for option in heads(backbone_files, "model.c=1") if "prototype" not in option]
        + ["model.head=logistic", f"training.class_weights={weights}"]
        for weights in ("none", "balanced")
    ]
    tiny(*lines[0])
    built.clear()
    with sharing_set_ups():
        for line in lines:
            tiny(*line)
    assert not built and "set-up: as that of" in caplog.text


def test_missing_and_damaged_features_are_computed_with_the_networks(
    tiny: Callable[..., TinyRun], backbone_files: dict[str, Path], tmp_path: Path, built: list[str]
) -> None:
    line = heads(backbone_files)
    cold = tiny(*line)
    data = next((tmp_path / "outputs" / "cache" / "features").glob("*/records.bin"))
    content = bytearray(data.read_bytes())
    content[3] ^= 1
    data.write_bytes(content)
    built.clear()
    repaired = tiny(*line)
    assert built and repaired.facts["features"] == "143 of 144 from cache"
    assert_equal(cold, repaired)


def test_head_with_random_networks_has_them(tiny: Callable[..., TinyRun], built: list[str]) -> None:
    """They differ from training to training."""
    line = ("model=timm", "model.name=test_resnet", "model.weights=none", "model.freeze=backbone",
            "dataset.image_size=32", "model.head=prototype", "training.epochs=8",
            "training.batch_size=32")  # fmt: skip
    tiny(*line)
    built.clear()
    tiny(*line)
    assert built


def test_run_on_stored_features_imports_no_library_of_networks(
    photos: Path, tmp_path: Path, backbone_files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    overrides = (
        *heads(backbone_files), "dataset=folder", f"dataset.root={photos}", "tracking=none",
        "training.threads=1", "cache.trainings=false", f"outputs={tmp_path}",
    )  # fmt: skip
    fork_successfully(*overrides)
    arguments = [sys.executable, "-c", RUN, *overrides]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "imported: [] code 0"
