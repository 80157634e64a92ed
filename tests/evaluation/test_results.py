"""What is recorded of a finished run."""

from __future__ import annotations

from pathlib import Path

from fashion_exp.evaluation.results import RUN_FILES, load_result, record_result
from fashion_exp.tracking import NullTracker
from tests.comparison.made_runs import answers, made_run

LINE = "tracking.uri=https://me:secret@host:5000"


class Kept(NullTracker):
    """What a store was given, by place."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def artifact(self, run: str, path: Path, folder: str = "") -> None:
        for file in path.iterdir() if path.is_dir() else [path]:
            self.files[f"{folder}/{file.name}".lstrip("/")] = file.read_bytes()


def test_a_store_gets_the_config_without_the_passwords_in_it(tmp_path: Path) -> None:
    scores = answers(0, 2, 20, 0.8)
    made_run(tmp_path / "run", "one", scores, scores)
    overrides = tmp_path / "run" / "config" / "overrides.yaml"
    overrides.write_text(f"- {LINE}\n")
    for name in RUN_FILES:
        (tmp_path / "run" / name).touch()
    kept = Kept()
    record_result(load_result(tmp_path / "run"), kept)
    assert kept.files["config/overrides.yaml"] == b"- tracking.uri=https://host:5000\n"
    assert kept.files.keys() >= {*RUN_FILES, "config/config.yaml"}
    assert LINE in overrides.read_text()  # by which the run goes on
