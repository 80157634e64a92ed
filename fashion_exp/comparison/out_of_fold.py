"""Validation predictions by models that were not trained on the image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fashion_exp.data.table import share_names
from fashion_exp.evaluation.predictions import class_names, labels_and_probabilities

if TYPE_CHECKING:
    from fashion_exp.comparison.run_data import RunData


def average_by_image(predictions: pd.DataFrame) -> pd.DataFrame:
    """Averages predictions over the models; one row per image, indexed by image id.

    Columns: path, group_id, label, p_<class> …, models (how many predicted the image), agree (the
    share of them whose most probable class is that of the average).
    """
    columns = [f"p_{name}" for name in class_names(predictions)]
    probabilities = labels_and_probabilities(predictions)[1]
    images = predictions.groupby("image_id", sort=True)
    table = images[["path", "group_id", "label"]].first()
    table[columns] = images[columns].mean()
    if names := share_names(predictions):
        # Of several right classes the label is that by which the mean prediction is judged.
        labels, _ = labels_and_probabilities(table.join(images[names].first()))
        table["label"] = np.asarray(class_names(predictions), dtype=object)[labels]
    table["models"] = images.size()
    top = table[columns].to_numpy().argmax(axis=1)
    predicted = pd.Series(probabilities.argmax(axis=1), index=predictions["image_id"])
    agrees = predicted == pd.Series(top, index=table.index).reindex(predicted.index)
    table["agree"] = agrees.groupby(level=0).mean()
    return table


def predictions_on_training_images(run: RunData) -> pd.DataFrame:
    """The validation predictions by models that were trained on the image or on its group.

    Predictions by models whose training images are unknown are included.
    """
    predictions, split = run.predictions("validation"), run.split.set_index("image_id")
    folds = "r" + predictions["repeat"].astype(str) + "f" + predictions["fold"].astype(str)
    groups = split["group_id"].reindex(predictions["image_id"])
    trained = {
        fold: set(split.loc[split[fold] == "train", "group_id"])
        for fold in folds.unique()
        if fold in split
    }
    is_seen = [
        fold not in trained or pd.isna(group) or group in trained[fold]
        for fold, group in zip(folds, groups, strict=True)
    ]
    return predictions[is_seen]
