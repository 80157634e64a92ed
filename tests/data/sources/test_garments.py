"""The drawn garments as an image table."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from fashion_exp.configuration.schema import DatasetConfig
from fashion_exp.data.sources.garments import load_garments
from fashion_exp.data.synthetic import garments
from fashion_exp.data.table import ImageTable

Load = Callable[..., ImageTable]


@pytest.fixture
def load(make_config: Callable[..., DatasetConfig]) -> Load:
    def load_with_defaults(**options: object) -> ImageTable:
        defaults = {
            "per_class": 20, "drawn_size": 32, "mislabelled": 0.2, "ambiguous": 0.3, "seed": 1,
        }  # fmt: skip
        return load_garments(make_config(None, name="garments", **(defaults | options)))

    return load_with_defaults


def test_each_planned_item_is_a_row_that_reads_its_drawing(load: Load) -> None:
    table = load()
    items = {item.image_id: item for item in garments.plan_items(20, 1, 0.2, 0.3)}
    assert set(table.rows["image_id"]) == set(items)
    assert table.classes == garments.CLASSES and table.native_size == 32
    for row in (0, 59):
        item = items[table.rows["image_id"][row]]
        assert table.labels[row] == item.label
        assert np.array_equal(table.read(row), garments.draw(item, 32))


def test_note_counts_mislabeled_and_ambiguous_items(load: Load) -> None:
    items = garments.plan_items(20, 1, 0.2, 0.3)
    mislabelled = sum(item.label != item.true_label for item in items)
    ambiguous = sum(item.ambiguous for item in items)
    assert 0 < mislabelled < ambiguous
    (note,) = load().notes
    assert note.startswith(f"Drawn images: {mislabelled} of 60 have a wrong label")
    assert f" {ambiguous} are ambiguous" in note


def test_classes_can_be_selected_merged_and_renamed(load: Load) -> None:
    table = load(classes=["Shirt", "Dress"], rename={"Shirt": "Top"})
    assert table.classes == ("Top", "Dress")
    assert {path.split("/")[0] for path in table.rows["path"]} == {"Shirt", "Dress"}
    merged = load(rename={"Shirt": "Top", "Pullover": "Top"})
    assert len(merged) == 60 and merged.classes == ("Dress", "Top")


def test_each_option_has_an_effect(load: Load) -> None:
    assert len(load(per_class=3)) == 9
    assert load(seed=2).fingerprint != load().fingerprint
    assert load(mislabelled=0.0).fingerprint != load().fingerprint
    assert load(drawn_size=48).read(0).shape == (48, 48, 3)
