from __future__ import annotations

from pathlib import Path

import pytest

from fashion_exp.errors import InputError
from fashion_exp.tracking import store_uri


def test_default_store_is_the_database_below_outputs(tmp_path: Path) -> None:
    assert store_uri(None, tmp_path) == f"sqlite:///{tmp_path}/mlflow.db"


def test_relative_database_paths_become_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert store_uri("sqlite:///runs/m.db", Path("other")) == f"sqlite:///{tmp_path}/runs/m.db"
    assert store_uri(None, Path("outputs")) == f"sqlite:///{tmp_path}/outputs/mlflow.db"


def test_trailing_slash_of_a_server_url_is_removed() -> None:
    assert store_uri("https://host:5000/mlflow/", Path("x")) == "https://host:5000/mlflow"


@pytest.mark.parametrize(
    ("uri", "text"),
    [
        ("file:///data/mlruns", "sqlite:///"),
        ("mlruns", "sqlite:///mlruns/mlflow.db"),
        ("/data/mlruns", "sqlite:////data/mlruns/mlflow.db"),
        ("htp://host:5000", "did you mean http"),
        ("sqlight:///m.db", "did you mean sqlite"),
        ("sqlite3:///m.db", "did you mean sqlite"),
        ("postgresql://me:secret@host/db", "sqlite"),
        ("host:5000", "http://host:5000"),
        ("http://", "the host is missing"),
        ("sqlite://", "the file is missing"),
        ("sqlite:///:memory:", "the file is missing"),
        ("sqlite:///a%20b.db", "%"),
    ],
)
def test_rejects_unsupported_stores_in_one_line_with_a_remedy(uri: str, text: str) -> None:
    with pytest.raises(InputError, match=r"^tracking\.uri") as caught:
        store_uri(uri, Path("outputs"))
    message = str(caught.value)
    assert text in message
    assert "\n" not in message
    assert "secret" not in message


def test_checking_a_uri_creates_no_files(tmp_path: Path) -> None:
    store_uri(f"sqlite:///{tmp_path}/new/m.db", tmp_path)
    assert list(tmp_path.iterdir()) == []
