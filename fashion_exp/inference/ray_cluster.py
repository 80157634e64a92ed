"""Predicts photos on the nodes of a Ray cluster, with Ray Data."""

from __future__ import annotations

import logging
import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any

import pandas as pd

from fashion_exp.data.image_files import printable_path
from fashion_exp.inference.calibration import load_calibration
from fashion_exp.inference.predict import predict_paths
from fashion_exp.inference.predictions_table import COVERAGE, TEXTS
from fashion_exp.inference.trained_run import TrainedRun, load_run
from fashion_exp.study.export import place_of, plan_export

LOCAL = "local"
"""The address that starts a cluster on this machine."""


def predict_on_ray(
    run: TrainedRun,
    paths: Sequence[str],
    models: Sequence[str] | None,
    address: str,
    on_progress: Callable[[int], object] = lambda done: None,
    coverage: float | None = COVERAGE,
) -> Iterator[pd.DataFrame]:
    """The tables of `predict_paths`, in the same order, computed by one process on each node.

    The run and the code are sent to the nodes; the photos must be at the same paths there. Equal
    processors give equal rows. Raises `InputError` if there is no cluster at the address.
    """
    from fashion_exp.sweeps.launchers.ray_cluster import connect, copy_code, import_ray

    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # a warning for each process
    ray = import_ray("--ray", "leave it out to predict on this machine")
    if coverage is not None:
        load_calibration(run)  # saved in the run's folder, and sent with it
    with TemporaryDirectory() as scratch:
        bundle, code = Path(scratch) / "run.zip", Path(scratch) / "code"
        plan_export([run.run.path], weights=True, thumbnails=False).write(bundle)
        copy_code(code)
        connect(ray, None if address == LOCAL else address, str(code), "--ray", LOCAL)
        try:
            arguments = (bundle.read_bytes(), place_of(run.run.path), models, coverage)
            yield from _tables(ray, run, paths, arguments, on_progress)
        finally:
            ray.shutdown()


def _tables(
    ray: Any, run: TrainedRun, paths: Sequence[str], arguments: tuple[Any, ...],
    on_progress: Callable[[int], object],
) -> Iterator[pd.DataFrame]:  # fmt: skip
    import ray.data as ray_data

    context = ray_data.DataContext.get_current()
    context.execution_options.preserve_order = True
    context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    cpus = [node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"]]
    workers = [count for count in cpus if count >= 1]
    size = run.batch_size  # a task has the photos of one batch, so that shapes are the same
    files = [os.path.abspath(path) for path in paths]  # the nodes have another working directory
    tasks = [{"paths": files[start : start + size]} for start in range(0, len(paths), size)]
    tables = ray_data.from_items(tasks, override_num_blocks=len(tasks)).map_batches(
        Predictor,
        fn_constructor_args=(ray.put(arguments[0]), *arguments[1:]),
        batch_size=1,
        batch_format="pandas",
        num_cpus=min(workers),
        concurrency=(1, min(len(workers), len(tasks))),
    )
    done = 0
    for table in tables.iter_batches(batch_size=None, batch_format="pandas"):
        named = [printable_path(path) for path in paths[done : done + len(table)]]
        done += len(table)
        on_progress(done)
        kinds: dict[str, Any] = dict.fromkeys(table.columns, float) | {"unfamiliar": "boolean"}
        kinds |= dict.fromkeys(TEXTS, str)
        kinds = {name: kinds[name] for name in table.columns}
        yield table.assign(path=named).astype(kinds)  # Ray Data gives types of Arrow


class Predictor:
    """A process on a node, with a copy of the run."""

    def __init__(
        self, bundle: Any, device: str, models: Sequence[str] | None, coverage: float | None
    ) -> None:
        import ray

        folder = Path(mkdtemp(prefix="fashion_exp-"))
        content = bundle if isinstance(bundle, bytes) else ray.get(bundle)
        with zipfile.ZipFile(BytesIO(content)) as archive:
            archive.extractall(folder)
        self._run = load_run(folder / device, folder)
        self._models, self._coverage = models, coverage

    def __call__(self, tasks: pd.DataFrame) -> pd.DataFrame:
        """The predictions of the paths of one task."""
        (paths,) = tasks["paths"]
        tables = predict_paths(self._run, list(paths), self._models, coverage=self._coverage)
        return pd.concat(tables)
