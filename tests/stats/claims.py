"""What every procedure promises, for which estimand, and what was measured of it.

`python -m tests.stats.claims [TIMES]` prints the table (`scripts/bench statistics`); TIMES is how
many times the repetitions of the table are made, by default 1, some five minutes.
"""

from __future__ import annotations

import math
import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from tests.stats import simulations as of

Kind = Literal["coverage", "type I", "power", "bias"]


class Simulation(NamedTuple):
    run: Callable[[of.Rng], of.Outcomes]
    in_suite: int
    in_table: int


SIMULATIONS = (
    Simulation(of.of_counts, 500, 20_000),
    Simulation(of.of_groups, 300, 10_000),
    Simulation(of.of_bootstrap, 15, 1000),
    Simulation(of.of_seeds, 300, 8000),
    Simulation(of.of_splits, 120, 5000),
    Simulation(of.of_pairs, 300, 10_000),
    Simulation(of.of_macro_f1, 300, 10_000),
    Simulation(of.of_paired_bootstrap, 150, 5000),
    Simulation(of.of_recipes, 200, 5000),
    Simulation(of.of_seeded_pairs, 200, 5000),
    Simulation(of.of_families, 100, 4000),
    Simulation(of.of_winners, 40, 1000),
    Simulation(of.of_plans, 300, 10_000),
)


@dataclass(frozen=True)
class Claim:
    """Coverage or power of at least `nominal`, an error rate or bias of at most.

    `known` says what is known to break it; the figure is then listed, and not held.
    """

    kind: Kind
    nominal: float
    estimand: str
    known: str = ""


MODEL, MODELS = "this model", "the mean of the models tested"
RECIPE, RECIPE_HERE = "the recipe at this size", "the recipe on these images"
PAIR, RECIPES = "the two models", "the two recipes"
NOT_OFFERED = "not to be done: shown to say why"


def coverage(estimand: str, known: str = "") -> Claim:
    return Claim("coverage", 0.95, estimand, known)


def type_1(estimand: str, known: str = "") -> Claim:
    return Claim("type I", 0.05, estimand, known)


CLAIMS = {
    "wilson": coverage(MODEL),
    "clopper_pearson": coverage(MODEL),
    "(wald)": coverage(MODEL, NOT_OFFERED),
    "t_interval": coverage("the mean of independent scores"),
    "target_verdict clopper_pearson": type_1(MODEL),
    "target_verdict wilson": type_1(MODEL),
    "wilson_grouped G=120": coverage(MODEL, "the design effect is an estimate"),
    "(wilson on images in groups) G=120": coverage(MODEL, NOT_OFFERED),
    "wilson_grouped G=30": coverage(MODEL, "the design effect is an estimate of few groups"),
    "(wilson on images in groups) G=30": coverage(MODEL, NOT_OFFERED),
    "bootstrap BCa accuracy": coverage(MODEL),
    "bootstrap BCa loss": coverage(MODEL),
    "cluster_bootstrap G=120": coverage(MODEL, "percentiles of groups are too narrow"),
    "crossed_t_interval S=3": coverage(RECIPE_HERE),
    "crossed_t_interval S=5": coverage(RECIPE_HERE),
    "crossed_t_interval S=10": coverage(RECIPE_HERE),
    "t_naive over 10 seeds": coverage(RECIPE_HERE, NOT_OFFERED),
    "corrected_t_interval 10 splits": coverage(RECIPE),
    "corrected_t_interval 30 splits": coverage(RECIPE),
    "corrected_t_interval 5 folds": coverage(RECIPE),
    "corrected_t_interval 4x5 folds": coverage(RECIPE),
    "t_naive 30 splits": coverage(RECIPE, NOT_OFFERED),
    "t_naive 4x5 folds": coverage(RECIPE, NOT_OFFERED),
    "wilson at the mean, 10 splits": coverage(MODELS),
    "wilson at the mean, 5 folds": coverage(
        MODELS, "down to .92 for unstable learners (shared facts)"
    ),
    "tango": coverage(PAIR),
    "newcombe10": coverage(PAIR),
    "mcnemar midp": type_1(PAIR),
    "mcnemar exact": type_1(PAIR),
    "mcnemar chi2": type_1(PAIR),
    "mcnemar chi2_cc": type_1(PAIR),
    "macro-F1, one model": coverage(MODEL, "linear in large samples only"),
    "macro-F1, two models": type_1(PAIR),
    "macro-F1 interval, two models": coverage(PAIR),
    "paired_bootstrap": type_1(PAIR),
    "paired_bootstrap interval": coverage(PAIR),
    "paired_bootstrap G=30": type_1(PAIR, "percentiles of few groups: use paired_grouped"),
    "paired_grouped G=120": type_1(PAIR),
    "paired_grouped interval G=120": coverage(PAIR),
    "paired_grouped G=30": type_1(PAIR),
    "paired_grouped interval G=30": coverage(PAIR),
    "(mcnemar on images in groups)": type_1(PAIR, NOT_OFFERED),
    "paired_corrected_t 10 splits": type_1(RECIPES),
    "paired_corrected_t interval 10 splits": coverage(RECIPES),
    "paired_corrected_t 10x10 folds": type_1(RECIPES),
    "paired_corrected_t interval 10x10 folds": coverage(RECIPES),
    "five_by_two F": type_1(RECIPES),
    "five_by_two t": type_1(RECIPES),
    "five_by_two interval": coverage(RECIPES),
    "mcnemar midp, pooled folds": type_1(RECIPES),
    "paired_crossed S=3": type_1(RECIPES),
    "paired_crossed S=5": type_1(RECIPES),
    "paired_crossed interval S=3": coverage(RECIPES),
    "paired_crossed interval S=5": coverage(RECIPES),
    "unpaired_crossed 5+3 seeds": type_1(RECIPES),
    "(mcnemar on two seeds of one recipe)": type_1(RECIPES, NOT_OFFERED),
    "cochrans_q": type_1("any of 5 models"),
    "mcnemar midp + holm, 10 pairs": type_1("any of 10 pairs"),
    "bbc_cv estimate": Claim("bias", 0.003, "the config chosen of 50"),
    "bbc_cv interval": coverage("the config chosen of 50"),
    "(the winner's own score)": Claim("bias", 0.003, "the config chosen of 50", NOT_OFFERED),
    "(wilson on the winner's own score)": coverage("the config chosen of 50", NOT_OFFERED),
    "images_to_separate": Claim("power", 0.8, PAIR),
    "seeds_to_separate": Claim("power", 0.8, RECIPES),
}


