"""Drawn garments as a data set."""

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
def load(config: Callable[..., DatasetConfig]) -> Load:
    def with_knobs(**knobs: object) -> ImageTable:
        chosen = {
            "per_class": 20,
            "drawn_size": 32,
            "mislabelled": 0.2,
            "ambiguous": 0.3,
            "seed": 1,
        }
        return load_garments(config(None, name="garments", **(chosen | knobs)))

    return with_knobs


def test_each_planned_item_is_a_row_that_reads_its_drawing(load: Load) -> None:
    table = load()
    items = {item.image_id: item for item in garments.plan(20, 1, 0.2, 0.3)}
    assert set(table.rows["image_id"]) == set(items)
    assert table.classes == garments.CLASSES and table.native_size == 32
    for row in (0, 59):
        item = items[table.rows["image_id"][row]]
        assert table.labels[row] == item.label
        assert np.array_equal(table.read(row), garments.draw(item, 32))


def test_paths_tell_class_and_number(load: Load) -> None:
    path = load().rows.query("label == 0")["path"][0]
    assert path.startswith("Dress/0000") and len(path) == len("Dress/000000")


def test_wrong_and_ambiguous_items_are_told_in_a_note(load: Load) -> None:
    items = garments.plan(20, 1, 0.2, 0.3)
    wrong = sum(item.label != item.true_label for item in items)
    between = sum(item.ambiguous for item in items)
    assert 0 < wrong < between
    assert load().notes[0].startswith(f"Drawn images: {wrong} of 60 carry a wrong label")
    assert f" {between} are half one class" in load().notes[0]


def test_classes_can_be_chosen_merged_and_renamed(load: Load) -> None:
    table = load(classes=["Shirt", "Dress"], rename={"Shirt": "Top"})
    assert table.classes == ("Top", "Dress")
    assert {path.split("/")[0] for path in table.rows["path"]} == {"Shirt", "Dress"}
    merged = load(rename={"Shirt": "Top", "Pullover": "Top"})
    assert len(merged) == 60 and merged.classes == ("Dress", "Top")


def test_the_knobs_act(load: Load) -> None:
    assert len(load(per_class=3)) == 9
    assert load(seed=2).fingerprint != load().fingerprint
    assert load(mislabelled=0.0).fingerprint != load().fingerprint
    assert load(drawn_size=48).read(0).shape == (48, 48, 3)
