"""A finished run as something to predict with: its models, its classes and its preprocessing."""

from __future__ import annotations

import copy
import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file
from torch import nn

from fashion_exp.atomic_io import read_json
from fashion_exp.comparison.find_runs import all_runs
from fashion_exp.configuration.schema import Config, Precision, Targets
from fashion_exp.configuration.stored_config import load_config
from fashion_exp.configuration.targets import refuse_several
from fashion_exp.data.augment import Augmentation, augment_packed, deterministic_augmentation
from fashion_exp.data.decode import ImageSource, decode
from fashion_exp.data.geometry import AnyGeometry, resize, single_geometries
from fashion_exp.data.table import UnreadableImageError
from fashion_exp.errors import InputError, suggest
from fashion_exp.evaluation.own_code import use_run_code
from fashion_exp.evaluation.results import RunResult, load_result
from fashion_exp.evaluation.run_dir import REFIT_FILE, RunDir, require_config, require_finished
from fashion_exp.evaluation.run_paths import resolve_paths
from fashion_exp.experiment.checkpoints import checkpoint_file, load_model, stored_plan
from fashion_exp.experiment.context import photo_geometry, trains_on_features
from fashion_exp.experiment.feature_store import feature_batch, feature_compute
from fashion_exp.inference.single_run import single_run
from fashion_exp.models.classifier import Classifier
from fashion_exp.models.metadata import read_metadata
from fashion_exp.models.plan import ModelPlan
from fashion_exp.training.device import (
    Compute,
    choose_compute,
    is_depthwise,
    threads_per_process,
)
from fashion_exp.training.fit import extract_features, predict

REFITS = "refits"
"""The folder of all refits in an outputs folder: a refit is no run that `compare` or `runs list`
should find."""

MAX_MEGAPIXELS = 40.0
"""Limit for photos of a run whose own data set has none, 10⁶ px."""


@dataclass(frozen=True)
class BatchOutput:
    probabilities: np.ndarray
    """(models, n, classes), float32."""
    features: np.ndarray | None
    """(n, width), float32: the output of the frozen backbone that the models share, if they do."""


