from __future__ import annotations

import json

from fashion_exp.tracking.urls import public, run_address, ui_address, view_tag


def test_an_address_shows_neither_user_nor_password() -> None:
    assert public("https://me:p@ss@host:5000/mlflow/") == "https://host:5000/mlflow"
    assert "secret" not in ui_address("http://me:secret@host", "1")
    assert "secret" not in run_address("http://me:secret@host", "1", "r")


def test_the_address_of_a_table_names_the_view_that_its_tag_holds() -> None:
    for parent in (None, "abc123"):
        name, _ = view_tag(parent)
        key = name.removeprefix("mlflow.sharedViewState.")
        assert f"/#/experiments/7/runs?viewStateShareKey={key}&" in ui_address("u", "7", parent)


def test_a_view_sorts_by_validation_accuracy_and_begins_with_the_given_parameters() -> None:
    view = json.loads(view_tag("abc", ["optim.lr"])[1])
    assert (view["orderByKey"], view["orderByAsc"]) == ("metrics.`val_acc`", False)
    assert view["selectedColumns"][:2] == ["params.`optim.lr`", "metrics.`val_acc`"]
    assert "'abc'" in view["searchFilter"]
