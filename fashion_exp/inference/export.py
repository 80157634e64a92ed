"""Writes the models of a run as one file or folder, once it was seen to answer as the run does."""

from __future__ import annotations

import json
import logging
import os
import tempfile
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from fashion_exp.atomic_io import DiskFullError, is_disk_full
from fashion_exp.comparison.run_data import load_run as load_run_data
from fashion_exp.configuration.schema import Head, network_of
from fashion_exp.data.geometry import single_geometries
from fashion_exp.errors import InputError, suggest
from fashion_exp.inference.proof import (
    ExportError,
    Proof,
    answers_of_file,
    answers_of_run,
    batches_for,
    compare_answers,
    in_other_sizes,
    read_photos,
    require_equal,
)
from fashion_exp.inference.trained_run import TrainedRun
from fashion_exp.models.program import Program, Resize, resize_for, trace
from fashion_exp.models.timm_folder import save_timm_folder
from fashion_exp.paths import install_command, package_version, why_not_writable
from fashion_exp.reporting.progress import Progress

if TYPE_CHECKING:
    from fashion_exp.inference.quantization import Quantization

OUTPUTS = ("probabilities", "by_model", "features")
_OPSET = 20


@dataclass(frozen=True)
class Exported:
    path: Path
    format: str
    models: tuple[str, ...]
    input: str
    """What the file takes, in words."""
    proof: Proof
    quantization: Quantization | None
    transform: Proof | None = None
    """The same photos in timm's own transform, which may differ from the run's preprocessing."""

    def as_json(self) -> dict[str, Any]:
        proof = asdict(self.proof) | {"upper_bound": self.proof.upper_bound}
        return asdict(self) | {"path": str(self.path), "proof": proof}


@dataclass(frozen=True)
class ExportPlan:
    """What is exported: the models, their temperatures, and whether the file resizes photos."""

    names: tuple[str, ...]
    temperatures: tuple[float, ...]
    any_size: bool

    def input_text(self, run: TrainedRun, kind: str = "") -> str:
        size, channels = run.plan.size, run.plan.channels
        shape = ", ".join(map(str, run.geometry.shape))
        if kind == "timm":
            return f"images: float (n, {channels}, {size}, {size}), normalized as in config.json"
        if self.any_size:
            return "photos: uint8 (n, height, width, 3) RGB of any size, upright"
        return f"photos: uint8 (n, {shape}) as the run's preprocessing gives them"


def export(
    run: TrainedRun, kind: str, into: Path, progress: Progress, *, model: str | None = None,
    temperatures: dict[str, float] | None = None, int8: bool = False, any_size: bool = True,
) -> Exported:  # fmt: skip
    """Exports all models of a run as one ensemble, or one of them, and compares the answers.

    `kind` is onnx, pt2 or timm. With `any_size`, resizing is part of an onnx or pt2 file where it
    gives equal results. With `int8` the weights and activations of an onnx file are quantized.

    Raises `InputError` for what cannot be exported so, and `ExportError` if the file does not give
    the answers of the run; then nothing is written.
    """
    if kind not in WRITERS:
        raise InputError(f"--format {kind}: {suggest(kind, WRITERS)}")
    if int8 and kind != "onnx":
        raise InputError("--int8 needs --format onnx")
    if kind != "timm" and into.suffix != SUFFIXES[kind]:
        raise InputError(f"{into}: a file of {kind} must end in {SUFFIXES[kind]}")
    if kind == "timm" and (into.suffix in SUFFIXES.values() or into.name == run.run.path.name):
        raise InputError(
            f"{into}: timm is a folder, named neither as a file nor as the run, such as "
            f"{run.run.path.name}{SUFFIXES[kind]}"
        )
    if into.exists():
        raise InputError(f"{into}: exists already; delete it, or choose another --into=PATH")
    if reason := why_not_writable(into.absolute().parent):
        raise InputError(f"{into}: {reason}; choose another folder")
    plan = plan_export(run, kind, model, temperatures or {}, any_size and not int8)
    photos = list(read_photos(run, "validation").values())
    folder = into.absolute().parent
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".export-", dir=folder) as scratch:
        draft = Path(scratch) / f"model{into.suffix}"
        tick = progress.stage(f"writing {kind}", 1)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # torch's, about its own exporter
                WRITERS[kind](run, plan, draft)
        except OSError as error:
            if is_disk_full(error):
                raise DiskFullError(into) from error
            raise
        tick(1)
        proof = prove(run, plan, kind, draft, photos, progress)
        quantization, transform = None, None
        if kind == "timm":
            transform = try_transform(run, plan, draft, photos, progress)
        if int8:
            from fashion_exp.inference.quantization import quantize

            quantization = quantize(run, plan.names, draft, progress)
        _make_readable(draft)
        os.replace(draft, into)
    return Exported(
        into, kind, plan.names, plan.input_text(run, kind), proof, quantization, transform
    )


