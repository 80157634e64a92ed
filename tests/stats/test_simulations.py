"""Every procedure keeps its nominal rate in simulation; `scripts/bench statistics` runs more."""

from __future__ import annotations

import subprocess

import pytest

from fashion_exp.stats.proportions import clopper_pearson, wilson
from tests.bench.statistics import FAMILIES, WORLDS, family_figure, world_figure
from tests.conftest import REPOSITORY
from tests.stats.claims import CLAIMS, INVALID, SIMULATIONS, Simulation, measure
from tests.stats.helpers import limits
from tests.stats.simulations import exact_coverage, wald
from tests.stats.worlds import Learner, Seeds

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("simulation", SIMULATIONS, ids=lambda case: case.run.__name__)
def test_nominal_rates_hold_within_two_standard_errors(simulation: Simulation) -> None:
    results = measure(simulation, simulation.test_reps)
    assert not [result for result in results if result.is_violation]


def test_invalid_procedures_miss_their_nominal_rate() -> None:
    """If they did not, the simulations would be too easy to show anything."""
    names = {f"simulate_{name}" for name in ("groups", "seeds", "splits", "winners")}
    selected = [case for case in SIMULATIONS if case.run.__name__ in names]
    results = [
        result for case in selected for result in measure(case, min(60, case.test_reps), seed=2)
    ]
    invalid = [result for result in results if result.claim.known_issue == INVALID]
    assert len(selected) == 4 and len(invalid) == 7
    assert not [result for result in invalid if result.holds]


def test_exact_coverage_of_proportion_intervals() -> None:
    cases = [(n, p) for n in (60, 200) for p in (0.7, 0.85, 0.95)]
    exact = [exact_coverage(lambda k, n: limits(clopper_pearson(k, n)), *case) for case in cases]
    assert min(exact) >= 0.95
    score = [exact_coverage(lambda k, n: limits(wilson(k, n)), *case) for case in cases]
    assert min(score) > 0.93 and sum(score) / len(score) > 0.945
    assert min(exact_coverage(wald, *case) for case in cases) < 0.9


def test_every_claim_is_measured() -> None:
    results = [result for simulation in SIMULATIONS for result in measure(simulation, 2)]
    assert {result.procedure for result in results} == CLAIMS.keys()


@pytest.mark.parametrize("world", WORLDS[::5], ids=lambda world: world.name)
def test_runs_of_unkind_worlds_have_intervals_that_often_cover(world: Learner | Seeds) -> None:
    """A few runs each: enough to see an interval that covers half of the time."""
    result = world_figure(world, runs=8)
    assert len(result.parts) >= 2 and result.median >= 0.5 and result.at_least is not None


@pytest.mark.parametrize("name", FAMILIES)
def test_equal_runs_are_seldom_called_better(name: str) -> None:
    assert family_figure(name, FAMILIES[name], 20).median <= 0.25


def test_bench_without_arguments_lists_statistics() -> None:
    result = subprocess.run([REPOSITORY / "scripts" / "bench"], capture_output=True, text=True)
    assert result.returncode == 2 and "statistics" in result.stderr
