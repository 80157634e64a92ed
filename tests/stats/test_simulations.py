"""Every procedure keeps its nominal rate in simulation; `scripts/bench statistics` runs more."""

from __future__ import annotations

import subprocess

import pytest

from fashion_exp.stats.proportions import clopper_pearson, wilson
from tests.conftest import REPOSITORY
from tests.stats.claims import CLAIMS, INVALID, SIMULATIONS, Simulation, main, measure
from tests.stats.helpers import limits
from tests.stats.simulations import exact_coverage, wald

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


def test_table_lists_every_claim(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(0) in (0, 1)  # two data sets per simulation decide nothing
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(CLAIMS) + 2 and f"of {len(CLAIMS)} claims" in lines[-1]


def test_bench_without_arguments_lists_statistics() -> None:
    result = subprocess.run([REPOSITORY / "scripts" / "bench"], capture_output=True, text=True)
    assert result.returncode == 2 and "statistics" in result.stderr