def plan_export(
    run: TrainedRun, kind: str, model: str | None, temperatures: dict[str, float], any_size: bool
) -> ExportPlan:
    """Raises `InputError` for a model that the run has not, or for several in timm's format."""
    if model is not None:
        run.model(model)
    names = run.model_names if model is None else (model,)
    if kind == "timm" and run.plan.beside:
        raise InputError(
            f"a timm folder holds one network, and the run has {len(run.plan.networks)} side by "
            "side; export it with --format onnx or pt2"
        )
    if kind == "timm" and len(names) > 1:
        raise InputError(
            f"a timm folder holds one model and the run has {len(names)}; choose one: "
            f"--model {names[0]}"
        )
    if kind == "timm" and run.config.model.head is Head.knn:
        raise InputError(
            "timm's networks end in a linear layer, and model.head=knn does not; export it with "
            "--format onnx or pt2"
        )
    if kind == "timm" and network_of(run.config.model.name) != run.config.model.name:
        raise InputError(
            f"timm's folder holds a whole network, and {run.config.model.name} ends at a stage; "
            "export it with --format onnx or pt2"
        )
    resizes = kind != "timm" and _resizes_in_graph(run) and any_size
    if kind == "timm" and run.plan.test_views != "none":
        raise InputError(
            f"a timm folder takes one view, and the run model.test_views={run.plan.test_views}; "
            "export it with --format onnx or pt2"
        )
    return ExportPlan(names, tuple(temperatures.get(name, 1.0) for name in names), resizes)


def _resizes_in_graph(run: TrainedRun) -> bool:
    """Whether the run's preprocessing is resizing alone, with a filter that the graph has."""
    return not run.config.augmentation.evaluation and all(
        interpolation != "nearest" for _, interpolation in run.plan.input_formats
    )


def export_program(run: TrainedRun, plan: ExportPlan) -> Program:
    """The module that is exported: uint8 photos (n, height, width, channels) to probabilities."""
    parts = [
        Resize(g.size, g.fit, g.interpolation, g.channels) for g in single_geometries(run.geometry)
    ]
    resize = resize_for(parts) if plan.any_size else nn.Identity()
    models = [run.model(name) for name in plan.names]
    return Program(models, plan.temperatures, resize).eval()


def prove(
    run: TrainedRun, plan: ExportPlan, kind: str, file: Path, photos: list[np.ndarray],
    progress: Progress,
) -> Proof:  # fmt: skip
    """Compares the file with the run on its validation photos, and on some in other sizes.

    Raises `ExportError` unless the answers are equal up to rounding.
    """
    resized = in_other_sizes(photos) if plan.any_size else []
    photos = photos + resized
    tick = progress.stage("answers of the run", len(photos))
    expected, _ = answers_of_run(run, plan.names, plan.temperatures, photos, tick)
    tick = progress.stage("answers of the file", len(photos))
    batches = batches_for(run, photos, plan.any_size)
    given, _ = answers_of_file(kind, file, batches, tick)
    proof = compare_answers(expected, given, len(resized))
    require_equal(proof)
    return proof


def try_transform(
    run: TrainedRun, plan: ExportPlan, folder: Path, photos: list[np.ndarray], progress: Progress
) -> Proof:
    """Compares a timm folder with the run where timm preprocesses the validation photos."""
    expected, _ = answers_of_run(run, plan.names, plan.temperatures, photos)
    tick = progress.stage("answers in timm's transform", len(photos))
    given, _ = answers_of_file("timm_transform", folder, batches_for(run, photos, True), tick)
    return compare_answers(expected, given, 0)