@dataclass(frozen=True)
class Measured:
    """What was `found` of a claim, with one Monte-Carlo standard error, in `reps` data sets."""

    procedure: str
    found: float
    error: float
    reps: int

    @property
    def claim(self) -> Claim:
        return CLAIMS[self.procedure]

    @property
    def holds(self) -> bool:
        """Up to two Monte-Carlo standard errors."""
        if self.claim.kind == "bias":
            return abs(self.found) <= self.claim.nominal + 2 * self.error
        above = self.found - self.claim.nominal
        return (-above if self.claim.kind != "type I" else above) <= 2 * self.error

    @property
    def remark(self) -> str:
        """What is to be said of the figure: nothing where the promise is kept closely."""
        if self.claim.known:
            return f"known: {self.claim.known}"
        if not self.holds:
            return "BROKEN"
        half = (1 - self.claim.nominal) / 2 if self.claim.kind == "coverage" else 0.025
        close = {"coverage": self.found < 1 - half, "type I": self.found > half}
        return "" if close.get(self.claim.kind, True) else "conservative"


def measure(simulation: Simulation, reps: int, seed: int = 1) -> list[Measured]:
    """The figures of all procedures that the simulation tries, in `reps` data sets."""
    rng = np.random.default_rng(seed)
    outcomes: dict[str, list[float]] = defaultdict(list)
    for _ in range(reps):
        for procedure, outcome in simulation.run(rng):
            outcomes[procedure].append(outcome)
    return [_measured(procedure, found) for procedure, found in outcomes.items()]


def _measured(procedure: str, outcomes: list[float]) -> Measured:
    claim, reps = CLAIMS[procedure], len(outcomes)
    spread = math.sqrt(claim.nominal * (1 - claim.nominal))
    if claim.kind == "bias":
        spread = float(np.std(outcomes))
    return Measured(procedure, float(np.mean(outcomes)), spread / math.sqrt(reps), reps)


def main(times: float) -> int:
    """Prints the table; 1 if a promise is broken that is not known to be."""
    row = "{:40} {:31} {:9} {:>7} {:>7} {:>6} {:>6}  {}"
    print(
        row.format("procedure", "estimand", "rate", "nominal", "found", "+- se", "reps", "remark")
    )
    broken = 0
    for simulation in SIMULATIONS:
        for one in measure(simulation, max(2, round(times * simulation.in_table))):
            broken += not (one.holds or one.claim.known)
            cells = f"{one.claim.nominal:.3f}", f"{one.found:.4f}", f"{one.error:.4f}"
            named = one.procedure, one.claim.estimand, one.claim.kind
            print(row.format(*named, *cells, one.reps, one.remark), flush=True)
    print(f"{broken} of {len(CLAIMS)} promises broken beyond two Monte-Carlo standard errors")
    return int(broken > 0)


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0))
