"""Wrong labels planted into a data set, and how many of them `data labels` finds.

    python -m tests.tools.relabel.planted flips PHOTOS flips.csv --classes dress,longsleeve,shirt
    scripts/run dataset=folder dataset.root=PHOTOS dataset.labels=flips.csv split=kfold …
    python -m tests.tools.relabel.planted score RUN flips.csv

The drawn garments know which of their labels are wrong, and need no flips:

    scripts/run dataset=garments dataset.mislabelled=0.05 split=kfold …
    python -m tests.tools.relabel.planted score RUN
"""

from __future__ import annotations

import argparse
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from fashion_exp.comparison.run_data import RunData, load_run
from fashion_exp.data.labels import own_labels
from fashion_exp.data.sources.folder import list_folder
from fashion_exp.data.synthetic.garments import plan
from fashion_exp.stats.proportions import wilson
from fashion_exp.tools.relabel.suggestions import suggestions


def flips(photos: Path, classes: Sequence[str], share: float, seed: int) -> pd.DataFrame:
    """Decisions that give a share of the images of `classes` another of these classes by chance."""
    listed, _, _ = list_folder(photos)
    own = {image: labels[0] for image, labels in own_labels(listed).items() if len(labels) == 1}
    images = sorted(image for image, label in own.items() if label in classes)
    rng = np.random.default_rng(seed)
    chosen = rng.choice(images, round(share * len(images)), replace=False)
    others = [[name for name in classes if name != own[image]] for image in chosen]
    wrong = [str(rng.choice(names)) for names in others]
    return pd.DataFrame(
        {"image_id": chosen, "given": [own[image] for image in chosen], "decision": wrong}
    )


def found(member: RunData, planted: Collection[str], kind: str = "wrong") -> tuple[int, int, int]:
    """How many of the images called `kind` were planted, how many are called so, and how many
    planted ones were predicted at all."""
    images = suggestions(member, None, None).images
    called = images["kind"] == kind
    there = images.index.isin(list(planted))
    return int((called & there).sum()), int(called.sum()), int(there.sum())


def told(name: str, hits: int, called: int, there: int) -> str:
    return f"{name}: recall {_share(hits, there)}, precision {_share(hits, called)}"


def _share(hits: int, n: int) -> str:
    if not n:
        return "– (n = 0)"
    interval = wilson(hits, n, 0.95)
    return f"{hits / n:.2f} ({hits}/{n}, 95 % {interval.low:.2f}–{interval.high:.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    plant = verbs.add_parser("flips")
    plant.add_argument("photos", type=Path)
    plant.add_argument("file", type=Path)
    plant.add_argument("--classes", help="separated by commas; default: all")
    plant.add_argument("--share", type=float, default=0.05)
    plant.add_argument("--seed", type=int, default=0)
    score = verbs.add_parser("score")
    score.add_argument("run", type=Path)
    score.add_argument("file", type=Path, nargs="?")
    options = parser.parse_args()
    if options.verb == "flips":
        listed, _, _ = list_folder(options.photos)
        classes = options.classes.split(",") if options.classes else sorted(set(listed["label"]))
        made = flips(options.photos, classes, options.share, options.seed)
        made.to_csv(options.file, index=False)
        print(f"{len(made)} flips in {options.file}")
        return
    member = load_run(options.run)
    accuracy = suggestions(member, None, None).accuracy
    print(f"the models name the given label of {accuracy:.3f} of the sources")
    if options.file is not None:
        print(told("wrong", *found(member, set(pd.read_csv(options.file)["image_id"]))))
        return
    knobs = member.knobs
    items = plan(
        *(knobs[f"dataset.{k}"] for k in ("per_class", "seed", "mislabelled", "ambiguous"))
    )
    wrong = {item.image_id for item in items if item.label != item.true_label}
    print(told("wrong", *found(member, wrong)))
    between = {item.image_id for item in items if item.ambiguous}
    print(told("ambiguous", *found(member, between, "ambiguous")))


if __name__ == "__main__":
    main()
