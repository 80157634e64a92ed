"""The notebook in the documentation runs, and its outputs are those of this version."""

from __future__ import annotations

from ast import literal_eval
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from tests.conftest import REPOSITORY

NOTEBOOK = REPOSITORY / "docs" / "notebooks" / "study.ipynb"


def outputs_of(notebook: nbformat.NotebookNode, kind: str) -> list[str]:
    """The text of the outputs, by the cells in their order."""
    outputs: list[Any] = [out for cell in notebook.cells for out in cell.get("outputs", [])]
    texts = {"stream": lambda out: out.text, "execute_result": lambda out: out.data["text/plain"]}
    return [texts[kind](out) for out in outputs if out.output_type == kind]


def test_stored_outputs_name_no_machine() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    texts = outputs_of(notebook, "execute_result") + outputs_of(notebook, "stream")
    assert len(texts) > 10 and not [text for text in texts if "/tmp/" in text or "/home" in text]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of Jupyter, in this process; the kernel is another one
def test_notebook_runs_and_comes_to_the_stored_conclusion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    stored = outputs_of(notebook, "execute_result")
    client = NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(tmp_path)}})
    results = outputs_of(client.execute(), "execute_result")
    assert len(results) == len(stored)
    metrics, expected = (literal_eval(texts[1]) for texts in (results, stored))
    assert metrics == pytest.approx(expected, abs=0.05)  # processors round differently
    assert "lr=0.003 is better than lr=0.0001" in results[4] and "lr=0.003 is better" in stored[4]
    assert (tmp_path / "outputs" / "runs").is_dir()
