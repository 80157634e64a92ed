"""Static int8 quantization of an exported file, and what it costs and gains."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fashion_exp.evaluation.predictions import per_image_correct
from fashion_exp.experiment.worker import log_level
from fashion_exp.inference.proof import (
    BATCH,
    answers_of_file,
    batches_for,
    read_images,
    read_photos,
)
from fashion_exp.inference.trained_run import TrainedRun
from fashion_exp.reporting.formats import difference_range, difference_text
from fashion_exp.reporting.progress import Progress
from fashion_exp.stats.paired_t import paired_grouped

CALIBRATION_PHOTOS = 128
_TIMINGS = 7


@dataclass(frozen=True)
class Quantization:
    calibration_photos: tuple[str, ...]
    """Ids of the training photos whose activations set the ranges."""
    photos: int
    changed: int
    """Validation photos with another most probable class of the ensemble."""
    accuracy_difference: float
    """int8 minus fp32: each model on its own validation photos."""
    low: float
    high: float
    speed_ratio: float
    """Images per second of int8 by those of fp32, in batches of 32."""
    size_ratio: float

    def __str__(self) -> str:
        first, last = self.calibration_photos[0], self.calibration_photos[-1]
        return (
            f"int8, calibrated with {len(self.calibration_photos)} training photos ({first} … "
            f"{last}): accuracy of the single models, each on its own validation photos, "
            f"{difference_text(self.accuracy_difference)} "
            f"({difference_range(self.low, self.high)} at 95 %, paired); answers of the ensemble: "
            f"{self.changed} of {self.photos:,} changed; {self.speed_ratio:.2f} times the speed, "
            f"{self.size_ratio:.2f} times the size of fp32"
        )


def quantize(run: TrainedRun, names: Sequence[str], file: Path, progress: Progress) -> Quantization:
    """Replaces an onnx file that takes the run's input size by its int8 version.

    The ranges come from training photos, so that validation photos can measure the loss.
    """
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    calibration = read_images(run, _training_photos(run, names[0]))
    plain = file.with_name("fp32.onnx")
    file.rename(plain)
    tick = progress.stage("quantizing", 1)
    reader = _Reader(batches_for(run, list(calibration.values()), False))
    with log_level(logging.getLogger(), logging.ERROR):  # it recommends its own preprocessing
        quantize_static(
            str(plain), str(file), reader,
            quant_format=QuantFormat.QDQ, per_channel=True, activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8, op_types_to_quantize=["Conv", "Gemm", "MatMul"],
        )  # fmt: skip
    _add_metadata(file, {"int8_calibration_photos": " ".join(calibration)})
    tick(1)
    photos = read_photos(run, "validation")
    answers = []
    for kind, path in (("fp32", plain), ("int8", file)):
        tick = progress.stage(f"answers of {kind}", len(photos))
        batches = batches_for(run, list(photos.values()), False)
        answers.append(answers_of_file("onnx", path, batches, tick))
    correct = [_correct(run, names, list(photos), by_model) for _, by_model in answers]
    difference = (correct[1]["correct"] - correct[0]["correct"]).groupby(correct[0]["image_id"])
    groups = correct[0].groupby("image_id")["group_id"].first()
    interval = paired_grouped(difference.mean(), groups, models=len(names)).interval.or_fallback
    fp32, int8 = (ensemble.argmax(1) for ensemble, _ in answers)
    assert interval.estimate is not None and interval.low is not None and interval.high is not None
    sample = next(batches_for(run, list(photos.values())[:BATCH], False))
    return Quantization(
        tuple(calibration), len(photos), int((fp32 != int8).sum()), interval.estimate, interval.low,
        interval.high, _speed_ratio(plain, file, sample),
        file.stat().st_size / plain.stat().st_size,
    )  # fmt: skip


class _Reader:
    """What onnxruntime calls a calibration data reader."""

    def __init__(self, batches: Iterator[np.ndarray]) -> None:
        self._batches = batches

    def get_next(self) -> dict[str, np.ndarray] | None:
        batch = next(self._batches, None)
        return None if batch is None else {"photos": batch}


def _training_photos(run: TrainedRun, name: str) -> list[str]:
    """Ids of training photos of a model, spread over all of them."""
    split = pd.read_csv(run.run.split_file, dtype=str)
    ids = sorted(split["image_id"][split[name] == "train"])
    return ids[:: max(1, len(ids) // CALIBRATION_PHOTOS)][:CALIBRATION_PHOTOS]


def _correct(
    run: TrainedRun, names: Sequence[str], ids: list[str], by_model: np.ndarray
) -> pd.DataFrame:
    """For each validation prediction of the run: image_id, group_id, and whether the same model is
    right there now."""
    frame = run.predictions("validation")
    models = "r" + frame["repeat"].astype(str) + "f" + frame["fold"].astype(str)
    known = models.isin(names) & frame["image_id"].isin(ids)
    frame, models = frame[known], models[known]
    position = {image: index for index, image in enumerate(ids)}
    predicted = by_model.argmax(2)[
        [names.index(model) for model in models], [position[image] for image in frame["image_id"]]
    ]
    names = [f"p_{name}" for name in run.classes]
    now = frame.assign(**dict(zip(names, np.eye(len(names))[predicted].T, strict=True)))
    return pd.DataFrame(
        {
            "image_id": frame["image_id"].to_numpy(),
            "group_id": frame["group_id"].to_numpy(),
            "correct": per_image_correct(now).astype(float),
        }
    )


def _speed_ratio(plain: Path, quantized: Path, batch: np.ndarray) -> float:
    """By the median of alternating measurements in this process."""
    import onnxruntime

    sessions = [
        onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        for path in (plain, quantized)
    ]
    seconds: list[list[float]] = [[], []]
    for _ in range(_TIMINGS):
        for session, times in zip(sessions, seconds, strict=True):
            started = time.perf_counter()
            session.run(["probabilities"], {"photos": batch})
            times.append(time.perf_counter() - started)
    return float(np.median(seconds[0][1:]) / np.median(seconds[1][1:]))


def _add_metadata(file: Path, entries: dict[str, str]) -> None:
    import onnx

    model: Any = onnx.load(file)
    for key, value in entries.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    onnx.save(model, file)
