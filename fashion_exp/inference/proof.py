"""Whether an exported file gives the same answers as its run, in a fresh process."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from numpy.lib.format import read_array, write_array
from PIL import Image

from fashion_exp.data.sources.load import load_images_cached
from fashion_exp.data.table import UnreadableImageError
from fashion_exp.errors import FailedError, InputError
from fashion_exp.inference.trained_run import TrainedRun
from fashion_exp.models import exported_answers
from fashion_exp.paths import outputs_dir
from fashion_exp.reporting.formats import percent
from fashion_exp.stats.proportions import clopper_pearson_lower

MAX_DIFFERENCE = 1e-4
"""Of a probability, between the run in fp32 and the exported file."""
BATCH = 32
OTHER_SIZES = ((0.3, 0.3), (0.6, 0.45), (1.7, 1.7), (0.5, 1.6), (2.1, 0.7))
"""Factors of height and width by which photos are also shown to a file that resizes."""
RESIZED_PHOTOS = 50

Answers = tuple[np.ndarray, np.ndarray]
"""Probabilities (n, classes) of the ensemble, and (models, n, classes) of each model."""
Photos = Sequence[np.ndarray]
"""uint8 (height, width, 3) each."""


class ExportError(FailedError):
    """The exported file does not do what its run does."""

    def __str__(self) -> str:
        return f"{self.args[0]}; no file was written"


@dataclass(frozen=True)
class Proof:
    photos: int
    resized: int
    """How many of the photos were shown in another size."""
    changed: int
    """Photos with another most probable class."""
    largest_difference: float
    """Of a probability."""

    @property
    def upper_bound(self) -> float:
        """Of the share of changed answers, 95 %, one-sided (Clopper and Pearson)."""
        low = clopper_pearson_lower(self.photos - self.changed, self.photos, 0.95).low
        assert low is not None
        return 1 - low

    def __str__(self) -> str:
        others = f", {self.resized} of them in other sizes" if self.resized else ""
        return (
            f"{self.changed} of {self.photos:,} answers changed (at most "
            f"{percent(self.upper_bound)} at 95 %{others}), largest difference of a probability "
            f"{self.largest_difference:.0e}"
        )


def compare_answers(expected: np.ndarray, given: np.ndarray, resized: int) -> Proof:
    """Compares probabilities (n, classes)."""
    changed = int((expected.argmax(1) != given.argmax(1)).sum())
    return Proof(len(expected), resized, changed, float(np.abs(expected - given).max()))


def require_equal(proof: Proof) -> None:
    """Raises `ExportError` unless the answers are the same up to rounding."""
    if proof.changed or not proof.largest_difference <= MAX_DIFFERENCE:
        raise ExportError(f"the exported file gives other answers than the run: {proof}")


def read_photos(run: TrainedRun, part: str) -> dict[str, np.ndarray]:
    """Photos that the run predicted as its `part`, decoded, by image id. Raises
    `InputError` if none can be read."""
    return read_images(run, sorted(set(run.predictions(part)["image_id"])))


def read_images(run: TrainedRun, ids: Sequence[str]) -> dict[str, np.ndarray]:
    """Images of the run's data set by id, decoded; raises `InputError` if none can be read."""
    cfg = run.config
    cache = outputs_dir(cfg.outputs) / "cache"
    try:
        table = load_images_cached(cfg.dataset, cache, cfg.training.targets)
    except InputError as error:
        raise InputError(f"an export is checked on the run's photos, and {error}") from error
    rows = {image: row for row, image in enumerate(table.rows["image_id"])}
    photos: dict[str, np.ndarray] = {}
    for image in ids:
        try:
            pixels = table.read(rows[image])
        except (KeyError, UnreadableImageError):  # changed since
            continue
        photos[image] = pixels if pixels.ndim == 3 else np.stack([pixels] * 3, 2)
    if not photos:
        raise InputError(
            f"{run.run.path}: none of its {len(ids)} photos can be read, without which an export "
            "cannot be checked; set dataset.root in its config/config.yaml to where they are"
        )
    return photos


def in_other_sizes(photos: Photos) -> list[np.ndarray]:
    """Some of the photos, each enlarged, reduced or distorted."""
    resized = []
    for number, photo in enumerate(photos[:RESIZED_PHOTOS]):
        factors = OTHER_SIZES[number % len(OTHER_SIZES)]
        height, width = (max(1, round(n * f)) for n, f in zip(photo.shape, factors, strict=False))
        resized.append(np.asarray(Image.fromarray(photo).resize((width, height))))
    return resized


@torch.inference_mode()
def answers_of_run(
    run: TrainedRun, names: Sequence[str], temperatures: Sequence[float], photos: Photos,
    tick: Callable[[int], None] = lambda _: None,
) -> Answers:  # fmt: skip
    """What the run's models answer in fp32 on the CPU."""
    models = [run.model(name) for name in names]
    ensemble, by_model = [], []
    for start in range(0, len(photos), BATCH):
        images = np.stack([run.preprocess(photo) for photo in photos[start : start + BATCH]])
        inputs = torch.from_numpy(images).permute(0, 3, 1, 2)
        if run.shares_backbone:
            features = models[0].features(inputs)
            logits = [model.evaluation_head(features) for model in models]
        else:
            logits = [model(inputs) for model in models]
        by_model.append(torch.stack([x.softmax(1) for x in logits]).numpy())
        calibrated = [(x / t).softmax(1) for x, t in zip(logits, temperatures, strict=True)]
        ensemble.append(torch.stack(calibrated).mean(0).numpy())
        tick(min(start + BATCH, len(photos)))
    return np.concatenate(ensemble), np.concatenate(by_model, axis=1)


def answers_of_file(
    kind: str, file: Path, batches: Iterator[np.ndarray], tick: Callable[[int], None]
) -> Answers:
    """What an exported file answers in a fresh process to batches uint8 (n, height, width, c).

    Raises `ExportError` if it cannot be loaded or run.
    """
    done, answers = 0, []
    with _fresh_process(kind, file) as process:
        assert process.stdin and process.stdout
        # NumPy would ask a file for its position, which a pipe has not.
        questions = SimpleNamespace(write=process.stdin.write)
        replies = SimpleNamespace(read=process.stdout.read)
        for batch in batches:
            write_array(questions, np.ascontiguousarray(batch))
            process.stdin.flush()
            answers.append((read_array(replies), read_array(replies)))
            done += len(batch)
            tick(done)
    ensemble, by_model = zip(*answers, strict=True)
    return np.concatenate(ensemble), np.concatenate(by_model, axis=1)


@contextmanager
def _fresh_process(kind: str, file: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-P", exported_answers.__file__, kind, str(file)]
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
        ) as process,
    ):
        try:
            yield process
        except (ValueError, OSError) as error:  # it ended before it answered
            process.kill()
            process.wait()
            errors.seek(0)
            lines = errors.read().decode(errors="replace").strip().splitlines()
            reason = lines[-1][:300] if lines else str(error)
            raise ExportError(f"the exported file cannot be run ({reason})") from None
        except BaseException:
            process.kill()
            raise


def batches_for(run: TrainedRun, photos: Photos, any_size: bool) -> Iterator[np.ndarray]:
    """The inputs of an exported file: photos as they are, or fitted to the run's input."""
    if any_size:
        yield from (photo[None] for photo in photos)
        return
    for start in range(0, len(photos), BATCH):
        yield np.stack([run.preprocess(photo) for photo in photos[start : start + BATCH]])
