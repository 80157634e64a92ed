"""A run's folder with everything that its models need, as one zip file."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

from fashion_exp.atomic_io import atomic_write
from fashion_exp.inference.trained_run import TrainedRun
from fashion_exp.models.backbones import keep_backbone

LEFT_OUT = ("figures", "report", ".*")
"""What can be drawn again, and locks."""


def write_bundle(run: TrainedRun, file: Path) -> None:
    """Writes the folder of a run, with the files of its frozen backbones in `weights/`.

    Unpacked anywhere, the folder predicts without the photos, the hub or this outputs folder.
    """
    with TemporaryDirectory() as scratch, atomic_write(file) as draft:
        folder = Path(scratch) / run.run.path.name
        shutil.copytree(run.run.path, folder, ignore=shutil.ignore_patterns(*LEFT_OUT))
        for weights in (plan.weights for plan in run.plan.networks):
            if weights.path is not None:
                keep_backbone(weights.path, weights.sha256, folder)
        with zipfile.ZipFile(draft, "w") as archive:  # weights cannot be compressed
            for path in sorted(folder.rglob("*")):
                archive.write(path, path.relative_to(scratch))
