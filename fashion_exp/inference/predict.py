"""Predicts photos with a finished run, in flat memory, decoding while the network works."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch.utils.data import DataLoader, Dataset

from fashion_exp.data.batches import ignore_interrupts
from fashion_exp.data.image_files import printable_path
from fashion_exp.data.parallel import USES_FORK
from fashion_exp.data.table import UnreadableImageError
from fashion_exp.inference.sources import list_photos
from fashion_exp.inference.trained_run import TrainedRun
from fashion_exp.process import cpu_count

IMAGES_PER_TASK = 16
"""Photos that a decoding process reads at a time. A frozen backbone computes as many at a time as
its forward pass takes, see `experiment.features.BATCH_SIZE`."""
MIN_IMAGES_PER_PROCESS = 16
"""Fewer photos are decoded in this process: others would take longer to start."""

TEXTS = ("path", "predicted", "runner_up", "reason")
"""Columns of text; the others are numbers."""

Loaded = tuple[torch.Tensor, list[str]]
"""The readable photos of a task, uint8 (n, channels, size, size), and for each photo of it why
it cannot be read, or an empty text."""


def predict(
    run: TrainedRun,
    sources: Iterable[str | Path],
    models: Sequence[str] | None = None,
    processes: int | None = None,
    on_progress: Callable[[int], object] = lambda done: None,
) -> Iterator[pd.DataFrame]:
    """Predictions of photos, in tables of at most `run.batch_size` rows, in the order of
    `list_photos(sources)`.

    Columns: path; predicted; probability; p_<class> …, the mean over the models; runner_up;
    agreement, the share of the models that predict this class; reason, why a photo cannot be read
    (its other columns are empty). `models` are names of the run's models; default: all.
    `processes` decode ahead; 0 decodes in this process; default: chosen by the number of photos.
    `on_progress` gets the number of photos done. Raises `InputError`.
    """
    for name in models or ():
        run.check_model(name)
    return predict_paths(run, list_photos(sources), models, processes, on_progress)


def predict_paths(
    run: TrainedRun,
    paths: Sequence[str],
    models: Sequence[str] | None = None,
    processes: int | None = None,
    on_progress: Callable[[int], object] = lambda done: None,
) -> Iterator[pd.DataFrame]:
    """As `predict`, for the paths of photos."""
    step = max(run.images_per_pass, IMAGES_PER_TASK)
    chunks = [
        paths[start : start + run.batch_size] for start in range(0, len(paths), run.batch_size)
    ]
    tasks = [
        list(chunk[start : start + step])
        for chunk in chunks
        for start in range(0, len(chunk), step)
    ]
    loaded = iter(_loader(run, tasks, processes))
    done = 0
    for chunk in chunks:
        reasons: list[str] = []

        def parts(count: int, reasons: list[str] = reasons) -> Iterator[torch.Tensor]:
            nonlocal done
            for images, task_reasons in islice(loaded, count):
                reasons += task_reasons
                if len(images):
                    yield images
                done += len(task_reasons)
                on_progress(done)

        output = run.predict_parts(parts(-(-len(chunk) // step)), models)
        yield predictions_table(run.classes, chunk, reasons, output.probabilities)


def predictions_table(
    classes: Sequence[str], paths: Sequence[str], reasons: Sequence[str], probabilities: np.ndarray
) -> pd.DataFrame:
    """The columns of `predict`. `probabilities` is (models, readable photos, classes)."""
    mean = probabilities.mean(axis=0, dtype=np.float64)
    names = np.asarray(classes, dtype=object)
    top = np.argsort(-mean, axis=1, kind="stable")
    rows = np.flatnonzero([not reason for reason in reasons])
    columns: dict[str, Any] = {
        "predicted": names[top[:, 0]],
        "probability": mean.max(axis=1),
        **{f"p_{name}": mean[:, index] for index, name in enumerate(classes)},
        "runner_up": names[top[:, 1]],
        "agreement": (probabilities.argmax(axis=2) == top[:, 0]).mean(axis=0),
    }
    readable = pd.DataFrame(columns, index=rows)
    table = readable.reindex(range(len(paths))).fillna(dict.fromkeys(TEXTS, ""))
    table.insert(0, "path", [printable_path(path) for path in paths])
    table = table.assign(reason=list(reasons))
    return table.astype(dict.fromkeys(TEXTS, str))  # also if no photo is readable


@dataclass(frozen=True)
class _Photos(Dataset):
    """Photos at the network's input size, read by loader processes."""

    run: TrainedRun

    def __getitems__(self, paths: list[str]) -> Loaded:
        images, reasons = [], []
        for path in paths:
            try:
                images.append(self.run.preprocess(self.run.decode(path)))
                reasons.append("")
            except UnreadableImageError as error:
                reasons.append(str(error))
        stacked = np.stack(images) if images else np.empty((0, *self.run.geometry.shape), np.uint8)
        return torch.from_numpy(stacked).permute(0, 3, 1, 2), reasons


def _loader(run: TrainedRun, tasks: list[list[str]], processes: int | None) -> DataLoader[Loaded]:
    photos = sum(map(len, tasks))
    if processes is None:
        processes = min(cpu_count(), photos // MIN_IMAGES_PER_PROCESS) if USES_FORK else 0
    return DataLoader(
        _Photos(run),
        batch_sampler=tasks,
        collate_fn=lambda loaded: loaded,
        num_workers=processes if photos else 0,
        multiprocessing_context="fork" if processes and USES_FORK else None,
        worker_init_fn=ignore_interrupts,
        generator=torch.Generator(),
    )
