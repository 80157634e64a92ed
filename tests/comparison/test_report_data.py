"""The report of a study: its sentences, its tables, and a page of many runs."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fashion_exp.comparison.comparison import Comparison, Question
from fashion_exp.comparison.conclusions import sentences
from fashion_exp.comparison.report_data import pairs_table, report, runs_table
from fashion_exp.comparison.run_data import RunData
from fashion_exp.reporting.page import write_report
from tests.comparison.made_runs import answers, made_run


def runs(tmp_path: Path, *accuracies: float, opened: bool = True, **how: Any) -> list[RunData]:
    return [
        made_run(
            tmp_path / f"{i}", f"run {i}", answers(i, 5, 300, p), answers(i + 50, 5, 300, p),
            opened=opened, redrawn=False, knobs={"optim.lr": 10.0**-i}, **how,
        )
        for i, p in enumerate(accuracies)
    ]  # fmt: skip


def test_a_clear_winner_is_named_and_its_test_told(tmp_path: Path) -> None:
    first, chosen, tested = sentences(Comparison(runs(tmp_path, 0.95, 0.7, 0.6), Question()))
    assert first.startswith("run 0 is the best of 3 runs: better than each of the others on the t")
    assert "among 3" in chosen and "corrected for having been chosen (BBC-CV)" in chosen
    assert "did not choose it" in tested and "n = 300 images, mean of 5 trainings" in tested


def test_the_correction_for_having_been_chosen_says_whom_it_leaves_out(tmp_path: Path) -> None:
    _, chosen, _ = sentences(Comparison(runs(tmp_path, 0.9, 0.7), Question(), others=13))
    assert "among 2" in chosen and chosen.endswith("13 more were tried, which that leaves out.")


def test_names_lose_the_words_that_all_share_if_knobs_remain(tmp_path: Path) -> None:
    def named(*names: str) -> list[str]:
        members = [replace_name(run, name) for run, name in zip(pair, names, strict=True)]
        return Comparison(members, Question()).names

    def replace_name(member: RunData, name: str) -> RunData:
        return replace(member, result=replace(member.result, name=name))

    pair = runs(tmp_path, 0.9, 0.8)
    assert named("vgg16 lr=1 dropout=0", "vgg16 lr=2 dropout=0") == ["lr=1", "lr=2"]
    assert named("vgg16 lr=1", "vgg16") == ["vgg16 lr=1", "vgg16"]
    assert named("vgg16 lr=1 dropout=0", "vgg16 dropout=0") == ["vgg16 lr=1", "vgg16"]
    assert named("vgg16 dropout=0", "resnet50 dropout=0") == ["vgg16", "resnet50"]
    assert named("vgg16 lr=1", "vgg16 lr=1") == ["vgg16 (1)", "vgg16 (2)"]


def test_a_tie_names_no_winner(tmp_path: Path) -> None:
    first = sentences(Comparison(runs(tmp_path, 0.9, 0.9, 0.6), Question()))[0]
    assert first.startswith("No single best run can be named") and "not to be told from 1" in first


def test_sealed_tests_stay_sealed(tmp_path: Path) -> None:
    study = Comparison(runs(tmp_path, 0.9, 0.6, opened=False), Question())
    assert study.part == "validation" and "sealed" in sentences(study)[-1]
    assert all(row[-4] == "–" for row in runs_table(study).rows)


def test_a_single_run_and_a_run_against_itself(tmp_path: Path) -> None:
    (run,) = runs(tmp_path, 0.9)
    alone = sentences(Comparison([run], Question(target=0.5)))
    assert "run 0 is right on 90.0 %" in alone[0] and "is met" in alone[1]
    twice = sentences(Comparison([run, run], Question()))
    assert "are right on the same test images" in twice[0] and "p = 1.000" in twice[0]


def test_as_many_right_answers_are_not_the_same_answers(tmp_path: Path) -> None:
    """Both have 80 of 100 right in each of two cuts, and differ on 40 images."""
    right = np.arange(100) < 80
    pair = [
        made_run(tmp_path / f"{i}", f"{i}", np.tile(own.astype(float), (2, 1)),
                 answers(i, 2, 50, 0.5), opened=False)
        for i, own in enumerate((right, right[::-1]))
    ]  # fmt: skip
    study = Comparison(pair, Question())
    assert "cannot be told apart: +0.0 points" in sentences(study)[0]
    assert "(95 % interval –, p = 1.000, J = 2 pairs of trainings)" in sentences(study)[0]
    assert "n = 0" not in sentences(study)[0]


def test_one_seed_is_no_claim_about_recipes(tmp_path: Path) -> None:
    pair = [
        made_run(tmp_path / f"{i}", f"{i}", answers(i, 1, 300, p), answers(i, 1, 300, p))
        for i, p in enumerate((0.9, 0.6))
    ]
    assert "other seeds may turn it" in sentences(Comparison(pair, Question()))[0]


def test_against_a_baseline_the_family_is_smaller(tmp_path: Path) -> None:
    members = runs(tmp_path, 0.9, 0.8, 0.7, 0.6)
    assert len(Comparison(members, Question()).pairs) == 6
    against = Comparison(members, Question(baseline=3))
    assert [pair.b for pair in against.pairs] == [3, 3, 3]
    assert "Holm over 3 comparisons (all against the baseline)" in pairs_table(against).notes[0]


def test_runs_that_failed_stay_in_the_family(tmp_path: Path) -> None:
    members = runs(tmp_path, 0.9, 0.87)
    alone, beside = (Comparison(members, Question(), failed) for failed in (0, 2))
    p, larger = (study.pairs[0].p_holm for study in (alone, beside))
    assert beside.family == 6 and p is not None and larger == pytest.approx(min(1, 6 * p))
    assert (
        "Holm over 6 comparisons (all pairs, 5 of them with runs that"
        in pairs_table(beside).notes[0]
    )


def test_runs_of_other_classes_stand_beside_and_are_not_compared(tmp_path: Path) -> None:
    scores = answers(9, 5, 300, 0.8)
    stranger = made_run(tmp_path / "x", "x", scores, scores, classes=("Dress", "Hat"))
    study = Comparison([*runs(tmp_path, 0.9, 0.6), stranger], Question())
    made = report(study, "scripts/run report", tmp_path)
    assert study.optimism is None and "not comparable with 1" in made.answer[0]


def test_a_grid_of_many_runs_is_ranked_compared_and_shown(tmp_path: Path) -> None:
    """Two hundred on the page itself: tests/reporting/test_page.py."""
    grid = product(10.0 ** -np.arange(6), np.arange(5) / 20, (0.5, 0.8))
    members = [
        made_run(
            tmp_path / f"{i}", f"run {i}", answers(i, 2, 60, 0.8), answers(i, 2, 60, 0.8),
            opened=False, redrawn=False,
            knobs={"optim.lr": lr, "model.dropout": p, "split.train_ratio": ratio},
        )
        for i, (lr, p, ratio) in enumerate(grid)
    ]  # fmt: skip
    made = report(Comparison(members, Question()), "scripts/run report", tmp_path)
    assert len(made.runs.rows) == 60 and len(made.effects) == 3 and made.missing_cells == []
    assert made.pairs is not None and len(made.pairs.rows) == 60 * 59 / 2
    assert made.verdicts is not None and len(made.verdicts.cells) == 60 * 59
    assert len(made.reproduce) == 61
    assert write_report(made, tmp_path / "report").stat().st_size < 3e6
