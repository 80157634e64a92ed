"""A bundle predicts where nothing else of the run exists."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from fashion_exp.api.studies import import_study
from fashion_exp.commands.runs import run as runs_command
from fashion_exp.errors import InputError
from fashion_exp.inference.predict import predict
from fashion_exp.inference.trained_run import load_run
from fashion_exp.models.basic_cnn import basic_cnn
from tests.inference.test_trained_run import SMALL, RunTiny

pytestmark = pytest.mark.slow


def test_bundle_of_a_frozen_run_predicts_elsewhere(
    tiny: RunTiny, photos: Path, tmp_path: Path
) -> None:
    backbone, outputs = tmp_path / "backbone.safetensors", tmp_path / "outputs"
    save_file(basic_cnn(3, width=2).state_dict(), backbone)
    made = tiny(*SMALL, f"model.weights={backbone}").output
    folder = shutil.copytree(made, outputs / "runs" / "frozen")
    (before,) = predict(load_run(folder, outputs), [photos])
    file = tmp_path / "frozen.zip"
    assert runs_command(["bundle", "frozen", str(file), "--outputs", str(outputs)]) == 0
    with pytest.raises(InputError, match="an archive; add its runs with `study import`"):
        load_run(file, outputs)
    with zipfile.ZipFile(file) as archive:
        archive.extractall(tmp_path / "unpacked")
    import_study(file, outputs=tmp_path / "imported")
    shutil.rmtree(outputs)
    shutil.rmtree(made)
    backbone.unlink()
    torch.manual_seed(0)
    for folders in ("unpacked", "imported"):
        run = load_run(tmp_path / folders / "runs" / "frozen", tmp_path)
        (after,) = predict(run, [photos])
        pd.testing.assert_frame_equal(before, after)


def test_bundle_needs_a_name_of_an_archive(trained_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"ends with \.zip"):
        runs_command(["bundle", str(trained_folder), str(tmp_path / "file.txt")])
