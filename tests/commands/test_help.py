"""`--help`, `--version`, `help` and `options`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fashion_exp.__main__ import information
from fashion_exp.commands import help as help_command
from fashion_exp.commands import options as options_command
from fashion_exp.commands.help import SUBCOMMANDS, help_text, suggest_word
from fashion_exp.configuration.choices import groups
from fashion_exp.errors import InputError
from fashion_exp.paths import PACKAGE, package_version

Capture = pytest.CaptureFixture[str]


def help_of(word: str, capsys: Capture) -> str:
    assert help_command.run([word]) == 0
    return capsys.readouterr().out


def test_help_lists_every_subcommand_group_and_choice() -> None:
    text = help_text()
    for group, choices in groups().items():
        assert f"  {group}: {', '.join(choice.name for choice in choices)}\n" in text
    files = {file.stem for file in (PACKAGE / "commands").glob("*.py")}
    assert set(SUBCOMMANDS) <= files | {"data"}
    assert all(f"\n  {name} " in text for name in SUBCOMMANDS)


def test_version_is_that_of_this_package() -> None:
    assert information(["--version"]) == f"fashion_exp {package_version()}\n"
    assert package_version()[0].isdigit()


def test_help_of_an_option_has_all_that_the_schema_and_the_yaml_say(capsys: Capture) -> None:
    text = help_of("optim.lr", capsys)
    assert "Learning rate of the head" in text and "above 0" in text and "1e-3" in text
    assert "optim=sgd: 0.01" in text and "sweep=lr: 1e-4,2e-4,1e-3,5e-3" in text
    assert "px" in help_of("dataset.image_size", capsys)
    assert "crop: scale the shorter side" in help_of("dataset.fit", capsys)
    assert "hydra/launcher=slurm: 4" in help_of("hydra.launcher.hours", capsys)


@pytest.mark.parametrize("group", ["model", "hydra/launcher"])
def test_help_of_a_group_has_its_choices_and_options(group: str, capsys: Capture) -> None:
    text = help_of(group, capsys)
    assert all(f"  {choice.name} " in text for choice in groups()[group])
    assert f"{group.replace('/', '.')}." in text and "(default)" in text
    assert information([group, "--help"]) == information([f"{group}=x", "-h"]) == text


def test_help_of_a_choice_has_its_values(capsys: Capture) -> None:
    text = help_of("optim=sgd", capsys)
    assert "Stochastic gradient descent" in text and "optim.momentum" in text


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("lr", "did you mean optim.lr?"),
        ("lookahead", "`options lookahead` searches"),
        ("sweeep", "sweep"),
    ],
)
def test_unknown_word_is_one_line(word: str, hint: str) -> None:
    with pytest.raises(InputError) as error:
        help_command.run([word])
    assert hint in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("repotr", "did you mean report?"),
        ("sreve", "did you mean serve?"),
        ("model", "write model=CHOICE"),
        ("resnet50", "did you mean model=resnet50?"),
        ("optim.lr", "write optim.lr=VALUE"),
        ("lr", "did you mean optim.lr=…?"),
    ],
)
def test_first_word_that_is_no_command_gets_a_hint(word: str, hint: str) -> None:
    assert hint in suggest_word(word)


def test_options_are_searched_by_name_first(capsys: Capture) -> None:
    assert options_command.run(["dropout"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "model.dropout  number; at least 0, below 1; default 0"
    assert options_command.run(["learning", "rate", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert "optim.lr" in [option["name"] for option in result]
    assert {"type", "unit", "range", "default", "choices", "doc", "set_by"} <= set(result[0])
    with pytest.raises(InputError, match="options lookahead: no option"):
        options_command.run(["lookahead"])


def test_options_know_choices_of_ones_own(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "optim").mkdir()
    (tmp_path / "optim" / "mine.yaml").write_text("name: SGD\nlr: 0.3\n")
    assert options_command.run(["optim.lr", "--json", "--config-dir", str(tmp_path)]) == 0
    option = json.loads(capsys.readouterr().out)[0]
    assert option["set_by"]["optim=mine"] == "0.3"