@dataclass(frozen=True)
class TrainedRun:
    """A finished run. Models are loaded when they are first used.

    `model_names` are those of the trainings whose predictions the run has: r0f0, r1f0, …
    """

    run: RunDir
    config: Config
    plan: ModelPlan
    classes: tuple[str, ...]
    model_names: tuple[str, ...]

    def model(self, name: str) -> Classifier:
        """One of the models, on the CPU in evaluation mode: uint8 (n, channels, size, size) to
        logits (n, classes). Models that share a frozen backbone have it as one module.

        Raises `InputError` for a name that the run does not have.
        """
        self.check_model(name)
        if name not in self._models:
            self._models[name] = self._load(name)
        return self._models[name]

    def check_model(self, name: str) -> None:
        """Raises `InputError` for a name that the run does not have."""
        if name not in self.model_names:
            raise InputError(f"{name}: no model of this run; {suggest(name, self.model_names)}")

    @cached_property
    def _models(self) -> dict[str, Classifier]:
        return {}

    def _load(self, name: str) -> Classifier:
        use_run_code(self.run)
        (repeat, fold), checkpoints = numbers_of(name), self.run.checkpoints
        if not (self.shares_backbone and self._models):
            return load_model(self.config, self.plan, len(self.classes), checkpoints, repeat, fold)
        first = next(iter(self._models.values()))
        model = copy.deepcopy(first, {id(first.network): first.network})
        state = load_file(checkpoint_file(self.config, checkpoints, repeat, fold))
        model.load_state_dict(state, strict=False)
        return model

    @cached_property
    def result(self) -> RunResult:
        return load_result(self.run.path)

    @cached_property
    def identity(self) -> dict[str, str]:
        """What tells its models from those of other runs, and from later ones in its folder."""
        digest = hashlib.sha256()
        for name in self.model_names:
            file = checkpoint_file(self.config, self.run.checkpoints, *numbers_of(name))
            digest.update(file.read_bytes())
        return {
            "classes": json.dumps(self.classes),
            "run_id": self.result.run,
            "data_fingerprint": self.result.facts["data_fingerprint"],
            "checkpoints": digest.hexdigest(),
        }

    @property
    def predicts_several(self) -> bool:
        """Whether each class has a probability of its own (`training.targets=several`)."""
        return self.config.training.targets is Targets.several

    @property
    def is_refit(self) -> bool:
        """Whether its result and predictions are those of the run whose recipe it repeats."""
        return (self.run.path / REFIT_FILE).exists()

    @cached_property
    def predicts_from_features(self) -> bool:
        """Whether the run's own predictions were made by the heads from stored features."""
        return trains_on_features(self.config, self.plan)

    @cached_property
    def shares_backbone(self) -> bool:
        """Whether all models have the same frozen backbones, and thus the same features."""
        files = [plan.weights.path for plan in self.plan.networks]
        return self.predicts_from_features and None not in files

    @cached_property
    def geometry(self) -> AnyGeometry:
        return photo_geometry(self.config, self.plan)

    @cached_property
    def compute(self) -> Compute:
        """Device, precision and threads, as the run would choose them here."""
        training = self.config.training
        threads = training.threads or threads_per_process(training.processes)
        precision = training.precision
        if precision is Precision.auto_bf16:  # resolved by a sweep, maybe on another machine
            precision = Precision.auto
        try:
            compute = choose_compute(training.device, precision.value, threads)
        except ValueError:  # a device that only the machine of the training has
            compute = choose_compute("auto", precision.value, threads)
        return replace(compute, depthwise=is_depthwise(self.model(self.model_names[0]).network))

    @cached_property
    def _fixed(self) -> list[Augmentation]:
        use_run_code(self.run)
        operations = self.config.augmentation.evaluation
        return [
            deterministic_augmentation("augmentation.evaluation", operations, geometry.shape)
            for geometry in single_geometries(self.geometry)
        ]

    def decode(self, source: ImageSource) -> np.ndarray:
        """A photo as upright uint8 (height, width, 3) RGB, as the run decodes its own.

        Raises `UnreadableImageError` with a short reason.
        """
        return decode(source, self.config.dataset.max_megapixels or MAX_MEGAPIXELS)

    def read(self, source: str | Path | bytes) -> np.ndarray:
        """As `decode`; raises `InputError` that names the photo."""
        try:
            return self.decode(source)
        except UnreadableImageError as error:
            name = "photo" if isinstance(source, bytes) else source
            raise InputError(f"{name}: {error}") from None

    def preprocess(self, image: np.ndarray) -> np.ndarray:
        """A decoded image, uint8 (height, width, 3), as the run evaluates it: uint8 of the shape
        `geometry.shape`, which is (size, size, channels) for one input format."""
        return self.finish(resize(image, self.geometry))

    def finish(self, image: np.ndarray) -> np.ndarray:
        """As `preprocess`, for an image that has the geometry's shape."""
        return augment_packed(self._fixed, image, self.geometry)

    @property
    def batch_size(self) -> int:
        """Images per call of `predict_batch` that repeats the run's own evaluation.

        Other numbers of images, also in a last batch, change the last digits, because libraries
        choose kernels by the shape: probabilities by up to 0.003 with bf16.
        """
        return max(self.config.training.batch_size, 1024 if self.predicts_from_features else 64)

    @property
    def images_per_pass(self) -> int:
        """Images per forward pass of a frozen backbone; 0 if the whole model takes the batch."""
        return max(self._feature_batches) if self.predicts_from_features else 0

    def predict_batch(
        self, images: torch.Tensor, models: Sequence[str] | None = None
    ) -> BatchOutput:
        """Predictions of all or some models for uint8 images (n, channels, size, size).

        A frozen backbone that the models share is run once.
        """
        return self.predict_parts([images], models)

    def predict_parts(
        self, parts: Iterable[torch.Tensor], models: Sequence[str] | None = None
    ) -> BatchOutput:
        """As `predict_batch` for the images of all parts together.

        With a shared backbone only the features of earlier parts are held in memory.
        """
        names = models or self.model_names
        if self.shares_backbone:
            first = self._on_device(self.model_names[0])
            computed = [self._features(first, images) for images in parts]
            if not computed:
                return self._no_output(names)
            features = torch.cat(computed)
            outputs = [self._head_output(name, features) for name in names]
            return BatchOutput(np.stack(outputs), features.numpy())
        collected = list(parts)
        if not collected:
            return self._no_output(names)
        images, outputs = torch.cat(collected), []
        for name in names:
            model = self._on_device(name)
            if self.predicts_from_features:
                outputs.append(self._head_output(name, self._features(model, images)))
            else:
                outputs.append(self._predict(model, images))
        return BatchOutput(np.stack(outputs), None)

    def predict_features(self, features: np.ndarray) -> BatchOutput:
        """As `predict_batch`, from the features (n, width) of a shared backbone."""
        outputs = [self._head_output(x, torch.from_numpy(features)) for x in self.model_names]
        return BatchOutput(np.stack(outputs), features)

    def _no_output(self, names: Sequence[str]) -> BatchOutput:
        return BatchOutput(np.empty((len(names), 0, len(self.classes)), np.float32), None)

    def _head_output(self, name: str, features: torch.Tensor) -> np.ndarray:
        return self._predict(self._on_device(name).evaluation_head, features)

    def _predict(self, network: nn.Module, inputs: torch.Tensor) -> np.ndarray:
        return predict(network, iter([inputs]), self.compute, self.predicts_several).numpy()

    def _on_device(self, name: str) -> Classifier:
        """The models move to a GPU where one is used; `model` then gives copies on the CPU."""
        if self.compute.device.type == "cpu":
            return self.model(name)
        if name not in self._moved:
            model = self.model(name)
            first = next(iter(self._moved.values()), None)
            shared = {} if first is None or not self.shares_backbone else {
                id(model.network): first.network
            }  # fmt: skip
            self._moved[name] = copy.deepcopy(model, shared).to(self.compute.device)
        return self._moved[name]

    @cached_property
    def _moved(self) -> dict[str, Classifier]:
        return {}

    @cached_property
    def _feature_batches(self) -> list[int]:
        """Images per forward pass of each backbone."""
        backbones = self._on_device(self.model_names[0]).backbones
        return [
            feature_batch(
                backbone, feature_compute(backbone, self.compute),
                (plan.size, plan.size, plan.channels),
            )
            for backbone, plan in zip(backbones, self.plan.networks, strict=True)
        ]  # fmt: skip

    def _features(self, model: Classifier, images: torch.Tensor) -> torch.Tensor:
        """(n, width), in batches of the size in which the run's own features were computed."""
        parts = [
            self._features_of(*part)
            for inputs in model.inputs(images)
            for part in zip(model.backbones, inputs, self._feature_batches, strict=True)
        ]
        return torch.cat(parts, dim=1)

    def _features_of(self, backbone: Classifier, images: torch.Tensor, size: int) -> torch.Tensor:
        compute, parts = feature_compute(backbone, self.compute), []
        for batch in images.split(size):
            padding = batch.new_zeros(size - len(batch), *batch.shape[1:])
            padded = torch.cat([batch, padding]) if len(padding) else batch
            parts.append(extract_features(backbone, padded, compute)[: len(batch)])
        return torch.cat(parts).float()

    def predictions(self, part: str) -> pd.DataFrame:
        """The stored predictions of "validation", or of "test" once the run was evaluated on it.

        Those of a refit are of the trainings of its study whose seeds its models have.
        A name of `evaluate` stands for the predictions of its photos. Raises `InputError` for
        held-out test predictions, and for another part.
        """
        parts = ["validation", "test", *(f.stem for f in self.run.evaluations.glob("*.parquet"))]
        if part not in parts:
            raise InputError(f"{part}: no predictions of this part; {suggest(part, parts)}")
        if part == "test" and not self.result.test_evaluations:
            raise InputError(
                f"{self.run.path}: its test predictions are held out; they belong to the winner of "
                "its sweep, or need --evaluate-test"
            )
        frame = self.run.predictions(part)
        models = "r" + frame["repeat"].astype(str) + "f" + frame["fold"].astype(str)
        return frame[models.isin(self.model_names)].reset_index(drop=True)


