"""Official parts (training, validation, test) by the names that data sets give them."""

from __future__ import annotations

import re
from collections.abc import Iterable

PARTS = ("train", "validation", "test")

_PART_WORDS = {
    **dict.fromkeys(("train", "training", "trainings", "trn", "trainval", "trainvalid"), "train"),
    **dict.fromkeys(("validation", "validate", "validating", "valid", "val", "dev"), "validation"),
    **dict.fromkeys(("test", "tests", "testing", "tst"), "test"),
}
_FILLERS = frozenset({
    "set", "sets", "data", "dataset", "datasets", "daten", "bilder", "image", "images", "img",
    "imgs", "photo", "photos", "picture", "pictures", "pic", "pics", "file", "files", "sample",
    "samples", "split", "splits", "subset", "part", "folder", "folders", "dir", "seg", "cls",
    "classification", "classes", "category", "categories", "labeled", "labelled", "original",
    "official", "public", "private", "raw", "clean", "cropped", "resized", "processed", "small",
    "mini", "full", "final", "new", "the", "of", "for", "and",
})  # fmt: skip
"""Words beside the word for the part that say nothing about the images."""

_UNLABELED_WORDS = frozenset({
    "pred", "predict", "prediction", "predictions", "unlabeled", "unlabelled", "unsup",
    "unsupervised", "inference", "submission",
})  # fmt: skip

_LETTERS = re.compile(r"[^\W\d_]+")
_CAMEL_CASE = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^A-Za-z]+")


def part_of_name(name: str) -> str:
    """The part of a name such as "Training", "test_images" or "TrainSet2017"; "" for others."""
    part, others = split_name(name)
    return part if part and not others else ""


def split_name(name: str) -> tuple[str, frozenset[str]]:
    """The part that a name has a word for, and its words that are neither that nor a filler.

    Digits are ignored. The part is "" for no word, and for words of different parts.
    """
    words = list(_words(name))
    parts = {_PART_WORDS[word] for word in words if word in _PART_WORDS}
    if parts == {"train", "validation"}:  # training and validation images together
        parts = {"train"}
    others = frozenset(w for w in words if w not in _PART_WORDS and w not in _FILLERS)
    return (parts.pop() if len(parts) == 1 else ""), others


def is_filler(name: str) -> bool:
    """Whether a name says nothing about the images, such as "images" or "data_set"."""
    words = list(_words(name))
    return bool(words) and all(word in _FILLERS for word in words)


def is_unlabeled(name: str) -> bool:
    """Whether a name says that the images have no labels, such as "seg_pred"."""
    return any(word in _UNLABELED_WORDS for word in _words(name))


def _words(name: str) -> Iterable[str]:
    for letters in _LETTERS.findall(name):
        yield from _known_words(letters) or [
            word
            for piece in _CAMEL_CASE.findall(letters)
            for word in _known_words(piece) or [piece.casefold()]
        ]


def _known_words(letters: str) -> list[str]:
    """One known word, or two written together as in "testset"; empty for unknown ones."""
    text = letters.casefold()
    known = _PART_WORDS.keys() | _FILLERS
    if text in known:
        return [text]
    cuts = [(text[:at], text[at:]) for at in range(2, len(text) - 1)]
    return next(([first, second] for first, second in cuts if {first, second} <= known), [])
