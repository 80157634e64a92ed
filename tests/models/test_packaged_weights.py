"""ImageNet weights from Python packages: found, converted once, and refused if they are others."""

from __future__ import annotations

import importlib.metadata
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from fashion_exp.configuration.composition import parse_command_line
from fashion_exp.errors import InputError
from fashion_exp.models import packaged_weights
from fashion_exp.models.packaged_weights import PACKAGES, convert, find_packaged_weights
from fashion_exp.models.weights import NetworkInput, find_weights
from fashion_exp.paths import user_cache
from tests.conftest import SHARED

LITE = "tf_efficientnet_lite0"


@pytest.fixture(autouse=True)
def no_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No weights in any cache, and no hub."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


class Installed:
    """A distribution as `importlib.metadata` describes it."""

    def __init__(self, folder: Path, version: str = "0.1.0") -> None:
        self.folder, self.version = folder, version

    def locate_file(self, path: str) -> Path:
        return self.folder / path


def install(monkeypatch: pytest.MonkeyPatch, distribution: Installed | None) -> None:
    def find(name: str) -> Installed:
        if distribution is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return distribution

    monkeypatch.setattr(packaged_weights.importlib.metadata, "distribution", find)


def package_file(model: str) -> Path:
    try:
        result = importlib.metadata.distribution(PACKAGES[model].name)
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(f"{PACKAGES[model].name} is not installed (scripts/setup weights)")
    return Path(str(result.locate_file(PACKAGES[model].file)))


@pytest.mark.slow
@pytest.mark.parametrize("model", PACKAGES)
def test_auto_finds_the_package_and_converts_it_once(model: str) -> None:
    package_file(model)
    weights = find_weights(model, "auto")
    size = PACKAGES[model].size
    assert weights.source == f"imagenet ({PACKAGES[model].name} 0.1.0)" and not weights.advice
    assert weights.input == NetworkInput(size, (0.5,) * 3, (0.5,) * 3, "bicubic")
    assert weights.path is not None and weights.path.parent == user_cache() / "weights"
    assert weights.path.stem == f"{model}-{weights.sha256}"
    written = weights.path.stat().st_mtime_ns
    assert find_weights(model, "imagenet") == weights
    assert weights.path.stat().st_mtime_ns == written


def test_conversion_equals_the_file_that_was_converted_elsewhere() -> None:
    other = SHARED / "data" / "weights" / "tf_efficientnet_lite2_imagenet.safetensors"
    if not other.is_file():
        pytest.skip("the EfficientNet-Lite2 weights are not available beside this checkout")
    ours = convert("tf_efficientnet_lite2", package_file("tf_efficientnet_lite2"))
    theirs = load_file(other)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in ours.items())


def test_layers_in_another_order_are_found_by_the_known_images(tmp_path: Path) -> None:
    """Two layers of equal shapes are exchanged, which no shape shows."""
    state = torch.load(package_file(LITE), weights_only=True)
    first, second = "_blocks.6._bn1.bias", "_blocks.7._bn1.bias"
    assert state[first].shape == state[second].shape
    state[first], state[second] = state[second], state[first]
    torch.save(state, tmp_path / "exchanged.pth")
    with pytest.raises(InputError, match=r"class \d+ with the logit .* for a known image"):
        convert(LITE, tmp_path / "exchanged.pth")


def test_other_shapes_are_refused(tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(2)}, tmp_path / "other.pth")
    with pytest.raises(InputError, match="the shapes of its layers differ"):
        convert(LITE, tmp_path / "other.pth")


def test_a_damaged_converted_file_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, None)
    stored = user_cache() / "weights" / f"{LITE}-{'0' * 64}.safetensors"
    stored.parent.mkdir(parents=True)
    stored.write_bytes(b"damaged")
    assert find_packaged_weights(LITE) is None


@pytest.mark.parametrize(
    ("version", "content", "reason"),
    [
        ("0.2.0", b"", "version 0.2.0 is installed"),
        ("0.1.0", None, "57934424.pth is missing"),
        ("0.1.0", b"other", "57934424.pth is not the published file"),
    ],
)
def test_another_package_is_refused(
    version: str,
    content: bytes | None,
    reason: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = tmp_path / PACKAGES[LITE].file
    file.parent.mkdir(parents=True)
    if content is not None:
        file.write_bytes(content)
    install(monkeypatch, Installed(tmp_path, version))
    with pytest.raises(InputError) as error:
        find_weights(LITE, "auto")
    assert reason in str(error.value) and "--force-reinstall" in str(error.value)


def test_missing_name_of_a_network_names_those_that_can_be_installed() -> None:
    with pytest.raises(InputError) as error:
        parse_command_line(["model=probe"])
    assert f"scripts/setup weights installs {', '.join(PACKAGES)} with" in str(error.value)


def test_the_command_that_installs_weights_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, None)
    assert find_weights(LITE, "auto").advice == "scripts/setup weights installs them"
    assert "installs those of tf_efficientnet_lite0" in find_weights("resnet50", "auto").advice
    assert not find_weights("basic_cnn", "auto").advice
    with pytest.raises(InputError, match="scripts/setup weights installs them"):
        find_weights(LITE, "imagenet")
    why = find_weights(LITE, "auto").why_random
    assert why.endswith("; scripts/setup weights installs them)") and "initialisation" not in why
    assert find_weights(LITE, "none").why_random == "the weights are random (model.weights=none)"


def test_a_cache_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = replace(
        PACKAGES[LITE], sha256="e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    )
    monkeypatch.setitem(PACKAGES, LITE, package)
    file = tmp_path / package.file
    file.parent.mkdir(parents=True)
    file.touch()
    install(monkeypatch, Installed(tmp_path))
    monkeypatch.setattr(packaged_weights, "convert", lambda model, source: {})
    (tmp_path / "cache").touch()
    with pytest.raises(InputError, match="XDG_CACHE_HOME"):
        find_weights(LITE, "auto")
