from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mlflow.exceptions import MlflowException
from mlflow.utils.validation import _validate_metric, _validate_param, _validate_tag

from fashion_exp.tracking.names import NAME_LENGTH, clean_name, clean_texts, shorten


def is_valid(name: str) -> bool:
    """Whether MLflow accepts the name of a parameter, metric and tag."""
    try:
        _validate_param(name, "value")
        _validate_metric(name, 1.0, 0, 0)
        _validate_tag(name, "value")
    except MlflowException:
        return False
    return True


PATHS = st.text(alphabet="./ a", max_size=8)


@given(st.text() | PATHS | st.text(alphabet="./é", min_size=200, max_size=300))
@example("../..")
@example("..")
@example("./")
@example("a/../..")
@example("/")
@example("")
@example("a//b")
@example("...")
@example("name\n")
@example("a" * NAME_LENGTH + "/b")
@example("a" * (NAME_LENGTH - 1) + "/..")
def test_mlflow_accepts_every_cleaned_name(name: str) -> None:
    assert is_valid(clean_name(name))


@given(st.text(alphabet=st.characters(max_codepoint=127), max_size=NAME_LENGTH) | PATHS)
@example(".hidden/file")
@example("a/..b")
@example("val_acc: fold 1")
@example("a" * NAME_LENGTH)
@example("name\n")
def test_valid_ascii_names_are_unchanged(name: str) -> None:
    is_line = not name.endswith("\n")  # MLflow's pattern accepts a line break at the end
    assert (clean_name(name) == name) == (is_valid(name) and is_line)


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [
        ("val=acc (%)/größe", "val_acc ___/gr__e"),
        ("../..", "__/__"),
        ("..", "__"),
        ("./", "_"),
        ("a/../..", "a/__/__"),
        ("/", "_"),
        ("", "_"),
        ("a//b", "a/b"),
        ("/etc/passwd", "etc/passwd"),
        ("..a", "__a"),
    ],
)
def test_replaces_invalid_characters_and_paths(name: str, cleaned: str) -> None:
    assert clean_name(name) == cleaned


def test_shorten_ends_long_texts_with_an_ellipsis() -> None:
    assert shorten("abcdef", 6) == "abcdef"
    assert shorten("abcdefg", 6) == "abcde…"


def test_clean_texts_converts_values_to_text() -> None:
    assert clean_texts({"lr": 2e-4, "freeze": None, "a,b": [1]}, 100) == {
        "lr": "0.0002",
        "freeze": "None",
        "a_b": "[1]",
    }
