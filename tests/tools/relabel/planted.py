"""Plants wrong labels into a data set and measures how many of them `data labels` finds.

    python -m tests.tools.relabel.planted flips PHOTOS flips.csv --classes dress,longsleeve,shirt
    scripts/run dataset=folder dataset.root=PHOTOS dataset.labels=flips.csv split=kfold …
    python -m tests.tools.relabel.planted score RUN flips.csv

The generated garments record their wrong labels and need no flips:

    scripts/run dataset=garments dataset.mislabelled=0.05 split=kfold …
    python -m tests.tools.relabel.planted score RUN
"""

from __future__ import annotations

import argparse
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from fashion_exp.comparison.run_data import RunData, load_run
from fashion_exp.data.labels import original_labels
from fashion_exp.data.sources.folder import list_folder
from fashion_exp.data.synthetic.garments import plan_items
from fashion_exp.stats.proportions import wilson
from fashion_exp.tools.relabel.suggestions import suggest_labels


class DetectionCounts(NamedTuple):
    hits: int
    """Planted images that were flagged."""
    flagged: int
    planted: int
    """Planted images that were predicted."""


def random_flips(photos: Path, classes: Sequence[str], share: float, seed: int) -> pd.DataFrame:
    """Decisions that give a share of the images of `classes` another of these classes."""
    listed, _, _ = list_folder(photos)
    labels = {
        image: names[0] for image, names in original_labels(listed).items() if len(names) == 1
    }
    images = sorted(image for image, label in labels.items() if label in classes)
    rng = np.random.default_rng(seed)
    selected = rng.choice(images, round(share * len(images)), replace=False)
    others = [[name for name in classes if name != labels[image]] for image in selected]
    wrong = [str(rng.choice(names)) for names in others]
    given = [labels[image] for image in selected]
    return pd.DataFrame({"image_id": selected, "given": given, "decision": wrong})


def count_detections(
    run: RunData, planted: Collection[str], kind: str = "wrong"
) -> DetectionCounts:
    images = suggest_labels(run, None, None).images
    is_flagged = images["kind"] == kind
    is_planted = images.index.isin(list(planted))
    return DetectionCounts(
        int((is_flagged & is_planted).sum()), int(is_flagged.sum()), int(is_planted.sum())
    )


def _describe(kind: str, counts: DetectionCounts) -> str:
    recall = _share(counts.hits, counts.planted)
    return f"{kind}: recall {recall}, precision {_share(counts.hits, counts.flagged)}"


def _share(hits: int, n: int) -> str:
    if not n:
        return "– (n = 0)"
    interval = wilson(hits, n, 0.95)
    return f"{hits / n:.2f} ({hits}/{n}, 95 % {interval.low:.2f}–{interval.high:.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    subcommands = parser.add_subparsers(dest="subcommand", required=True)
    flips = subcommands.add_parser("flips")
    flips.add_argument("photos", type=Path)
    flips.add_argument("file", type=Path)
    flips.add_argument("--classes", help="separated by commas; default: all")
    flips.add_argument("--share", type=float, default=0.05)
    flips.add_argument("--seed", type=int, default=0)
    score = subcommands.add_parser("score")
    score.add_argument("run", type=Path)
    score.add_argument("file", type=Path, nargs="?")
    options = parser.parse_args()
    if options.subcommand == "flips":
        listed, _, _ = list_folder(options.photos)
        classes = options.classes.split(",") if options.classes else sorted(set(listed["label"]))
        decisions = random_flips(options.photos, classes, options.share, options.seed)
        decisions.to_csv(options.file, index=False)
        print(f"{len(decisions)} flips in {options.file}")
    else:
        print_score(load_run(options.run), options.file)


def print_score(run: RunData, flips_file: Path | None) -> None:
    accuracy = suggest_labels(run, None, None).accuracy
    print(f"the models predict the given label of {accuracy:.3f} of the sources")
    if flips_file is not None:
        flipped = set(pd.read_csv(flips_file)["image_id"])
        print(_describe("wrong", count_detections(run, flipped)))
        return
    names = ("per_class", "seed", "mislabelled", "ambiguous")
    items = plan_items(*(run.options[f"dataset.{name}"] for name in names))
    wrong = {item.image_id for item in items if item.label != item.true_label}
    print(_describe("wrong", count_detections(run, wrong)))
    ambiguous = {item.image_id for item in items if item.ambiguous}
    print(_describe("ambiguous", count_detections(run, ambiguous, "ambiguous")))


if __name__ == "__main__":
    main()
