"""Private APIs of Optuna. The highest version checked is `OPTUNA_CHECKED`.

`tests/experiment/test_compat.py` fails for a newer minor version: check the functions below, then
raise the bound here and in pyproject.toml.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

OPTUNA_CHECKED = (5, 0)


def attach_trial(study: Any, number: int) -> Any:
    """A `Trial` that reports values of an existing trial of a study.

    Optuna makes one from the trial's id in the storage, which has no public name.
    """
    import optuna

    return optuna.Trial(study, study.get_trials(deepcopy=False)[number]._trial_id)


def hyperband_pruner(epochs: int, seed: int) -> Any:
    """Hyperband that assigns brackets by a seed.

    Optuna uses the study's name, which differs between two runs of the same search.
    """
    import optuna

    class SeededHyperband(optuna.pruners.HyperbandPruner):
        def _get_bracket_id(self, study: Any, trial: Any) -> int:
            return int(super()._get_bracket_id(SimpleNamespace(study_name=str(seed)), trial))

    return SeededHyperband(min_resource=1, max_resource=epochs)
