"""Choices of the user's own need to say only what is their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from fashion_exp.configuration.composition import parse_command_line
from fashion_exp.configuration.schema import Config
from fashion_exp.errors import InputError


def compose_own(folder: Path, choices: dict[str, str], *overrides: str) -> Config:
    """The config with the choice `mine` of each of these groups, by their YAML."""
    for group, content in choices.items():
        (folder / group).mkdir(parents=True)
        (folder / group / "mine.yaml").write_text(content)
    chosen = [f"{group}=mine" for group in choices]
    (cfg,) = parse_command_line([f"--config-dir={folder}", *chosen, *overrides]).jobs
    return cfg


def test_choice_takes_what_it_leaves_out_from_the_shipped_one_of_its_name(tmp_path: Path) -> None:
    own = {"optim": "name: SGD\n", "schedule": "name: cosine\n", "dataset": "name: folder\n"}
    cfg = compose_own(tmp_path, own, "dataset.root=x")
    shipped = parse_command_line(
        ["optim=sgd", "schedule=cosine", "dataset=folder", "dataset.root=x"]
    ).jobs[0]
    assert cfg == shipped


def test_choice_of_a_new_name_takes_the_defaults_of_its_group(tmp_path: Path) -> None:
    cfg = compose_own(tmp_path, {"model": "name: convnext_tiny\ndropout: 0.1\n"})
    shipped = parse_command_line(["model=timm", "model.name=convnext_tiny", "model.dropout=0.1"])
    assert cfg == shipped.jobs[0]


def test_what_the_choice_and_the_command_line_set_stays(tmp_path: Path) -> None:
    own = {"optim": "name: SGD\nlr: 0.3\n", "split": "name: holdout\ntrain_ratio: 0.6\n"}
    cfg = compose_own(tmp_path, own, "optim.momentum=0.5", "repeats=2")
    assert (cfg.optim.lr, cfg.optim.momentum, cfg.optim.weight_decay) == (0.3, 0.5, 0)
    assert (cfg.split.train_ratio, cfg.split.test_share, cfg.repeats) == (0.6, 0.2, 2)


def test_all_missing_options_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        compose_own(tmp_path, {"model": "dropout: 0.1\n", "dataset": "channels: 1\n"})
    message = str(error.value)
    assert message.startswith("dataset.name, model.name are missing: add dataset.name=VALUE")
    assert "YAML file of the choice" in message and "\n" not in message


def test_unknown_option_of_a_choice_is_named_with_what_was_meant(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"optim\.learning_rate: no such option; did you mean"):
        compose_own(tmp_path, {"optim": "name: SGD\nlearning_rate: 0.1\n"})


def test_texts_of_a_choice_stay_what_was_written(tmp_path: Path) -> None:
    own = {
        "dataset": "name: folder\nroot: 2024_11\nclasses: [1_0, 1e3, 0x1F, true, 1.10]\n",
        "tracking": "name: mlflow\nexperiment: 007\n",
    }
    cfg = compose_own(tmp_path, own)
    assert cfg.dataset.root == "2024_11" and cfg.tracking.experiment == "007"
    assert cfg.dataset.classes == ["1_0", "1e3", "0x1F", "true", "1.10"]


def test_text_that_is_typed_replaces_the_one_of_a_choice(tmp_path: Path) -> None:
    cfg = compose_own(tmp_path, {"tracking": "name: mlflow\nexperiment: 1_0\n"},
                      "tracking.experiment=2_0")  # fmt: skip
    assert cfg.tracking.experiment == "2_0"
