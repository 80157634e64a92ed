"""Labels of several classes are read, joined and written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fashion_exp.configuration.schema import SplitConfig, Targets
from fashion_exp.data.label_decisions import Decision, resolve_decisions
from fashion_exp.data.label_shares import format_shares, mean_shares, parse_shares, with_names
from fashion_exp.data.labels import LabeledFiles
from fashion_exp.data.split import build_split, fold_columns
from fashion_exp.errors import InputError
from fashion_exp.stats.metrics import accepted_classes

NAMES = {"dress": "dress", "shirt": "shirt"}


@pytest.mark.parametrize(
    ("text", "shares"),
    [
        ("dress", {"dress": 1.0}),
        ("shirt | dress", {"dress": 0.5, "shirt": 0.5}),
        ("dress:0.7|shirt:0.3", {"dress": 0.7, "shirt": 0.3}),
        ("dress:2|shirt:1", {"dress": 2 / 3, "shirt": 1 / 3}),
        ("a: b", {"a: b": 1.0}),
    ],
)
def test_shares_of_a_label(text: str, shares: dict[str, float]) -> None:
    assert parse_shares(text, "line 1") == pytest.approx(shares)
    assert parse_shares(format_shares(shares), "") == pytest.approx(shares, abs=1e-3)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("dress|dress", "the class 'dress' twice"),
        ("dress|", "an empty class"),
        ("dress:1|shirt", "some classes a share and some none"),
        ("dress:0|shirt:1", "not above 0"),
        ("dress:nan|shirt:1", "not above 0"),
    ],
)
def test_invalid_label_is_refused_with_its_place(text: str, problem: str) -> None:
    with pytest.raises(InputError, match=f"line 7.*{problem}"):
        parse_shares(text, "line 7")


def test_votes_count_alike() -> None:
    votes = [parse_shares(text, "") for text in ("dress", "shirt", "dress", "dress|shirt")]
    assert mean_shares(votes) == pytest.approx({"dress": 0.625, "shirt": 0.375})


@pytest.mark.parametrize("votes", [(2, 1, 1, 1, 1, 1), (4, 2), (6, 3, 1), (10, 5, 3)])
def test_rounded_shares_have_the_same_majority(votes: tuple[int, ...]) -> None:
    names = "abcdefg"
    text = format_shares({name: n / sum(votes) for name, n in zip(names, votes, strict=False)})
    shares = list(parse_shares(text, "").values())
    assert accepted_classes([shares])[0].tolist() == [True, *[False] * (len(votes) - 1)]


def select(labels: list[str], targets: Targets, names: dict[str, str] = NAMES) -> pd.DataFrame:
    paths = [f"{number}.jpg" for number in range(len(labels))]
    files = pd.DataFrame({"path": paths, "file": paths, "label": labels})
    return LabeledFiles(files, {}, {"labels_version": "none"}, targets).select(names).files


def test_soft_labels_keep_at_least_half_of_their_shares() -> None:
    labels = ["dress|hat", "dress:0.3|hat:0.7", "hat", "shirt:0.6|dress:0.4"]
    files = select(labels, Targets.soft)
    assert files["path"].to_list() == ["0.jpg", "3.jpg"]
    assert files["label"].to_list() == ["dress", "shirt"]
    assert files["shares"].iloc[1] == (("dress", 0.4), ("shirt", 0.6))


def test_labels_of_all_classes_keep_the_chosen_ones() -> None:
    files = select(["dress|hat", "hat", "dress|shirt"], Targets.several)
    assert files["path"].to_list() == ["0.jpg", "2.jpg"]
    with pytest.raises(InputError, match=r"training.targets=several.*gives shares"):
        select(["dress:0.7|shirt:0.3"], Targets.several)


def test_with_single_targets_a_label_is_a_name() -> None:
    files = select(["dress|shirt", "dress"], Targets.single, {"dress|shirt": "x", "dress": "y"})
    assert files["label"].to_list() == ["x", "y"] and "shares" not in files


def test_with_single_targets_a_list_of_classes_is_left_out() -> None:
    labels = ["dress", "shirt", "dress|shirt", "dress:0.7|shirt:0.3"]
    paths = [f"{number}.jpg" for number in range(4)]
    files = pd.DataFrame({"path": paths, "file": paths, "label": labels})
    labeled = LabeledFiles(files, {}, {"labels_version": "none"})
    assert set(labeled.class_counts) == {"dress", "shirt"}
    selected = labeled.select(NAMES)
    assert selected.files["label"].to_list() == ["dress", "shirt"]
    assert selected.excluded == [(path, "several labels: dress, shirt (labels none)")
                                 for path in paths[2:]]  # fmt: skip
    assert selected.notes == ["Files with several labels, excluded: 2."]


def test_decision_fits_a_label_of_shares() -> None:
    current = {"1": ("dress:0.7|shirt:0.3",), "2": ("shirt|dress",)}
    decisions = [
        Decision("d.csv line 2", "1", "dress|shirt", "shirt"),
        Decision("d.csv line 3", "2", "dress|shirt", "keep"),
    ]
    classes = with_names(label for labels in current.values() for label in labels)
    resolved = resolve_decisions(decisions, current, classes, "labels.csv")
    assert resolved == {"1": ("shirt",), "2": ("shirt|dress",)}


def test_split_has_sets_of_classes_in_equal_shares(tmp_path: Path) -> None:
    n = 200
    shares = np.zeros((n, 2))
    shares[:100, 0], shares[100:, 1] = 1, 1
    shares[60:100] = 0.5
    ids = [f"{number:03}" for number in range(n)]
    rows = pd.DataFrame({"image_id": ids, "group_id": ids, "label": shares.argmax(1), "part": ""})
    rows[["y_a", "y_b"]] = shares
    cfg = SplitConfig("kfold", 0, 0.2, True, None, 4)
    split = build_split(rows, ["a", "b"], cfg, 1)
    assert [int((shares[part] == 0.5).all(1).sum()) for part in (
        split.test, *(fold.validation for fold in split.folds))] == [8, 8, 8, 8, 8]  # fmt: skip


@pytest.mark.parametrize("name", ["kfold", "holdout"])
def test_class_that_is_never_the_main_one_can_be_split(name: str) -> None:
    """A class such as "red" is always beside another, and its sets may be rare."""
    n = 120
    shares = np.zeros((n, 3))
    shares[np.arange(n), np.arange(n) % 2] = 1
    shares[: n // 2] = np.where(np.arange(3) == 2, 0.5, shares[: n // 2] / 2)
    shares[[0, 1]] = [[1 / 3] * 3, [0.5, 0.5, 0]]
    ids = [f"{number:03}" for number in range(n)]
    rows = pd.DataFrame({"image_id": ids, "group_id": ids, "label": shares.argmax(1), "part": ""})
    rows[["y_a", "y_b", "y_red"]] = shares
    split = build_split(rows, ["a", "b", "red"], SplitConfig(name, 0, 0.2, True, 0.8, 4), 1)
    assert all((shares[fold.validation, 2] > 0).sum() >= 5 for fold in split.folds)
    assert list(fold_columns(split.manifest(rows))) == [fold.name for fold in split.folds]


def test_class_without_photos_of_its_own_in_a_part_is_refused() -> None:
    shares = np.eye(3)[np.arange(40) % 2] / 2
    shares[0, 2], shares[1:, :2] = 0.5, shares[1:, :2] * 2
    ids = [f"{number:03}" for number in range(40)]
    rows = pd.DataFrame({"image_id": ids, "group_id": ids, "label": shares.argmax(1), "part": ""})
    rows[["y_a", "y_b", "y_red"]] = shares
    with pytest.raises(InputError, match="gets no image of red, which has 1 images"):
        build_split(rows, ["a", "b", "red"], SplitConfig("holdout", 0, 0.2, True, 0.8, None), 1)
