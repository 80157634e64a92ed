"""Words are read as terms of the index, and none is dropped silently."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from fashion_exp.retrieval.words import NEGATIONS, build_vocabulary

VOCABULARY = build_vocabulary(
    ["dress", "t-shirt", "pants"], {"size": ["S", "M"], "brand": ["Acme"]}
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("red striped dress", ["red", "striped", "dress"]),
        ("a dress in light blue, please", ["dress", "light blue"]),
        ("navy blue tshirts", ["navy", "t-shirt"]),
        ("T-Shirt size m", ["t-shirt", "M"]),
        ("grey pants with stripes by acme", ["gray", "pants", "striped", "Acme"]),
    ],
)
def test_known_words_are_found_in_any_form(text: str, words: list[str]) -> None:
    read = VOCABULARY.read(text)
    assert [term.word for term in read.terms] == words
    assert read.unknown == (("size",) if "size" in text else ())


def test_names_with_signs_are_found_as_they_are_spoken() -> None:
    vocabulary = build_vocabulary(["ankle_boot", "T-shirt/top"], {"brand": ["Marks & Spencer"]})
    for text in ("ankle boots", "ankle_boot", "t-shirt/top", "marks & spencer"):
        read = vocabulary.read(text)
        assert len(read.terms) == 1 and not read.unknown, text


@pytest.mark.parametrize("word", sorted(NEGATIONS))
def test_negation_holds_for_the_next_term_only(word: str) -> None:
    read = VOCABULARY.read(f"dress {word} stripes red")
    assert [(term.word, term.negated) for term in read.terms] == [
        ("dress", False), ("striped", True), ("red", False)
    ]  # fmt: skip


def test_unknown_words_are_named() -> None:
    assert VOCABULARY.read("boho dress").sentence == "dress; not understood: boho"
    assert VOCABULARY.read("dress without sleeves").unknown == ("not sleeves",)


def test_typing_error_is_read_and_said() -> None:
    (term,) = VOCABULARY.read("stirped").terms
    assert (term.word, term.how, term.label) == ("striped", "spelling", "striped (stirped)")


def test_similar_meaning_is_asked_for_last() -> None:
    def similar(word: str, known: Sequence[str]) -> str | None:
        assert "pants" in known
        return "pants" if word == "trousers" else None

    vocabulary = build_vocabulary(["dress", "pants"], {}, similar)
    read = vocabulary.read("trousers or boho")
    assert [(term.word, term.how) for term in read.terms] == [("pants", "similar meaning")]
    assert read.unknown == ("or", "boho")


def test_names_of_imagenet_are_known_after_the_words_of_the_index() -> None:
    imagenet = ["jersey, T-shirt, tee shirt: a pullover", "running shoe: a shoe", "suit: a set"]
    vocabulary = build_vocabulary(["t-shirt"], {}, imagenet=imagenet)
    read = vocabulary.read("red jersey with running shoes but no suit t-shirt boho")
    assert read.sentence == (
        "red · jersey (ImageNet: jersey) · running shoes (ImageNet: running shoe) · "
        "not suit (ImageNet: suit) · t-shirt; not understood: boho"
    )
    assert read.terms[2].classes == ((1, 1.0),)


def test_classes_of_imagenet_near_in_meaning_are_asked_for_last() -> None:
    imagenet = ["cardigan: knitted jacket", "trench coat: a coat", "clog: a shoe"]
    vocabulary = build_vocabulary([], {}, near=lambda word, known: {0: 0.6, 1: 0.7},
                                  imagenet=imagenet)  # fmt: skip
    (term,) = vocabulary.read("jacket").terms
    assert (term.label, term.how) == ("jacket (ImageNet: trench coat, cardigan)", "ImageNet")
    assert term.classes == ((1, 0.7), (0, 0.6))


def test_long_text_is_cut_and_nothing_breaks() -> None:
    assert len(VOCABULARY.read("x" * 100_000).unknown) == 1
    assert VOCABULARY.read("<script>alert(1)</script>").unknown == ("script", "alert", "1")