def transform_text(run: TrainedRun) -> str:
    """How timm's own transform differs from the run's preprocessing, in words."""
    differences = {
        "pad": "it pads with the mean of config.json, the run with the photo's own mean color",
        "crop": "it resizes before it crops, the run in one step",
        "stretch": "",
    }[run.config.dataset.fit.value]
    if run.config.augmentation.evaluation:
        return f"{differences}; augmentation.evaluation is not part of it".removeprefix("; ")
    return differences


def metadata(run: TrainedRun, plan: ExportPlan) -> dict[str, str]:
    """What an onnx or pt2 file says about itself; all values are texts."""
    data = load_run_data(run.run.path)
    parts = ["validation", *["test"] * data.is_test_evaluated]
    return {
        **run.identity,
        "run": run.run.path.name,
        "models": json.dumps(plan.names),
        "temperatures": json.dumps(plan.temperatures),
        "input": plan.input_text(run),
        "preprocessing": json.dumps(asdict(run.geometry)),
        "outputs": json.dumps(OUTPUTS),
        **{f"{part}_accuracy": _accuracy(data.summary(part).metrics(), part) for part in parts},
        "fashion_exp": package_version(),
    }


def _accuracy(metrics: dict[str, float], part: str) -> str:
    prefix = "val" if part == "validation" else part
    value, low, high = (metrics[f"{prefix}_{name}"] for name in ("acc", "lo", "hi"))
    return f"{value:.4f} (95 % Wilson {low:.4f} to {high:.4f}, mean of the single models)"


def _write_onnx(run: TrainedRun, plan: ExportPlan, file: Path) -> None:
    for package in ("onnx", "onnxscript", "onnxruntime"):
        require_package(package, "export")
    for name in ("torch.onnx", "onnxscript", "onnx_ir"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with redirect_stdout(StringIO()):  # the exporter prints its steps
        program = torch.onnx.export(
            _traced_or_refused(run, plan), dynamo=True, opset_version=_OPSET, verbose=False,
            input_names=["photos"], output_names=list(OUTPUTS),
        )  # fmt: skip
        assert program is not None
        program.model.metadata_props.update(metadata(run, plan))
        program.save(file, external_data=False)


def _write_pt2(run: TrainedRun, plan: ExportPlan, file: Path) -> None:
    extra = {"metadata.json": json.dumps(metadata(run, plan))}
    torch.export.save(_traced_or_refused(run, plan), file, extra_files=extra)


def _write_timm(run: TrainedRun, plan: ExportPlan, folder: Path) -> None:
    save_timm_folder(
        folder, run.model(plan.names[0]), run.config.model.name, run.plan,
        run.config.dataset.fit.value,
        run.classes, plan.temperatures[0],
    )  # fmt: skip


def _traced_or_refused(run: TrainedRun, plan: ExportPlan) -> torch.export.ExportedProgram:
    """Raises `ExportError` for a network that torch cannot trace."""
    try:
        return trace(export_program(run, plan), run.geometry.shape, plan.any_size)
    except Exception as error:  # torch documents no set of exceptions
        reason = " ".join(str(error).split())[:300]
        raise ExportError(
            f"{run.config.model.name} cannot be exported by torch ({reason})"
        ) from error


def require_package(name: str, extra: str) -> None:
    """Raises `InputError` if a package of an extra is not installed."""
    from importlib.util import find_spec

    if find_spec(name) is None:
        raise InputError(f"{name} is not installed; run {install_command(extra)}")


def _make_readable(path: Path) -> None:
    """Files of a temporary folder can be read by their owner only."""
    umask = os.umask(0)
    os.umask(umask)
    for item in [path, *(path.rglob("*") if path.is_dir() else [])]:
        item.chmod((0o777 if item.is_dir() else 0o666) & ~umask)


WRITERS: dict[str, Callable[[TrainedRun, ExportPlan, Path], None]] = {
    "onnx": _write_onnx,
    "pt2": _write_pt2,
    "timm": _write_timm,
}
SUFFIXES = {"onnx": ".onnx", "pt2": ".pt2", "timm": "-timm"}
"""Ends of names; without one, a folder would stand for the run of its name."""
