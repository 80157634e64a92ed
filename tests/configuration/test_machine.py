"""Options that a machine limits are refused above what it has."""

from __future__ import annotations

import pytest

from fashion_exp.configuration import machine
from fashion_exp.configuration.composition import parse_command_line
from fashion_exp.errors import InputError


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.threads=100000", "training.threads=100000: more than 64, the limit on this"),
        ("training.processes=30", "training.processes=30: more than 2, the limit"),
        ("training.workers=17", "training.workers=17: more than 16"),
    ],
)
def test_more_than_the_machine_has_is_refused(
    override: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "cpu_count", lambda: 2)
    with pytest.raises(InputError, match=message):
        machine.check_machine(parse_command_line([override]).jobs[0])


def test_what_the_machine_has_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "cpu_count", lambda: 32)
    overrides = ["training.threads=128", "training.processes=32", "training.workers=128"]
    machine.check_machine(parse_command_line(overrides).jobs[0])
