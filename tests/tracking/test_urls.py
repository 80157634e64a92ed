from __future__ import annotations

import json

from fashion_exp.tracking.urls import redact_uri, run_url, runs_url, runs_view_tag


def test_urls_contain_neither_user_nor_password() -> None:
    assert redact_uri("https://me:p@ss@host:5000/mlflow/") == "https://host:5000/mlflow"
    assert "secret" not in runs_url("http://me:secret@host", "1")
    assert "secret" not in run_url("http://me:secret@host", "1", "r")


def test_runs_url_refers_to_the_view_tag() -> None:
    for parent in (None, "abc123"):
        name, _ = runs_view_tag(parent)
        key = name.removeprefix("mlflow.sharedViewState.")
        assert f"/#/experiments/7/runs?viewStateShareKey={key}&" in runs_url("u", "7", parent)


def test_view_sorts_by_validation_accuracy_and_starts_with_the_parameters() -> None:
    view = json.loads(runs_view_tag("abc", ["optim.lr"])[1])
    assert (view["orderByKey"], view["orderByAsc"]) == ("metrics.`val_acc`", False)
    assert view["selectedColumns"][:2] == ["params.`optim.lr`", "metrics.`val_acc`"]
    assert "'abc'" in view["searchFilter"]
