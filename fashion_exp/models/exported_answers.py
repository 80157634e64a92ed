"""Answers of an exported file, run as a script that imports nothing of this package.

`python -P exported_answers.py FORMAT FILE` reads arrays of photos, uint8 (n, height,
width, channels), from standard input in NumPy's format. For each it writes the probabilities
(n, classes) and those of each model (models, n, classes).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.lib.format import read_array, write_array

Answer = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def onnx(file: str) -> Answer:
    import onnxruntime

    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    names = ["probabilities", "by_model"]
    return lambda photos: tuple(session.run(names, {"photos": photos}))


def pt2(file: str) -> Answer:
    import torch

    program = torch.export.load(file).module()
    return lambda photos: tuple(x.numpy() for x in _no_grad(program, torch.from_numpy(photos))[:2])


def timm(folder: str) -> Answer:
    import torch
    from timm import create_model

    model = create_model(f"local-dir:{folder}", pretrained=True).eval()
    mean, std = (
        torch.tensor(model.pretrained_cfg[name]).view(-1, 1, 1) for name in ("mean", "std")
    )

    def answer(photos: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        images = torch.from_numpy(photos).permute(0, 3, 1, 2) / 255
        probabilities = _no_grad(model, (images - mean) / std).softmax(1).numpy()
        return probabilities, probabilities[None]

    return answer


def timm_transform(folder: str) -> Answer:
    """For photos of any size, in the preprocessing that timm reads from the folder."""
    import torch
    from PIL import Image
    from timm import create_model
    from timm.data import create_transform, resolve_data_config

    model = create_model(f"local-dir:{folder}", pretrained=True).eval()
    config = resolve_data_config({}, model=model)
    transform = create_transform(**config)
    mode = "L" if config["input_size"][0] == 1 else "RGB"

    def answer(photos: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        images = [transform(Image.fromarray(photo).convert(mode)) for photo in photos]
        probabilities = _no_grad(model, torch.stack(images)).softmax(1).numpy()
        return probabilities, probabilities[None]

    return answer


def _no_grad(program: Any, inputs: Any) -> Any:
    import torch

    with torch.no_grad():
        return program(inputs)


FORMATS: dict[str, Callable[[str], Answer]] = {
    "onnx": onnx, "pt2": pt2, "timm": timm, "timm_transform": timm_transform,
}  # fmt: skip


def main() -> None:
    questions, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    # NumPy would ask a file for its position, which a pipe has not.
    source = SimpleNamespace(read=questions.read)
    target = SimpleNamespace(write=answers.write)
    answer = FORMATS[sys.argv[1]](sys.argv[2])
    while questions.peek(1):
        for array in answer(read_array(source)):
            write_array(target, array)
        answers.flush()


if __name__ == "__main__":
    main()
