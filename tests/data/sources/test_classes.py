"""Which classes are taken, in which order, under which names."""

from __future__ import annotations

import unicodedata

import pytest

from fashion_exp.data.sources.classes import choose_classes, labels, normal
from fashion_exp.errors import InputError

DATA = ["shirt", "dress", "longsleeve"]


def test_all_classes_are_taken_in_the_order_of_their_names() -> None:
    assert choose_classes(DATA, None, {}) == {n: n for n in ("dress", "longsleeve", "shirt")}


def test_asked_classes_keep_the_order_in_which_they_are_asked() -> None:
    assert labels(choose_classes(DATA, ["shirt", "dress"], {})) == ("shirt", "dress")


def test_without_a_given_order_the_new_names_count() -> None:
    names = choose_classes(DATA, None, {"shirt": "Blouse"})
    assert labels(names) == ("Blouse", "dress", "longsleeve")


@pytest.mark.parametrize("rename", [{"shirt": "top", "longsleeve": "top"}, {"shirt": "longsleeve"}])
def test_classes_of_one_name_are_merged(rename: dict[str, str]) -> None:
    names = choose_classes(DATA, None, rename)
    assert names["shirt"] == names["longsleeve"]
    assert len(labels(names)) == 2


def test_two_classes_can_swap_their_names() -> None:
    names = choose_classes(DATA, ["dress", "shirt"], {"dress": "shirt", "shirt": "dress"})
    assert names == {"dress": "shirt", "shirt": "dress"}


def test_names_are_compared_in_composed_unicode() -> None:
    apart = unicodedata.normalize("NFD", "café")
    assert apart != "café" and normal(apart) == "café"
    assert labels(choose_classes(["café", "robe"], [apart, "robe"], {apart: apart})) == (
        "café",
        "robe",
    )


@pytest.mark.parametrize(
    ("asked", "rename", "told"),
    [
        (["dres", "shirt"], {}, r"dataset\.classes: .*no class 'dres'; did you mean dress\?"),
        (["Dress", "shirt"], {}, r"no class 'Dress'; did you mean dress\?"),
        (["xyz", "shirt"], {}, r"no class 'xyz'; choices: dress, longsleeve, shirt"),
        (["dress", "dress", "shirt"], {}, "listed twice"),
        (None, {"shirts": "top"}, r"dataset\.rename: .*no class 'shirts'; did you mean shirt\?"),
        (["dress", "shirt"], {"longsleeve": "top"}, "'longsleeve' is not among dataset.classes"),
        (None, {"shirt": " "}, "name that is not empty"),
        (["dress"], {}, "two classes are needed at least, here is dress"),
        ([], {}, "two classes are needed at least, here is none"),
        (["dress", "shirt"], {"dress": "shirt"}, "two classes are needed at least, here is shirt"),
    ],
)
def test_a_mistake_is_told_with_the_nearest_right_thing(
    asked: list[str] | None, rename: dict[str, str], told: str
) -> None:
    with pytest.raises(InputError, match=told):
        choose_classes(DATA, asked, rename)
