"""Every procedure keeps its promise in made-up worlds; small here, larger in scripts/bench."""

from __future__ import annotations

import subprocess

import pytest

from fashion_exp.stats.proportions import clopper_pearson, wilson
from tests.conftest import REPOSITORY
from tests.stats.claims import CLAIMS, NOT_OFFERED, SIMULATIONS, Simulation, main, measure
from tests.stats.given import limits
from tests.stats.simulations import exact_coverage, wald


@pytest.mark.parametrize("simulation", SIMULATIONS, ids=lambda one: one.run.__name__)
def test_the_promises_hold_up_to_two_standard_errors(simulation: Simulation) -> None:
    found = measure(simulation, simulation.in_suite)
    broken = [one for one in found if not (one.holds or one.claim.known)]
    assert not broken


def test_what_is_not_to_be_done_fails_as_it_should() -> None:
    """Were these to hold, the simulations would be too kind to show anything."""
    telling = ("of_groups", "of_seeds", "of_splits", "of_winners")
    chosen = [one for one in SIMULATIONS if one.run.__name__ in telling]
    figures = [figure for one in chosen for figure in measure(one, 60, seed=2)]
    bad = [one for one in figures if one.claim.known == NOT_OFFERED]
    assert len(chosen) == 4 and len(bad) == 7 and not any(one.holds for one in bad)


def test_exact_coverage_of_intervals_for_counts() -> None:
    cases = [(n, p) for n in (60, 200) for p in (0.7, 0.85, 0.95)]
    exact = [exact_coverage(lambda k, n: limits(clopper_pearson(k, n)), *case) for case in cases]
    assert min(exact) >= 0.95
    scored = [exact_coverage(lambda k, n: limits(wilson(k, n)), *case) for case in cases]
    assert min(scored) > 0.93 and sum(scored) / len(scored) > 0.945
    assert min(exact_coverage(wald, *case) for case in cases) < 0.9


def test_the_table_has_every_promise(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(0) in (0, 1)  # two data sets prove nothing either way
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(CLAIMS) + 2 and f"of {len(CLAIMS)} promises" in lines[-1]


def test_the_bench_says_what_it_measures() -> None:
    done = subprocess.run([REPOSITORY / "scripts" / "bench"], capture_output=True, text=True)
    assert done.returncode == 2 and "statistics" in done.stderr
