"""Names of official parts, and names that only contain such a word."""

from __future__ import annotations

import pytest

from fashion_exp.data.sources.parts import is_filler, is_unlabeled, part_of_name, split_name

NAMES = {
    "train": "train Training TRAIN trainset train_set train-set Train_set TrainSet trainData "
    "train_data seg_train images_train train2017 1_train trainval train_val Trainingsdaten",
    "validation": "val valid Validation VALID valset val-set val_images ValidationData dev dev_set",
    "test": "test Testing TEST testset TESTset test_set test_images testing1 PublicTest "
    "PrivateTest Testdaten",
    "": "dress contest latest invalid trains data evaluation bullet_train test_tubes test_train "
    "train_test fruits-360_Training 2017 旗袍",
}


@pytest.mark.parametrize("part", NAMES)
def test_name_says_its_part(part: str) -> None:
    names = NAMES[part].split()
    assert {name: part_of_name(name) for name in names} == dict.fromkeys(names, part)


@pytest.mark.parametrize(
    ("name", "part", "others"),
    [
        ("Training Images (1)", "train", set()),
        ("asl_alphabet_test", "test", {"asl", "alphabet"}),
        ("bulletTrain", "train", {"bullet"}),
        ("train_test", "", set()),
        ("red dress", "", {"red", "dress"}),
    ],
)
def test_name_is_split_into_part_and_other_words(name: str, part: str, others: set[str]) -> None:
    assert split_name(name) == (part, others)


def test_names_without_meaning_and_of_unlabeled_images() -> None:
    assert [n for n in ("images", "Data_Set", "photos2", "2017", "dress") if is_filler(n)] == [
        "images", "Data_Set", "photos2",
    ]  # fmt: skip
    assert is_unlabeled("seg_pred") and is_unlabeled("Unlabeled") and not is_unlabeled("test")
