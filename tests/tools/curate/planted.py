"""Copies planted among real photos: how many are found, what else is, and what they were worth.

    python -m tests.tools.curate.planted PHOTOS [WEIGHTS]

PHOTOS has a folder per class. With WEIGHTS, a file of MobileNet v1's, runs of the real
command line tell the accuracy with copies on both sides of the split, and with each on one side.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

PHOTOS, COPIES = 1000, 50
SPLITS = 10
"""Seeds of the test set over which the accuracies are averaged."""


@dataclass(frozen=True)
class Planted:
    root: Path
    pairs: frozenset[frozenset[str]]
    """Each original with its copy, by their paths below `root`."""


def disguised(image: Image.Image, rng: np.random.Generator) -> bytes:
    """The mirror image at 0.4 to 1.6 times the size, as JPEG of a quality between 40 and 90."""
    scale = rng.uniform(0.4, 1.6)
    size = (round(image.width * scale), round(image.height * scale))
    target = io.BytesIO()
    mirrored = ImageOps.mirror(image).resize(size, Image.Resampling.LANCZOS)
    mirrored.save(target, "JPEG", quality=int(rng.integers(40, 91)))
    return target.getvalue()


def plant(files: Sequence[Path], into: Path, photos: int, copies: int, seed: int) -> Planted:
    """`photos` of the files, each below the name of its folder, and copies of some of them."""
    rng = np.random.default_rng(seed)
    chosen = [sorted(files)[place] for place in rng.permutation(len(files))[:photos]]
    pairs = set()
    for number, file in enumerate(chosen):
        original = f"{file.parent.name}/{file.name}"
        (into / original).parent.mkdir(parents=True, exist_ok=True)
        (into / original).write_bytes(file.read_bytes())
        if number < copies:
            copy = f"{file.parent.name}/planted_{number:03}.jpg"
            with Image.open(file) as image:
                (into / copy).write_bytes(disguised(image.convert("RGB"), rng))
            pairs.add(frozenset({original, copy}))
    return Planted(into, frozenset(pairs))


def groups_found(root: Path, outputs: Path) -> list[frozenset[str]]:
    """What `data duplicates` says of a folder."""
    from fashion_exp.commands.data.duplicates import run

    with redirect_stdout(io.StringIO()) as said:
        assert run([str(root), "--json", "--outputs", str(outputs)]) == 0
    return [frozenset(group["photos"]) for group in json.loads(said.getvalue())["found"]]


def accuracies(
    planted: Planted, lists: Sequence[Path], outputs: Path, words: Sequence[str]
) -> list[np.ndarray]:
    """For each list of groups (SPLITS, 2): test accuracy of all photos, and of those with a copy.

    A multirun of the real command line for each cut of the photos; its predictions are read,
    whatever it says of a winner.
    """
    from fashion_exp.evaluation.predictions import labels_and_probabilities, read_predictions

    line = [sys.executable, "-m", "fashion_exp", "-m", "dataset=folder", "tracking=none"]
    line += [f"dataset.root={planted.root}", f"dataset.groups={','.join(map(str, lists))}"]
    line += [*words, f"outputs={outputs}"]
    for seed in range(SPLITS):
        own = [f"split.seed={seed}", f"sweep.name=leak-{seed}"]
        done = subprocess.run([*line, *own], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    copied = {path for pair in planted.pairs for path in pair}
    found: dict[str, list[tuple[float, float]]] = {str(file): [] for file in lists}
    for file in sorted(outputs.glob("sweeps/leak-*/*/test_predictions.parquet")):
        knobs = json.loads((file.parent / "knobs.json").read_text())
        frame = read_predictions(file)
        labels, probabilities = labels_and_probabilities(frame)
        right = probabilities.argmax(1) == labels
        has_copy = frame["path"].isin(copied).to_numpy()
        found[knobs["dataset.groups"]].append((right.mean(), right[has_copy].mean()))
    return [np.array(found[str(file)]) for file in lists]


def main(arguments: Sequence[str]) -> None:
    source, *weights = arguments
    files = [file for file in Path(source).rglob("*.jpg")]
    with tempfile.TemporaryDirectory() as place:
        planted = plant(files, Path(place) / "photos", PHOTOS, COPIES, seed=0)
        found = groups_found(planted.root, Path(place) / "outputs")
        right = sum(pair in found for pair in planted.pairs)
        others = [sorted(group) for group in found if group not in planted.pairs]
        print(f"planted {COPIES} among {PHOTOS}: found {right}, other groups {others}")
        if weights:
            _tell_leak(planted, Path(place), weights[0])


def _tell_leak(planted: Planted, place: Path, weights: str) -> None:
    words = ["model=timm", "model.name=mobilenetv1_100", f"model.weights={weights}"]
    words += ["training.epochs=60", "repeats=1"]  # enough for the head to know its photos
    none = place / "ungrouped.csv"
    none.write_text("path,group\n")
    lists = [none, planted.root / "groups.csv"]
    for what, told in zip(
        ("before grouping", "grouped"),
        accuracies(planted, lists, place / "outputs", words),
        strict=True,
    ):
        (every, copied), (spread, wide) = told.mean(0), told.std(0, ddof=1)
        print(
            f"split {what}: test accuracy {every:.4f} (sd over {len(told)} splits {spread:.4f}), "
            f"of photos with a copy {copied:.4f} (sd {wide:.4f})"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
