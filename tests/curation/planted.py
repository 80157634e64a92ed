"""Copies planted among real photos: how many are found, what else is, and what they were worth.

    python -m tests.curation.planted PHOTOS [WEIGHTS]

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


def _train(*words: str) -> None:
    line = [sys.executable, "-m", "fashion_exp", *words]
    done = subprocess.run(line, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def accuracies(planted: Planted, groups: Path, outputs: Path, words: Sequence[str]) -> np.ndarray:
    """(SPLITS, 2): test accuracy of all photos, and of those that have a copy."""
    from fashion_exp.predictions import labels_and_probabilities, read_predictions

    rows = []
    for seed in range(SPLITS):
        run = outputs / f"{groups.stem}-{seed}"
        _train(
            "dataset=folder", f"dataset.root={planted.root}", f"dataset.groups={groups}",
            f"split.seed={seed}", "tracking=none", f"outputs={run}", *words,
        )  # fmt: skip
        (file,) = run.glob("runs/*/test_predictions.parquet")
        frame = read_predictions(file)
        labels, probabilities = labels_and_probabilities(frame)
        right = probabilities.argmax(1) == labels
        has_copy = frame["path"].isin({path for pair in planted.pairs for path in pair})
        rows.append((right.mean(), right[has_copy.to_numpy()].mean()))
    return np.array(rows)


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
    none = place / "ungrouped.csv"
    none.write_text("path,group\n")
    for what, groups in (("before grouping", none), ("grouped", planted.root / "groups.csv")):
        every, copied = accuracies(planted, groups, place / "outputs", words).T
        print(
            f"split {what}: test accuracy {every.mean():.4f} (sd over {SPLITS} splits "
            f"{every.std(ddof=1):.4f}), of photos with a copy {np.nanmean(copied):.4f} "
            f"(sd {np.nanstd(copied, ddof=1):.4f})",
            flush=True,
        )


if __name__ == "__main__":
    main(sys.argv[1:])
