"""The nominal rate of every procedure and its estimand, checked by simulation.

`scripts/bench statistics` prints the table.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from tests.stats import simulate_new_data as new
from tests.stats import simulations as sim

Kind = Literal["coverage", "type I", "power", "bias"]


class Simulation(NamedTuple):
    run: Callable[[sim.Rng], sim.Outcomes]
    test_reps: int
    table_reps: int


SIMULATIONS = (
    Simulation(sim.simulate_counts, 500, 20_000),
    Simulation(sim.simulate_groups, 300, 10_000),
    Simulation(sim.simulate_bootstrap, 15, 1000),
    Simulation(sim.simulate_seeds, 300, 8000),
    Simulation(sim.simulate_splits, 120, 5000),
    Simulation(sim.simulate_pairs, 300, 10_000),
    Simulation(sim.simulate_macro_f1, 300, 10_000),
    Simulation(sim.simulate_paired_bootstrap, 250, 5000),
    Simulation(sim.simulate_unequal_groups, 300, 10_000),
    Simulation(sim.simulate_recipes, 100, 5000),
    Simulation(sim.simulate_seeded_pairs, 200, 5000),
    Simulation(sim.simulate_main_effects, 150, 4000),
    Simulation(sim.simulate_families, 100, 4000),
    Simulation(sim.simulate_series, 40, 1000),
    Simulation(sim.simulate_studies, 100, 2000),
    Simulation(sim.simulate_seeded_studies, 60, 2000),
    Simulation(sim.simulate_looks, 200, 5000),
    Simulation(sim.simulate_races, 60, 4000),
    Simulation(sim.simulate_winners, 25, 1000),
    Simulation(sim.simulate_plans, 300, 10_000),
    Simulation(sim.simulate_plans_from_pilots, 150, 5000),
    Simulation(new.simulate_few_labels, 200, 10_000),
    Simulation(new.simulate_grouped_labels, 200, 10_000),
    Simulation(new.simulate_slices, 50, 5000),
    Simulation(new.simulate_class_gate, 60, 1000),
)


@dataclass(frozen=True)
class Claim:
    """Coverage or power of at least `nominal`, or an error rate or bias of at most `nominal`.

    A claim with a `known_issue` is listed but may fail.
    """

    kind: Kind
    nominal: float
    estimand: str
    known_issue: str = ""


MODEL, MODELS = "this model", "the mean of the models tested"
RECIPE, RECIPE_ON_DATA = "the recipe at this size", "the recipe on these images"
PAIR, RECIPES = "the two models", "the two recipes"
CONFIG = "the config selected from 50"
NEW_DATA = "this model on images like those of the batch"
INVALID = "invalid for this design, for comparison"


def coverage(estimand: str, known_issue: str = "") -> Claim:
    return Claim("coverage", 0.95, estimand, known_issue)


def type_1(estimand: str, known_issue: str = "") -> Claim:
    return Claim("type I", 0.05, estimand, known_issue)


CLAIMS = {
    "wilson": coverage(MODEL),
    "clopper_pearson": coverage(MODEL),
    "(wald)": coverage(MODEL, INVALID),
    "t_interval": coverage("the mean of independent scores"),
    "assess_target clopper_pearson": type_1(MODEL),
    "assess_target wilson": type_1(MODEL),
    "assess_clustered_target G=120": type_1(MODEL),
    "assess_clustered_target G=30": type_1(MODEL),
    "wilson_grouped G=120": coverage(MODEL),
    "(wilson on images in groups) G=120": coverage(MODEL, INVALID),
    "wilson_grouped G=30": coverage(MODEL),
    "(wilson on images in groups) G=30": coverage(MODEL, INVALID),
    "bootstrap BCa accuracy": coverage(MODEL),
    "bootstrap BCa loss": coverage(MODEL),
    "bootstrap G=120": coverage(MODEL, "percentile intervals over groups are too narrow"),
    "crossed_t_interval S=3": coverage(RECIPE_ON_DATA),
    "crossed_t_interval S=5": coverage(RECIPE_ON_DATA),
    "crossed_t_interval S=10": coverage(RECIPE_ON_DATA),
    "t_naive over 10 seeds": coverage(RECIPE_ON_DATA, INVALID),
    "corrected_t_interval 10 splits": coverage(RECIPE),
    "corrected_t_interval 30 splits": coverage(RECIPE),
    "corrected_t_interval 5 folds": coverage(RECIPE),
    "corrected_t_interval 4x5 folds": coverage(RECIPE),
    "t_naive 30 splits": coverage(RECIPE, INVALID),
    "t_naive 4x5 folds": coverage(RECIPE, INVALID),
    "wilson at the mean, 10 splits": coverage(MODELS),
    "wilson at the mean, 5 folds": coverage(MODELS, "down to .92 for unstable learners"),
    "tango": coverage(PAIR),
    "mcnemar midp": type_1(PAIR),
    "mcnemar exact": type_1(PAIR),
    "mcnemar chi2": type_1(PAIR),
    "mcnemar chi2_cc": type_1(PAIR),
    "macro-F1, one model": coverage(MODEL, "valid in large samples only"),
    "macro-F1, two models": type_1(PAIR),
    "macro-F1 interval, two models": coverage(PAIR),
    "paired_bootstrap": type_1(PAIR),
    "paired_bootstrap interval": coverage(PAIR),
    "paired_bootstrap G=30": type_1(PAIR, "percentiles over few groups: use paired_grouped"),
    "paired_grouped G=120": type_1(PAIR),
    "paired_grouped interval G=120": coverage(PAIR),
    "paired_grouped G=30": type_1(PAIR),
    "paired_grouped interval G=30": coverage(PAIR),
    "paired_grouped, giants of 10 groups": type_1(PAIR),
    "paired_grouped, giants of 20 groups": type_1(PAIR),
    "(mcnemar on images in groups)": type_1(PAIR, INVALID),
    "paired_corrected_t 10 splits": type_1(RECIPES),
    "paired_corrected_t interval 10 splits": coverage(RECIPES),
    "paired_corrected_t 10x10 folds": type_1(RECIPES),
    "paired_corrected_t interval 10x10 folds": coverage(RECIPES),
    "means over 10 splits": coverage(MODELS, "down to .92 as other splits train on the images"),
    "five_by_two F": type_1(RECIPES),
    "five_by_two t": type_1(RECIPES),
    "five_by_two interval": coverage(RECIPES),
    "tango, pooled folds": coverage(MODELS),
    "(mcnemar midp, pooled folds)": type_1(RECIPES, "conditional on the models of the folds"),
    "paired_crossed S=3": type_1(RECIPES),
    "paired_crossed S=5": type_1(RECIPES),
    "paired_crossed interval S=3": coverage(RECIPES),
    "paired_crossed interval S=5": coverage(RECIPES),
    "unpaired_crossed 5+3 seeds": type_1(RECIPES),
    "(mcnemar on two seeds of one recipe)": type_1(RECIPES, INVALID),
    "main effect over 4 matched pairs": coverage(RECIPES),
    "(main effect of these trainings)": coverage(RECIPES, INVALID),
    "cochrans_q": type_1("any of 5 models"),
    "mcnemar midp + holm, 10 pairs": type_1("any of 10 pairs"),
    "next_level, 50 decisions: better": type_1("any of 50 candidates is kept wrongly"),
    "next_level, 50 decisions: not worse": type_1("any of 50 candidates is kept wrongly"),
    **{
        f"look_levels, {design}: {verdict}": type_1("the two recipes, over all looks of a race")
        for design in (
            "trainings",
            "trainings and images",
            "redrawn splits, 0.2",
            "redrawn splits, 0.05",
        )
        for verdict in ("different", "equivalent")
    },
    "(alpha at each look of a race, trainings)": type_1("the two recipes", INVALID),
    "(alpha at each look of a race, trainings and images)": type_1("the two recipes", INVALID),
    "(alpha at each of 50 decisions: better)": type_1("any of 50 candidates", INVALID),
    "(alpha at each of 50 decisions: not worse)": type_1("any of 50 candidates", INVALID),
    **{
        f"{procedure}, {study}": type_1(estimand, known_issue)
        for study in ("12 learners", "4 unequally stable", "8 unequally stable")
        for procedure, estimand, known_issue in (
            ("moderated t + holm, all pairs", "any pair of recipes", ""),
            ("moderated t + holm_selected, best", "the best and any other recipe", ""),
            ("(moderated t + holm, selected best)", "the best and any other recipe", INVALID),
            ("may_be_best", "the best recipe is ruled out", ""),
        )
    },
    "moderated t + holm, 8 runs of 5 seeds": type_1("any pair of recipes"),
    "(plain t + holm, 8 runs of 5 seeds)": type_1("any pair of recipes", INVALID),
    "alpha / k^2 at look k, 10 looks": Claim("type I", 0.05 * math.pi**2 / 6, PAIR),
    "(alpha at each of 10 looks)": type_1(PAIR, INVALID),
    "prediction_powered 20 labels": coverage(NEW_DATA),
    "prediction_powered 50 labels": coverage(NEW_DATA),
    "prediction_powered 100 labels": coverage(NEW_DATA),
    "prediction_powered 200 labels": coverage(NEW_DATA),
    **{
        f"prediction_powered {labels} labels in groups{few}": coverage(NEW_DATA)
        for labels in (50, 200)
        for few in ("", " (few groups)")
    },
    "slices, any verdict, J=1": type_1("any slice of the tested model"),
    "slices, any verdict, J=5": type_1("any slice of the tested models"),
    "gate on classes, all at the margin: discarded": type_1(PAIR),
    "gate on classes, all at the margin: kept": type_1(PAIR),
    "gate on classes, one at the margin: kept": type_1(PAIR),
    "bbc_cv estimate": Claim("bias", 0.003, CONFIG),
    "bbc_cv interval": coverage(CONFIG),
    "assess_selected_target": type_1(CONFIG),
    "(apparent score of the winner)": Claim("bias", 0.003, CONFIG, INVALID),
    "(wilson on the apparent score)": coverage(CONFIG, INVALID),
    "images_to_separate": Claim("power", 0.8, PAIR),
    "seeds_to_separate": Claim("power", 0.8, RECIPES),
    "seeds_to_separate, pilot of 5": Claim("power", 0.8, RECIPES),
    "seeds_to_separate, pilot of 10": Claim("power", 0.8, RECIPES),
    "images_to_separate, pilot of 300": Claim("power", 0.8, PAIR),
    "images_factor, pilot of 5 splits": Claim("power", 0.8, RECIPES),
    "images_factor, pilot of 10 splits": Claim("power", 0.8, RECIPES),
}


@dataclass(frozen=True)
class Measurement:
    """The measured rate of a procedure in `reps` data sets, with its Monte-Carlo standard error."""

    procedure: str
    rate: float
    se: float
    reps: int

    @property
    def claim(self) -> Claim:
        return CLAIMS[self.procedure]

    @property
    def holds(self) -> bool:
        """Whether the claim holds within two Monte-Carlo standard errors."""
        if self.claim.kind == "bias":
            return abs(self.rate) <= self.claim.nominal + 2 * self.se
        excess = self.rate - self.claim.nominal
        return (excess if self.claim.kind == "type I" else -excess) <= 2 * self.se

    @property
    def is_violation(self) -> bool:
        return not (self.holds or self.claim.known_issue)


def measure(simulation: Simulation, reps: int, seed: int = 1) -> list[Measurement]:
    """Runs a simulation `reps` times and measures all of its procedures."""
    rng = np.random.default_rng(seed)
    outcomes: dict[str, list[float]] = defaultdict(list)
    for _ in range(reps):
        for procedure, outcome in simulation.run(rng):
            outcomes[procedure].append(outcome)
    return [_measurement(procedure, values) for procedure, values in outcomes.items()]


def _measurement(procedure: str, outcomes: list[float]) -> Measurement:
    claim, reps = CLAIMS[procedure], len(outcomes)
    sd = math.sqrt(claim.nominal * (1 - claim.nominal))
    if claim.kind == "bias":
        sd = float(np.std(outcomes))
    return Measurement(procedure, float(np.mean(outcomes)), sd / math.sqrt(reps), reps)
