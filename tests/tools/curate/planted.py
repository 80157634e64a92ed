"""Plants altered copies among real photos and measures how many `data duplicates` finds.

    python -m tests.tools.curate.planted PHOTOS [WEIGHTS]

PHOTOS has one folder per class. With WEIGHTS, a file with weights of MobileNet v1, runs of the
command line also measure the test accuracy with and without grouping of the copies.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

PHOTOS, COPIES = 1000, 50
SPLITS = 10
"""Number of seeds of the test set over which the accuracies are averaged."""


@dataclass(frozen=True)
class PlantedFolder:
    root: Path
    pairs: frozenset[frozenset[str]]
    """Each original with its copy, as paths relative to `root`."""


def altered_copy(image: Image.Image, rng: np.random.Generator) -> bytes:
    """JPEG of the mirrored image at 0.4 to 1.6 times the size with quality 40 to 90."""
    scale = rng.uniform(0.4, 1.6)
    size = (round(image.width * scale), round(image.height * scale))
    buffer = io.BytesIO()
    mirrored = ImageOps.mirror(image).resize(size, Image.Resampling.LANCZOS)
    mirrored.save(buffer, "JPEG", quality=int(rng.integers(40, 91)))
    return buffer.getvalue()


def plant(files: Sequence[Path], into: Path, photos: int, copies: int, seed: int) -> PlantedFolder:
    """Copies a random selection of `photos` files, plus altered copies of some of them.

    The class of a file is the name of its folder.
    """
    rng = np.random.default_rng(seed)
    selection = [sorted(files)[index] for index in rng.permutation(len(files))[:photos]]
    pairs = set()
    for number, file in enumerate(selection):
        original = f"{file.parent.name}/{file.name}"
        (into / original).parent.mkdir(parents=True, exist_ok=True)
        (into / original).write_bytes(file.read_bytes())
        if number < copies:
            copy = f"{file.parent.name}/planted_{number:03}.jpg"
            with Image.open(file) as image:
                (into / copy).write_bytes(altered_copy(image.convert("RGB"), rng))
            pairs.add(frozenset({original, copy}))
    return PlantedFolder(into, frozenset(pairs))


def find_groups(root: Path, outputs: Path) -> list[frozenset[str]]:
    """The groups that `data duplicates` finds; it also writes groups.csv."""
    from fashion_exp.commands.data.duplicates import run

    with redirect_stdout(io.StringIO()) as output:
        assert run([str(root), "--json", "--outputs", str(outputs)]) == 0
    return [frozenset(group["photos"]) for group in json.loads(output.getvalue())["found"]]


def measure_accuracies(
    planted: PlantedFolder, group_list: Path, splits: int, run: Callable[[list[str]], Path]
) -> np.ndarray:
    """(splits, 2): test accuracy on all photos and on those with a copy, under a list of groups.

    `run` runs an experiment by its overrides and returns the run's folder.
    """
    from fashion_exp.evaluation.predictions import labels_and_probabilities, read_predictions
    from fashion_exp.evaluation.run_dir import PART_FILES

    paths_in_pairs = {path for pair in planted.pairs for path in pair}
    data = ["dataset=folder", f"dataset.root={planted.root}", f"dataset.groups={group_list}"]
    accuracies = []
    for seed in range(splits):
        frame = read_predictions(run([*data, f"split.seed={seed}"]) / PART_FILES["test"])
        labels, probabilities = labels_and_probabilities(frame)
        correct = probabilities.argmax(1) == labels
        has_copy = frame["path"].isin(paths_in_pairs).to_numpy()
        accuracies.append((correct.mean(), correct[has_copy].mean()))
    return np.array(accuracies)


def run_command_line(outputs: Path, options: Sequence[str], overrides: Sequence[str]) -> Path:
    command = [sys.executable, "-m", "fashion_exp", *overrides, *options, f"outputs={outputs}"]
    process = subprocess.run(command, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    return max((outputs / "runs").iterdir(), key=lambda folder: folder.stat().st_ctime)


def main(arguments: Sequence[str]) -> None:
    source, *weights = arguments
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = list(Path(source).rglob("*.jpg"))
        planted = plant(files, folder / "photos", PHOTOS, COPIES, seed=0)
        groups = find_groups(planted.root, folder / "outputs")
        hits = sum(pair in groups for pair in planted.pairs)
        others = [sorted(group) for group in groups if group not in planted.pairs]
        print(f"planted {COPIES} among {PHOTOS}: found {hits}, other groups {others}")
        if weights:
            print_accuracies(planted, folder, weights[0])


def print_accuracies(planted: PlantedFolder, folder: Path, weights: str) -> None:
    options = ["model=timm", "model.name=mobilenetv1_100", f"model.weights={weights}"]
    # With 60 epochs, the head memorizes its training photos.
    options += ["training.epochs=60", "repeats=1", "tracking=none"]
    run = partial(run_command_line, folder / "outputs", options)
    no_groups = folder / "ungrouped.csv"
    no_groups.write_text("path,group\n")
    for name, group_list in (
        ("before grouping", no_groups),
        ("with grouping", planted.root / "groups.csv"),
    ):
        values = measure_accuracies(planted, group_list, SPLITS, run)
        (accuracy, copy_accuracy), (sd, copy_sd) = values.mean(0), values.std(0, ddof=1)
        print(
            f"{name}: test accuracy {accuracy:.4f} (sd over {SPLITS} splits {sd:.4f}), "
            f"on photos with a copy {copy_accuracy:.4f} (sd {copy_sd:.4f})"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