def load_run(
    reference: str | Path, outputs: Path, uri: str | None = None, several: bool = False
) -> TrainedRun:
    """The run that a reference means, ready to predict.

    `reference` is a run's folder, its name, the id of a tracked run, or a sweep, which stands for
    its winner. Raises `InputError` for a run that is not finished, or that has lost its checkpoints
    or the backbone that they refer to; unless `several`, also for one that predicts several classes
    at once.
    """
    if Path(reference).suffix == ".zip" and Path(reference).is_file():
        raise InputError(f"{reference}: an archive; add its runs with `study import`")
    run = RunDir(_folder_of(str(reference), outputs, uri))
    require_finished(run)
    require_config(run)
    cfg = replace(resolve_paths(load_config(run.config_file), run), extend=None)  # may be gone
    if not several:
        refuse_several(cfg, run.path)
    result = load_result(run.path)
    refit = run.path / REFIT_FILE
    names = tuple(read_json(refit)["models"] if refit.exists() else result.train_sizes)
    files = [checkpoint_file(cfg, run.checkpoints, *numbers_of(name)) for name in names]
    if missing := [file for file in files if not file.is_file()]:
        raise InputError(
            f"{run.path}: {len(missing)} of its {len(files)} models are missing, such as "
            f"{missing[0].name} in checkpoints/; copy the complete folder of the run, or train it "
            "again"
        )
    metadata, facts = read_metadata(files[0]), result.facts
    plan = stored_plan(files[0], cfg, facts["weights"], facts["freeze"])
    return TrainedRun(run, cfg, plan, _classes(files[0], metadata), names)


def _folder_of(reference: str, outputs: Path, uri: str | None) -> Path:
    """The folder of a refit or a run. A part of a refit's name means it if no run has that part."""
    refits = sorted((outputs / REFITS).glob("[!.]*"))
    ends = [folder for folder in refits if folder.name.endswith(reference)]
    if len(ends) == 1:
        return ends[0]
    parts = ends or [folder for folder in refits if reference in folder.name]
    is_run = Path(reference).is_dir() or any(
        reference in run.path.name for run in all_runs(outputs)
    )
    if is_run or not parts:
        return single_run(reference, outputs, uri)
    if len(parts) > 1:
        some = ", ".join(folder.name for folder in parts[:3])
        raise InputError(f"{reference}: matches {len(parts)} refits: {some}; type more of the name")
    return parts[0]


def numbers_of(name: str) -> tuple[int, int]:
    """Repeat and fold of a training: r0f1 is (0, 1)."""
    repeat, fold = re.findall(r"\d+", name)
    return int(repeat), int(fold)


def _classes(file: Path, metadata: dict[str, str]) -> tuple[str, ...]:
    try:
        return tuple(map(str, json.loads(metadata["classes"])))
    except (KeyError, ValueError, TypeError):
        raise InputError(f"{file}: a checkpoint without classes; train the run again") from None
