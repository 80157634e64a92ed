"""The code of a run from elsewhere is executed only if it is the user's own file."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from fashion_exp.errors import InputError
from fashion_exp.evaluation.own_code import RUN_CODE, use_run_code
from fashion_exp.evaluation.run_dir import RunDir

CODE = b"import pathlib; pathlib.Path(__file__ + '.executed').touch()"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunDir:
    """A run that came from elsewhere, with a copy of own.py."""
    monkeypatch.delenv(RUN_CODE, raising=False)
    monkeypatch.chdir(tmp_path)
    return RunDir(tmp_path / "outputs" / "runs" / "evil")


def store(run: RunDir, original: str) -> Path:
    copy = run.path / "extensions" / "own.py"
    copy.parent.mkdir(parents=True)
    copy.write_bytes(CODE)
    entry = {"copy": copy.name, "path": original, "sha256": hashlib.sha256(CODE).hexdigest()}
    (run.path / "config").mkdir()
    (run.path / "config" / "extensions.json").write_text(json.dumps({"files": [entry]}))
    return copy


@pytest.mark.parametrize(
    "original",
    ["outputs/runs/evil/extensions/own.py", "{}/outputs/runs/evil/extensions/own.py",
     "{}/outputs/own.py", "{}/other/runs/b/run.log", "{}/other/sweeps/b/job/run.log",
     "{}/started/own.py", "{}/linked.py", "{}/code/../outputs/own.py", "code/own.py"],
)  # fmt: skip
def test_original_among_runs_is_not_the_users(original: str, run: RunDir, tmp_path: Path) -> None:
    path = tmp_path / original.format(tmp_path)
    copy = store(run, original.format(tmp_path))
    (tmp_path / "code").mkdir()
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.name == "linked.py":
        path.symlink_to(copy)
    path.write_bytes(CODE)
    (tmp_path / "started").mkdir(exist_ok=True)
    (tmp_path / "started" / ".id").write_text("1")
    with pytest.raises(InputError, match=f"set {RUN_CODE}=1"):
        use_run_code(run)
    assert not list(tmp_path.rglob("*.executed"))


def test_the_users_own_file_is_executed(run: RunDir, tmp_path: Path) -> None:
    store(run, f"{tmp_path}/code/own.py")
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "own.py").write_bytes(CODE)
    with pytest.raises(InputError, match="registers nothing"):
        use_run_code(run)
    assert list(tmp_path.rglob("*.executed"))


def test_files_that_a_config_names_are_not_executed_without_copies(run: RunDir) -> None:
    run.path.mkdir(parents=True)
    run.log_file.write_bytes(CODE)
    with pytest.raises(InputError, match="has no copy of that code"):
        use_run_code(run, [str(run.log_file)])
