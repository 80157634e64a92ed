"""Predicts photos with a finished run, in flat memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch.utils.data import DataLoader, Dataset

from fashion_exp.data.batches import ignore_interrupts
from fashion_exp.data.parallel import USES_FORK
from fashion_exp.data.table import UnreadableImageError
from fashion_exp.inference.calibration import load_calibration
from fashion_exp.inference.predictions_table import (
    COVERAGE,
    calibrated_columns,
    predictions_table,
)
from fashion_exp.inference.several import thresholds_of
from fashion_exp.inference.sources import list_photos
from fashion_exp.inference.trained_run import BatchOutput, TrainedRun
from fashion_exp.process import cpu_count

IMAGES_PER_TASK = 16
"""Photos that are read at a time. A frozen backbone computes as many at a time as its forward pass
takes, see `experiment.features.BATCH_SIZE`."""
MIN_IMAGES_PER_PROCESS = 16
"""Fewer photos are read in this process: others would take longer to start."""

Loaded = tuple[torch.Tensor, list[str]]
"""The readable photos of a task, uint8 (n, channels, size, size), and for each photo of it why
it cannot be read, or an empty text."""


def predict(
    run: TrainedRun,
    sources: Iterable[str | Path],
    models: Sequence[str] | None = None,
    processes: int | None = None,
    on_progress: Callable[[int], object] = lambda done: None,
    coverage: float | None = COVERAGE,
) -> Iterator[pd.DataFrame]:
    """Predictions of photos, in tables of at most `run.batch_size` rows, in the order of
    `list_photos(sources)`.

    Columns: path; predicted; probability; p_<class> …, the mean over the models; runner_up;
    agreement, the share of the models that predict this class; prediction_set, classes that hold
    the true one for this share of photos (`coverage`), separated by |, most probable first;
    unfamiliar, whether the photo is unlike those of the run; reason, why a photo cannot be read
    (its other columns are empty). If the run predicts several classes at once: path; predicted,
    "dress|shirt" or "none"; p_<class> …; t_<class> …, the mean thresholds of the models; agreement,
    the share of the models that predict exactly these classes; reason.

    `models` are names of the run's models; default: all. `processes` read photos ahead; 0 reads
    them in threads of this process, in turn with the network; default: 0 on a CPU, else chosen by
    the number of photos. `on_progress` gets the number of photos
    done. Without `coverage` the columns prediction_set and unfamiliar are missing, and the run's
    validation predictions are not needed. Raises `InputError`.
    """
    for name in models or ():
        run.check_model(name)
    return predict_paths(run, list_photos(sources), models, processes, on_progress, coverage)


def predict_paths(
    run: TrainedRun,
    paths: Sequence[str],
    models: Sequence[str] | None = None,
    processes: int | None = None,
    on_progress: Callable[[int], object] = lambda done: None,
    coverage: float | None = COVERAGE,
) -> Iterator[pd.DataFrame]:
    """As `predict`, for the paths of photos."""
    names = models or run.model_names
    thresholds = thresholds_of(run, models)
    needed = coverage is not None and thresholds is None
    calibration = load_calibration(run) if needed else None
    for chunk, reasons, output in predict_batches(run, paths, models, processes, on_progress):
        calibrated = calibrated_columns(calibration, output, names, coverage)
        yield predictions_table(
            run.classes, chunk, reasons, output.probabilities, calibrated, thresholds
        )


def predict_batches(
    run: TrainedRun,
    paths: Sequence[str],
    models: Sequence[str] | None = None,
    processes: int | None = None,
    on_progress: Callable[[int], object] = lambda done: None,
) -> Iterator[tuple[Sequence[str], list[str], BatchOutput]]:
    """Paths in turn, for each of them why it cannot be read or an empty text, and what the models
    make of those that can."""
    step = max(run.images_per_pass, IMAGES_PER_TASK)
    chunks = [
        paths[start : start + run.batch_size] for start in range(0, len(paths), run.batch_size)
    ]
    tasks = [
        list(chunk[start : start + step])
        for chunk in chunks
        for start in range(0, len(chunk), step)
    ]
    loaded = _load(run, tasks, processes)
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
        yield chunk, reasons, output


def _load(run: TrainedRun, tasks: list[list[str]], processes: int | None) -> Iterator[Loaded]:
    """The photos of each task at the network's input size.

    On a CPU they are read when they are asked for, by all cores, while the network waits. Read
    ahead, they would take cores from the network's threads, each of which waits for the slowest.
    """
    photos = sum(map(len, tasks))
    if processes is None and run.compute.device.type != "cpu" and USES_FORK:
        processes = min(cpu_count(), photos // MIN_IMAGES_PER_PROCESS)
    if processes and photos:
        yield from _loader(run, tasks, processes)
        return
    with ThreadPoolExecutor(cpu_count()) as pool:
        for task in tasks:
            yield _stacked(run, pool.map(partial(_read, run), task))


def _read(run: TrainedRun, path: str) -> np.ndarray | str:
    """The photo at the network's input size, or why it cannot be read."""
    try:
        return run.preprocess(run.decode(path))
    except UnreadableImageError as error:
        return str(error)


def _stacked(run: TrainedRun, read: Iterable[np.ndarray | str]) -> Loaded:
    read = list(read)
    images = [image for image in read if not isinstance(image, str)]
    stacked = np.stack(images) if images else np.empty((0, *run.geometry.shape), np.uint8)
    reasons = [item if isinstance(item, str) else "" for item in read]
    return torch.from_numpy(stacked).permute(0, 3, 1, 2), reasons


@dataclass(frozen=True)
class _Photos(Dataset):
    """What loader processes read, by task."""

    run: TrainedRun

    def __getitems__(self, paths: list[str]) -> Loaded:
        return _stacked(self.run, (_read(self.run, path) for path in paths))


def _loader(run: TrainedRun, tasks: list[list[str]], processes: int) -> DataLoader[Loaded]:
    return DataLoader(
        _Photos(run),
        batch_sampler=tasks,
        collate_fn=lambda loaded: loaded,
        num_workers=processes,
        multiprocessing_context="fork" if USES_FORK else None,
        worker_init_fn=ignore_interrupts,
        generator=torch.Generator(),
    )
