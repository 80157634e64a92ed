from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from mlflow.utils.validation import _validate_metric, _validate_param

from fashion_exp.tracking.names import clean_name, clean_texts, shortened


@given(st.text())
def test_mlflow_takes_every_cleaned_name(name: str) -> None:
    cleaned = clean_name(name)
    _validate_param(cleaned, "value")
    _validate_metric(cleaned, 1.0, 0, 0)
    assert 0 < len(cleaned) <= 250


@given(st.text(alphabet="./ a", max_size=8))
def test_mlflow_takes_names_that_were_odd_paths(name: str) -> None:
    _validate_param(clean_name(name), "value")


@given(st.text(alphabet="abcXYZ019_- :", min_size=1, max_size=250))
def test_a_name_of_allowed_characters_stays(name: str) -> None:
    assert clean_name(name) == name


def test_what_mlflow_refuses_becomes_an_underscore() -> None:
    assert clean_name("val=acc (%)/größe") == "val_acc ___/gr__e"


def test_texts_are_cut_with_an_ellipsis_and_otherwise_kept() -> None:
    assert shortened("abcdef", 6) == "abcdef"
    assert shortened("abcdefg", 6) == "abcde…"


def test_values_become_text() -> None:
    assert clean_texts({"lr": 2e-4, "freeze": None, "a,b": [1]}, 100) == {
        "lr": "0.0002",
        "freeze": "None",
        "a_b": "[1]",
    }
