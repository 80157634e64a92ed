"""The private APIs of Optuna that the package uses."""

from __future__ import annotations

from typing import Any

import pytest

from fashion_exp.experiment.compat import OPTUNA_CHECKED, attach_trial, hyperband_pruner

optuna = pytest.importorskip("optuna", reason="Optuna is not installed")


def test_optuna_is_a_checked_version() -> None:
    version = tuple(int(part) for part in optuna.__version__.split(".")[:2])
    assert version <= OPTUNA_CHECKED, "check fashion_exp/experiment/compat.py, then raise the bound"


def test_attached_trial_reports_to_its_trial_only() -> None:
    study = optuna.create_study()
    for _ in range(2):
        study.ask()
    attach_trial(study, 1).report(0.5, step=3)
    assert [trial.intermediate_values for trial in study.trials] == [{}, {3: 0.5}]


def test_hyperband_brackets_depend_on_the_seed_and_not_on_the_study_name() -> None:
    def brackets(seed: int, name: str) -> list[int]:
        study = optuna.create_study(study_name=name, pruner=hyperband_pruner(100, seed))
        trials = [study.ask() for _ in range(30)]
        for trial in trials:
            trial.report(0.5, step=1)
            trial.should_prune()  # makes the pruner compute its brackets
        pruner: Any = study.pruner
        return [pruner._get_bracket_id(study, trial) for trial in study.trials]

    assert brackets(1, "a") == brackets(1, "b") != brackets(2, "a")
