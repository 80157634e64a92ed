"""Weights are found in files as training programs write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from fashion_exp.errors import InputError
from fashion_exp.models.state_files import read_state_file, strip_prefixes, unwrap

STATE = {"conv1.weight": torch.ones(1), "layer1.0.bias": torch.zeros(2)}
AVERAGED = {name: tensor + 1 for name, tensor in STATE.items()}


def prefixed(prefix: str) -> dict[str, torch.Tensor]:
    return {prefix + name: tensor for name, tensor in STATE.items()}


@pytest.mark.parametrize(
    ("content", "taken"),
    [
        (STATE, ""),
        ({"model_state_dict": STATE, "epoch": 3, "optimizer_state_dict": {}}, "model_state_dict"),
        ({"state_dict": STATE}, "state_dict"),
        ({"model": {"state_dict": STATE}, "args": {}}, "model.state_dict"),
        ({"checkpoint": {"model": STATE}}, "checkpoint.model"),
        ({"student": {}, "teacher": STATE}, "teacher"),
    ],
)
def test_weights_are_found_in_the_entries_of_a_file(content: Any, taken: str) -> None:
    state, entry = unwrap(content)
    assert state.keys() == STATE.keys() and entry == taken


@pytest.mark.parametrize("key", ["model_ema", "state_dict_ema", "ema", "params_ema"])
def test_averaged_weights_are_preferred_and_named(key: str) -> None:
    state, entry = unwrap({"model": STATE, "state_dict": STATE, key: AVERAGED})
    assert state == AVERAGED and entry == key


@pytest.mark.parametrize(
    "prefix",
    [
        "",
        "module.",
        "_orig_mod.",
        "model.",
        "net.",
        "_orig_mod.module.",
        "model.module.",
        "module.encoder_q.",
    ],
)
def test_prefixes_of_wrappers_are_removed(prefix: str) -> None:
    state = prefixed(prefix) | ({"criterion.weight": torch.ones(1)} if prefix else {})
    assert strip_prefixes(state, STATE).keys() == STATE.keys()


def test_a_layer_of_the_network_is_no_prefix() -> None:
    state = {"model.0.weight": torch.ones(1)}
    assert strip_prefixes(state, ["model.0.weight"]) == state
    assert strip_prefixes({"other.weight": torch.ones(1)}, STATE).keys() == {"other.weight"}


@pytest.mark.parametrize("content", [{"epoch": 1}, 3, [], {}, {"state_dict": {"a": 1}}])
def test_file_without_weights_is_refused_in_one_line(content: Any, tmp_path: Path) -> None:
    file = tmp_path / "weights.pth"
    torch.save(content, file)
    with pytest.raises(InputError, match=r"weights\.pth: no weights in this file") as refused:
        read_state_file(file)
    assert "\n" not in str(refused.value)


def test_whole_model_is_refused_with_the_remedy(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(1, 1), tmp_path / "model.pt")
    with pytest.raises(InputError, match=r"Python objects besides tensors.*model\.state_dict\(\)"):
        read_state_file(tmp_path / "model.pt")
