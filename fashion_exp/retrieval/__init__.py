"""Finds photos by picture and by words."""

from importlib.util import find_spec

from fashion_exp.errors import InputError
from fashion_exp.paths import install_command


def require_lancedb() -> None:
    """Raises `InputError` if the library of indexes is not installed."""
    if find_spec("lancedb") is None:
        raise InputError(f"index, search: need the package lancedb; {install_command('index')}")
