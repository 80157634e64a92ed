"""What models that have not seen an image say of it, one row an image."""

from __future__ import annotations

import numpy as np
import pandas as pd

from fashion_exp.comparison.run_data import RunData
from fashion_exp.evaluation.predictions import class_names, labels_and_probabilities


def by_image(frame: pd.DataFrame) -> pd.DataFrame:
    """Predictions averaged over the models that were asked, indexed by image id.

    path, group_id, label, p_<class> …; `models` were asked, of which the share `agree` names the
    class that the mean names.
    """
    columns = [f"p_{name}" for name in class_names(frame)]
    _, probabilities = labels_and_probabilities(frame)
    images = frame.groupby("image_id", sort=True)
    table = images[["path", "group_id", "label"]].first()
    table[columns] = images[columns].mean()
    table["models"] = images.size()
    top = table[columns].to_numpy().argmax(axis=1)
    named = pd.Series(probabilities.argmax(axis=1), index=frame["image_id"])
    agrees = named == pd.Series(top, index=table.index).reindex(named.index)
    table["agree"] = agrees.groupby(level=0).mean()
    return table


def seen_in_training(member: RunData) -> pd.DataFrame:
    """The validation predictions whose model was trained on the image, on a copy, or on another
    image of its group, or of whose training nothing is known: the rows of the frame."""
    frame, split = member.frame("validation"), member.split.set_index("image_id")
    seen = np.ones(len(frame), dtype=bool)
    names = "r" + frame["repeat"].astype(str) + "f" + frame["fold"].astype(str)
    for name in names.unique():
        places = np.flatnonzero(names == name)
        if name in split:
            trained = set(split.loc[split[name] == "train", "group_id"])
            groups = split["group_id"].reindex(frame["image_id"].iloc[places])
            seen[places] = [group in trained or pd.isna(group) for group in groups]
    return frame[seen]
