"""Imported predictions are runs: in compare, report, MLflow, doctor; without models."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fashion_exp.api.comparison import compare
from fashion_exp.api.judging import import_predictions, judge
from fashion_exp.commands import runs as runs_command
from fashion_exp.commands.doctor import run as doctor
from fashion_exp.errors import InputError
from fashion_exp.evaluation.run_dir import RunDir
from fashion_exp.inference.trained_run import load_run as load_trained
from fashion_exp.judging import import_run
from fashion_exp.tracking.tracker import UnavailableTracker
from tests.judging.tables import random_table

FOLDS = np.arange(120) % 5


def imported(outputs: Path, name: str, table: pd.DataFrame, **options: object) -> Path:
    settings = {"track": False, "part": "validation", "outputs": outputs} | options
    return import_predictions([table], name, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("design", ["one training", "folds", "trainings"])
def test_compare_of_imported_runs_equals_judge(design: str, tmp_path: Path) -> None:
    tables = {}
    for seed, (name, accuracy) in enumerate({"a": 0.9, "b": 0.75}.items()):
        table = random_table(seed, accuracy)
        if design == "folds":
            table = table.assign(fold=FOLDS)
        if design == "trainings":
            table = pd.concat([random_table(10 * seed + i, accuracy).assign(repeat=i)
                               for i in range(4)])  # fmt: skip
        tables[name] = table
        imported(tmp_path, name, table)
    own = compare(["a", "b"], outputs=tmp_path).verdicts
    theirs = judge(tables).verdicts
    columns = ["a", "b", "verdict", "difference", "low", "high", "p", "test", "estimates"]
    pd.testing.assert_frame_equal(own[columns], theirs[columns])


def test_a_name_is_imported_once(tmp_path: Path) -> None:
    imported(tmp_path, "a", random_table(0, 0.9))
    with pytest.raises(InputError, match="a: an imported run has this name"):
        imported(tmp_path, "a", random_table(1, 0.8))
    assert len(list((tmp_path / "runs").iterdir())) == 1


def test_test_predictions_are_a_part_of_their_own(tmp_path: Path) -> None:
    table = random_table(0, 0.9).assign(split=["validation"] * 80 + ["test"] * 40)
    folder = imported(tmp_path, "a", table, part=None)
    run = compare([folder], outputs=tmp_path).runs[0]
    assert [run.summary(part).images for part in ("validation", "test")] == [80, 40]
    assert run.result.test_evaluations == 1


def test_the_same_predictions_are_one_evaluation_of_the_test_set(tmp_path: Path) -> None:
    def evaluations(name: str, table: pd.DataFrame) -> int:
        folder = imported(tmp_path, name, table, part=None)
        return compare([folder], outputs=tmp_path).runs[0].result.test_evaluations

    parts = ["validation"] * 80 + ["test"] * 40
    table = random_table(0, 0.9).assign(split=parts)
    assert evaluations("a", table) == 1
    assert evaluations("again", table[::-1]) == 1
    assert evaluations("other", random_table(1, 0.9).assign(split=parts)) == 2


def test_groups_of_several_files_stay_apart(tmp_path: Path) -> None:
    table = random_table(0, 0.9).assign(group=np.arange(120) // 2)
    files = [table[:60], table[60:].astype({"group": float})]
    folder = import_predictions(files, "a", unit="fold", part="validation", outputs=tmp_path,
                                track=False)  # fmt: skip
    groups = RunDir(folder).predictions("validation")["group_id"]
    assert set(groups) == set(map(str, range(60)))


def test_a_column_of_parts_may_have_any_name(tmp_path: Path) -> None:
    table = random_table(0, 0.9).assign(Subset=["validation"] * 80 + ["test"] * 40)
    folder = imported(tmp_path, "a", table, part=None, columns={"split": "Subset"})
    assert len(RunDir(folder).predictions("test")) == 40


@pytest.mark.slow
def test_report_doctor_and_runs_take_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    folders = [
        imported(tmp_path, f"tool {i}", random_table(i, 0.8).assign(fold=FOLDS), track=True,
                 command=f"scripts/run import {i}.csv")
        for i in range(2)
    ]  # fmt: skip
    page = compare(folders, outputs=tmp_path).report(tmp_path / "page")
    assert "cannot be shown" not in caplog.text
    assert "scripts/run import 1.csv" in re.sub("<[^>]*>", "", page.read_text())
    assert compare(folders[:1], outputs=tmp_path).report().exists()
    assert runs_command.run(["show", "tool 0", "--outputs", str(tmp_path)]) == 0
    output = capsys.readouterr().out
    assert "scripts/run import 0.csv" in output and "tracked as" in output
    tracked = json.loads((folders[0] / "tracked.json").read_text())["run"]
    artifact = f"runs:/{tracked}/validation_predictions.parquet"
    assert judge([f"a={artifact}"], outputs=tmp_path).table["items"].to_list() == [120]
    with pytest.raises(InputError, match="did you mean validation_predictions"):
        judge([artifact.replace("ions", "ion")], outputs=tmp_path)
    doctor(["--outputs", str(tmp_path)])
    assert "damaged" not in capsys.readouterr().out
    with pytest.raises(InputError, match="no model"):
        load_trained(folders[0], tmp_path)


@pytest.mark.parametrize(
    ("changes", "options", "message"),
    [
        ({}, {"part": None}, "no column split; --part validation or test"),
        ({}, {"part": "test"}, "no rows of validation"),
        ({"split": "train"}, {"part": None}, "split=train: a run has validation and test"),
        ({"split": ["test", *["validation"] * 118, None]}, {"part": None}, "missing in row 120"),
        ({}, {"columns": {"group": "Garment"}}, "no column Garment for group"),
        ({"label": "hat"}, {}, "no probabilities of hat"),
        ({"p_dress": 2.0}, {}, "no probability; --scores logits"),
    ],
)
def test_refused_with_the_remedy_and_nothing_written(
    changes: dict[str, object], options: dict[str, object], message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        imported(tmp_path, "a", random_table(0, 0.9).assign(**changes), **options)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_predictions_without_probabilities_are_no_run(tmp_path: Path) -> None:
    table = random_table(0, 0.9).drop(columns=["p_dress", "p_shirt"]).assign(predicted="dress")
    with pytest.raises(InputError, match="a run has probabilities of all classes; `judge` may do"):
        imported(tmp_path, "a", table)


def test_a_store_that_cannot_be_used_leaves_no_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be used"):
        imported(tmp_path, "a", random_table(0, 0.9), track=True, uri="http://127.0.0.1:9")
    assert not list(tmp_path.glob("runs/*"))


def test_a_store_that_fails_later_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broken = UnavailableTracker("http://store", "no answer in time")
    monkeypatch.setattr(import_run, "open_tracker", lambda *_: broken)
    folder = imported(tmp_path, "a", random_table(0, 0.9), track=True)
    (message,) = caplog.messages
    assert "no answer in time" in message and f"{folder}. To record it, remove" in message


def test_options_of_tables_are_refused_for_a_run(tmp_path: Path) -> None:
    run = imported(tmp_path, "a", random_table(0, 0.9))
    with pytest.raises(InputError, match="scores has no effect on a run"):
        import_predictions([run], "b", scores="logits", part="validation", outputs=tmp_path)


def test_a_run_says_that_it_is_imported(tmp_path: Path) -> None:
    assert RunDir(imported(tmp_path, "a", random_table(0, 0.9))).is_imported
