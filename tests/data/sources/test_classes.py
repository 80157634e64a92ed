"""Selection of classes: order, new names, merging, errors."""

from __future__ import annotations

import os
import unicodedata

import pytest

from fashion_exp.data.image_files import printable_path
from fashion_exp.data.sources.classes import (
    choose_classes,
    class_names,
    lookalikes,
    normalize_name,
    unused_lookalikes,
)
from fashion_exp.errors import InputError

AVAILABLE = {"shirt": 3, "dress": 2, "longsleeve": 1}


def test_selects_all_classes_in_alphabetical_order() -> None:
    names = choose_classes(AVAILABLE, None, {})
    assert names == {name: name for name in ("dress", "longsleeve", "shirt")}


def test_requested_classes_keep_their_order() -> None:
    assert class_names(choose_classes(AVAILABLE, ["shirt", "dress"], {})) == ("shirt", "dress")


def test_default_order_uses_new_names() -> None:
    names = choose_classes(AVAILABLE, None, {"shirt": "Blouse"})
    assert class_names(names) == ("Blouse", "dress", "longsleeve")


@pytest.mark.parametrize("rename", [{"shirt": "top", "longsleeve": "top"}, {"shirt": "longsleeve"}])
def test_classes_with_one_name_are_merged(rename: dict[str, str]) -> None:
    names = choose_classes(AVAILABLE, None, rename)
    assert names["shirt"] == names["longsleeve"]
    assert len(class_names(names)) == 2


def test_two_classes_can_swap_names() -> None:
    names = choose_classes(AVAILABLE, ["dress", "shirt"], {"dress": "shirt", "shirt": "dress"})
    assert names == {"dress": "shirt", "shirt": "dress"}


def test_names_are_compared_in_composed_unicode() -> None:
    decomposed = unicodedata.normalize("NFD", "café")
    assert decomposed != "café" and normalize_name(decomposed) == "café"
    names = choose_classes({"café": 1, "robe": 1}, [decomposed, "robe"], {decomposed: decomposed})
    assert class_names(names) == ("café", "robe")


CASES = {"A": 5, "a": 7, "B": 6, "b": 6, "c": 1}


def test_invisible_characters_around_a_name_do_not_count() -> None:
    assert normalize_name("\ufeff T-shirt\u200b \u00a0") == "T-shirt"
    family = "\U0001f468\u200d\U0001f469"
    assert normalize_name(family) == family


def test_bytes_that_are_not_utf8_are_escaped_as_in_names_of_folders() -> None:
    """No text file and no Parquet file can hold them."""
    typed = os.fsdecode(b"caf\xe9")
    assert normalize_name(typed) == printable_path(typed) == "caf\\xe9"
    assert choose_classes({"a": 1, "caf\\xe9": 1}, ["a", typed], {"a": typed + "s"}) == {
        "a": "caf\\xe9s",
        "caf\\xe9": "caf\\xe9",
    }


def test_names_that_differ_in_case_are_refused_with_both_remedies() -> None:
    with pytest.raises(InputError) as error:
        choose_classes(CASES, None, {})
    message = str(error.value)
    assert "'A' (5) and 'a' (7); 'B' (6) and 'b' (6); if they are the same" in message
    assert "dataset.rename='{A: a, B: b}'" in message and "'{A: A, B: B}' keeps" in message
    merged = choose_classes(CASES, None, {"A": "a", "B": "b"})
    assert class_names(merged) == ("a", "b", "c")
    assert class_names(choose_classes(CASES, None, {"A": "A", "B": "B"})) == tuple("ABabc")


def test_new_names_must_not_differ_in_case_only() -> None:
    with pytest.raises(InputError, match=r"'Dress' \(3\) and 'dress' \(2\)"):
        choose_classes(AVAILABLE, None, {"shirt": "Dress"})


def test_unused_class_that_looks_like_a_selected_one_is_noted() -> None:
    names = choose_classes(CASES, ["a", "c"], {})
    (note,) = unused_lookalikes(names, CASES)
    assert "'A' (5) and 'a' (7); not used: A." in note


def test_lookalikes_differ_in_case_blanks_or_unicode_form_only() -> None:
    names = ["T  shirt", "t SHIRT", "T\u200b shirt", "Ｔ shirt", "T-shirt", "STRASSE", "straße"]
    assert sorted(map(len, lookalikes(names))) == [2, 4]


@pytest.mark.parametrize(
    ("requested", "rename", "message"),
    [
        (["dres", "shirt"], {}, r"dataset\.classes: .*no class 'dres'; did you mean dress\?"),
        (["Dress", "shirt"], {}, r"no class 'Dress'; did you mean dress\?"),
        (["DRESS", "shirt"], {}, r"no class 'DRESS'; .*dress"),
        (["xyz", "shirt"], {}, r"no class 'xyz'; choices: dress, longsleeve, shirt"),
        (["dress", "dress", "shirt"], {}, "listed twice"),
        (None, {"shirts": "top"}, r"dataset\.rename: .*no class 'shirts'; did you mean shirt\?"),
        (["dress", "shirt"], {"longsleeve": "top"}, "'longsleeve' is not among dataset.classes"),
        (None, {"shirt": " "}, "the new name of 'shirt' is empty"),
        (["dress"], {}, "at least two classes are needed, but the selection has dress"),
        ([], {}, "the selection has none"),
        (["dress", "shirt"], {"dress": "shirt"}, "the selection has shirt"),
    ],
)
def test_rejects_invalid_selection(
    requested: list[str] | None, rename: dict[str, str], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        choose_classes(AVAILABLE, requested, rename)
