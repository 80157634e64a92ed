"""Completion, asked as a shell does."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from fashion_exp.commands.completion import answer, complete
from fashion_exp.errors import InputError
from tests.command_line import COMMAND

COMPLETE = """\
eval "$(fashion_exp -sc install=bash)"
complete_line() {  # as readline calls the function that `complete` names
    local words
    COMP_LINE="$1" COMP_POINT=${#1}
    [[ "$COMP_WORDBREAKS" == *=* ]] && words="${1//=/ = }" || words="$1"
    read -ra COMP_WORDS <<< "$words"
    [[ "$1" == *[\\ =] ]] && COMP_WORDS+=("")
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMPREPLY=()
    local function=$(complete -p fashion_exp | sed 's/.*-F \\([^ ]*\\).*/\\1/')
    $function fashion_exp "${COMP_WORDS[COMP_CWORD]}" ""
    (IFS=,; echo "$1 > ${COMPREPLY[*]}")
}
"""


@pytest.mark.parametrize(
    ("line", "some"),
    [
        ("fashion_exp ", ["sweep", "optim=", "optim.lr=", "hydra/launcher="]),
        ("fashion_exp optim.", ["optim.lr=", "optim.momentum="]),
        ("fashion_exp seed=1 opt", ["optim=", "optim.lr="]),
        ("fashion_exp optim=", ["optim=adam", "optim=sgd"]),
        ("fashion_exp -m optim=adam,s", ["optim=adam,sgd"]),
        ("fashion_exp training.keep=", ["training.keep=best", "training.keep=last"]),
        ("fashion_exp sweep.fresh=t", ["sweep.fresh=true"]),
        ("fashion_exp +optim.opt", ["+optim.options="]),
        ("fashion_exp --mul", ["--multirun"]),
        ("fashion_exp sweep ", ["status", "list", "delete", "--json"]),
        ("fashion_exp runs re", ["rename"]),
        ("fashion_exp cache list --", ["--kind", "--unused"]),
        ("fashion_exp data ", ["collect", "check"]),
        ("fashion_exp data check --m", ["--max-megapixels"]),
        ("fashion_exp help optim.l", ["optim.lr"]),
    ],
)
def test_candidates_begin_with_what_is_typed(line: str, some: list[str]) -> None:
    candidates = complete(line)
    last = line.rpartition(" ")[2]
    assert set(some) <= set(candidates)
    assert all(candidate.startswith(last) for candidate in candidates)


def test_subcommands_complete_the_first_word_only() -> None:
    assert "sweep" not in complete("fashion_exp seed=1 sw")
    assert complete("fashion_exp dataset.root=") == [], "the shell completes files"


def test_names_of_runs_and_own_choices_are_candidates(tmp_path: Path) -> None:
    (tmp_path / "runs" / "20260101-cnn").mkdir(parents=True)
    (tmp_path / "optim").mkdir()
    (tmp_path / "optim" / "mine.yaml").write_text("name: SGD\n")
    line = f"fashion_exp runs show --outputs {tmp_path} 2026"
    assert complete(line) == ["20260101-cnn"]
    for name in (
        "slices",
        "shortcuts",
        "estimate",
        "soup",
        "flips",
        "judge",
        "race",
        "study export",
    ):
        line = f"fashion_exp {name} --outputs {tmp_path} 2026"
        assert complete(line) == ["20260101-cnn"], name
    assert complete(f"fashion_exp --config-dir={tmp_path} optim=m") == ["optim=mine"]


def test_other_shells_are_refused_in_one_line() -> None:
    with pytest.raises(InputError, match="-sc install=fish: completion is for bash only"):
        answer("install=fish")
    assert "complete -r fashion_exp" in answer("uninstall=bash")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize("breaks", ["", "COMP_WORDBREAKS=${COMP_WORDBREAKS//=}\n"])
def test_bash_completes_subcommands_options_and_choices(tmp_path: Path, breaks: str) -> None:
    script = tmp_path / "fashion_exp"
    script.write_text(f'#!/bin/sh\nexec {shlex.join(COMMAND)} "$@"\n')
    script.chmod(0o755)
    lines = ["fashion_exp swee", "fashion_exp optim=ad", "fashion_exp training.ke",
             "fashion_exp runs sh", "fashion_exp dataset.root="]  # fmt: skip
    calls = "".join(f"complete_line {shlex.quote(line)}\n" for line in lines)
    done = subprocess.run(
        ["bash", "--norc", "-c", f"{breaks}{COMPLETE}{calls}"], capture_output=True, text=True,
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}, timeout=240,
    )  # fmt: skip
    assert done.stderr == ""
    replies = dict(line.split(" > ") for line in done.stdout.splitlines())
    before = "optim=" if breaks else ""
    assert replies["fashion_exp swee"].startswith("sweep,sweep.dry_run=")
    assert replies["fashion_exp optim=ad"] == f"{before}adam,{before}adamw"
    assert replies["fashion_exp training.ke"] == "training.keep="
    assert replies["fashion_exp runs sh"] == "show "
    assert replies["fashion_exp dataset.root="] == ""
