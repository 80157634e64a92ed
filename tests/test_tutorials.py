"""The commands of the documentation are accepted, and those of tutorials run on a few photos."""

from __future__ import annotations

import importlib
import re
import shlex
import shutil
from pathlib import Path

import pytest

from fashion_exp.commands.help import SUBCOMMANDS
from fashion_exp.commands.parser import parser_of
from fashion_exp.configuration.composition import parse_command_line
from tests.command_line import call_command
from tests.conftest import REPOSITORY

DOCS = REPOSITORY / "docs"
TUTORIALS = sorted((DOCS / "tutorials").glob("*.md"))
PAGES = [*TUTORIALS, DOCS / "quick-start.md", *sorted((DOCS / "howto").glob("*.md"))]
PHOTOS = {"train": 14, "validation": 6}
"""Photos of each class."""
CLASSES = ("dress", "pants", "shoes")
QUICK = ["repeats=1", "model.weights=weights.safetensors"]
"""Appended to trainings: the claims of a tutorial are not tested, its commands are."""
SMALL = {"tf_efficientnet_lite0": "test_efficientnet"}
"""A network of timm that takes milliseconds a photo, with random weights."""
NOT_RUN = ("scripts/setup", "scripts/run serve", "scripts/run ui", "git ", "head ", "curl ")
OF_A_SWEEP = re.compile(r"scripts/run (--multirun|\w+ (networks|better)\b)")
"""These commands take minutes, even on a few photos; tests/sweeps and tests/inference have them."""
GATES = {0, 4, 5}


def blocks(tutorial: Path) -> list[tuple[str, str]]:
    """Language and text of the blocks that a reader would run."""
    result = re.findall(r"^```(bash|python)\n(.*?)^```$", tutorial.read_text(), re.M | re.S)
    return [(language, text) for language, text in result]


def commands(text: str) -> list[str]:
    joined = text.replace("\\\n", " ")
    lines = [line.partition("  #")[0].strip() for line in joined.splitlines()]
    return [line for line in lines if line]


def run_line(line: str, folder: Path) -> None:
    if line.startswith(NOT_RUN) or "--serve" in line or OF_A_SWEEP.match(line):
        return
    assert line.startswith("scripts/run "), line
    if "--by networks" in line:  # the baseline stands for the winner of the sweep
        line = line.replace("networks", str(min((folder / "outputs/runs").iterdir())))
    for network, small in SMALL.items():
        line = line.replace(network, small)
    words = [name for word in shlex.split(line)[1:] for name in expanded(word, folder)]
    is_training = any(word.startswith("dataset=") for word in words)
    done = call_command(*words, *(QUICK if is_training else ()), cwd=folder)
    expected = GATES if {"--gate", "--margin"} & set(words) else {0}
    assert done.returncode in expected, f"{line}\n{done.stdout}\n{done.stderr}"


def expanded(word: str, folder: Path) -> list[str]:
    """The files of a pattern, as the shell of the reader finds them."""
    result = (
        sorted(str(file.relative_to(folder)) for file in folder.glob(word)) if "*" in word else []
    )
    return result or [word]


def check_words(words: list[str]) -> None:
    """Raises `InputError` or `SystemExit` for a command that is not accepted."""
    if words[0] == "data":
        run = importlib.import_module(f"fashion_exp.commands.data.{words[1]}").run
        words = words[1:]
    elif words[0] in SUBCOMMANDS:
        run = importlib.import_module(f"fashion_exp.commands.{words[0]}").run
    else:
        parse_command_line(words)
        return
    parser = parser_of(run)
    assert parser is not None
    try:
        parser.parse_intermixed_args(words[1:])
    except TypeError:  # it has subcommands
        parser.parse_args(words[1:])


@pytest.mark.parametrize("page", PAGES, ids=lambda file: file.stem)
def test_commands_of_a_page_are_accepted(page: Path) -> None:
    lines = [
        line for language, text in blocks(page) if language == "bash" for line in commands(text)
    ]
    runs = [line for line in lines if line.startswith("scripts/run ")]
    assert runs or page.stem in ("gpu",)
    for line in runs:
        check_words(shlex.split(line)[1:])


@pytest.fixture
def folder(
    tmp_path: Path,
    clothing: Path,
    backbone_files: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """A folder with a few of the clothing photos, in which the commands are run."""
    for part, count in PHOTOS.items():
        for name in CLASSES:
            target = tmp_path / "clothing" / part / name
            target.mkdir(parents=True)
            for photo in sorted((clothing / part / name).iterdir())[:count]:
                shutil.copy(photo, target)
    for photo in sorted((tmp_path / "clothing/train/shoes").iterdir())[:3]:  # wrong labels
        photo.rename(tmp_path / "clothing/train/dress" / photo.name)
    shutil.copy(backbone_files["test_efficientnet"], tmp_path / "weights.safetensors")
    monkeypatch.setattr("fashion_exp.paths.checkout_root", lambda: None)  # outputs are written here
    monkeypatch.setattr("fashion_exp.evaluation.results.draw_run", lambda *args: None)
    monkeypatch.setattr("fashion_exp.evaluation.results.draw_part", lambda *args: None)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of scikit-learn: a few photos do not converge
@pytest.mark.parametrize(
    "names",
    [["judge-tools"], ["best-model", "find-it-again"]],  # the third searches by a run of the second
    ids=" ".join,
)
def test_commands_and_python_of_tutorials_run(names: list[str], folder: Path) -> None:
    for name in names:
        tutorial = DOCS / "tutorials" / f"{name}.md"
        result = blocks(tutorial)
        assert len(result) > 5
        for language, text in result:
            if language == "python":
                exec(compile(text, str(tutorial), "exec"), {"__name__": "tutorial"})
            else:
                for line in commands(text):
                    run_line(line, folder)
