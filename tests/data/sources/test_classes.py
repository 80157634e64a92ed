"""Selection of classes: order, new names, merging, errors."""

from __future__ import annotations

import unicodedata

import pytest

from fashion_exp.data.sources.classes import choose_classes, class_names, normalize_name
from fashion_exp.errors import InputError

AVAILABLE = ["shirt", "dress", "longsleeve"]


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
    names = choose_classes(["café", "robe"], [decomposed, "robe"], {decomposed: decomposed})
    assert class_names(names) == ("café", "robe")


@pytest.mark.parametrize(
    ("requested", "rename", "message"),
    [
        (["dres", "shirt"], {}, r"dataset\.classes: .*no class 'dres'; did you mean dress\?"),
        (["Dress", "shirt"], {}, r"no class 'Dress'; did you mean dress\?"),
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
