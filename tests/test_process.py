"""Standard streams and the locale never decide over a run."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from fashion_exp.evaluation.run_dir import RunDir
from fashion_exp.process import OutputStream
from tests.command_line import COMMAND, only_run
from tests.conftest import REPOSITORY

TINY = (
    "dataset=folder", "dataset.image_size=16", "training.epochs=1", "training.batch_size=12",
    "repeats=1", "training.threads=1", "tracking=none",
)  # fmt: skip

TEXT_CALLS = {"read_text", "write_text", "open", "fdopen", "TextIOWrapper", "FileHandler"}
OURS = {"write_text"}
"""A function of `atomic_io` with this name writes UTF-8."""


def shell(command: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Runs the command line in a shell, where "$@" are its words."""
    return subprocess.run(
        ["bash", "-c", command, "bash", *COMMAND, *arguments], capture_output=True, timeout=240,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), **environment}, check=False,
    )  # fmt: skip


def has_encoding(call: ast.Call) -> bool:
    modes = [
        node.value
        for node in [*call.args, *(k.value for k in call.keywords if k.arg == "mode")]
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    is_binary = any("b" in mode and len(mode) <= 3 for mode in modes)
    return is_binary or any(keyword.arg in ("encoding", "formats") for keyword in call.keywords)


@pytest.mark.slow
def test_text_files_and_child_processes_have_an_explicit_encoding() -> None:
    """The default is that of the locale, in which Python cannot write every name."""
    files = sorted((REPOSITORY / "fashion_exp").rglob("*.py"))
    assert len(files) > 150
    offenders = []
    for file in files:
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(call, ast.Call):
                continue
            is_method = isinstance(call.func, ast.Attribute)
            name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
            name = call.func.id if isinstance(call.func, ast.Name) else name
            is_binary = is_method and ast.unparse(call.func) in ("os.open", "archive.open")
            if name in TEXT_CALLS and not is_binary and not (name in OURS and not is_method):
                offenders += [] if has_encoding(call) else [(file.name, ast.unparse(call))]
            text_mode = {"text", "universal_newlines"} & {k.arg for k in call.keywords}
            if name in ("run", "Popen", "check_output") and text_mode:
                offenders.append((file.name, ast.unparse(call)))
    assert not offenders


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_device_loses_text_and_keeps_the_first_error() -> None:
    descriptor = os.open("/dev/full", os.O_WRONLY)
    with OutputStream(descriptor, "w") as stream:
        assert stream.write(b"text") == 4 and stream.write(bytearray(2)) == 2
        assert stream.error is not None and "No space" in str(stream.error)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "message"),
    [
        ('"$@" >&-', b""),
        ('"$@" 2>&-', b""),
        ('"$@" <&- >&- 2>&-', b""),
        ('"$@" > /dev/full', b"standard output: No space left on device; text was lost\n"),
        ('"$@" 2> /dev/full', b""),
        ('set -o pipefail; "$@" | head -1', b""),
    ],
)
def test_run_is_complete_and_succeeds_without_standard_streams(
    command: str, message: bytes, photos: Path, tmp_path: Path
) -> None:
    done = shell(command, *TINY, f"dataset.root={photos}", f"outputs={tmp_path}")
    assert (done.returncode, b"Traceback" in done.stderr) == (0, False), done.stderr
    assert done.stderr.endswith(message)
    assert RunDir(only_run(tmp_path)).is_finished
    assert (only_run(tmp_path) / "figures" / "confusion_test.png").exists()


@pytest.mark.slow
def test_command_that_only_prints_fails_if_its_text_is_lost() -> None:
    assert shell('"$@" --help > /dev/full').returncode == 1
    assert shell('set -o pipefail; "$@" --help | head -1').returncode == 0
    assert shell('"$@" --help >&-').returncode == 0


@pytest.mark.slow
def test_names_beyond_ascii_work_in_any_locale(photos: Path, tmp_path: Path) -> None:
    root = tmp_path / "größe"
    shutil.copytree(photos, root)
    for part in ("train", "validation"):
        (root / part / "dress").rename(root / part / "платье")
    locale = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    outputs = tmp_path / "ünïcode"
    done = shell('"$@"', *TINY, f"dataset.root={root}", f"outputs={outputs}", **locale)
    assert done.returncode == 0, done.stderr
    assert "платье" in done.stdout.decode() and not done.stderr
    report = shell('"$@"', "report", "--outputs", str(outputs), **locale)
    assert report.returncode == 0, report.stderr
    page = only_run(outputs) / "report" / "report.html"
    assert "платье" in page.read_text(encoding="utf-8")
