"""The catalog of options and choices agrees with the schema and with what Hydra composes."""

from __future__ import annotations

import pytest

from fashion_exp.configuration.catalog import option_names, options
from fashion_exp.configuration.choices import default_choices, default_values, groups, yaml_text
from fashion_exp.configuration.composition import parse_command_line
from fashion_exp.configuration.schema import SWEEP_JOB_OPTIONS, flatten_options, to_plain
from fashion_exp.errors import InputError

OPTIONS = {option.name: option for option in options()}
NEEDS_VALUES = {"dataset=folder": "dataset.root", "dataset=csv": "dataset.manifest",
                "model=timm": "model.name", "model=probe": "model.name"}  # fmt: skip
"""The choices that cannot be used alone, and the option that each asks for."""
CHOICES = [
    f"{group}={choice.name}"
    for group, choices in groups().items()
    for choice in choices
    if group != "sweep"
]


def test_every_option_that_a_user_may_set_is_described() -> None:
    schema = [name for name in OPTIONS if not name.startswith("hydra.")]
    assert schema == [name for name in option_names() if name not in SWEEP_JOB_OPTIONS]
    undescribed = [name for name in schema if not (OPTIONS[name].doc and OPTIONS[name].type)]
    assert len(schema) > 75 and not undescribed


def test_defaults_are_those_of_an_empty_command_line() -> None:
    composed = dict(flatten_options(to_plain(parse_command_line([]).jobs[0])))
    for name, value in default_values().items():
        if name in composed and not str(value).startswith("${"):
            value = float(value) if isinstance(composed[name], float) else value
            assert value == composed[name], name


@pytest.mark.slow
@pytest.mark.parametrize("choice", [c for c in CHOICES if not c.startswith(("hydra", "exp"))])
def test_values_of_a_choice_are_what_hydra_composes(choice: str) -> None:
    group, name = choice.split("=")
    needed = [f"{NEEDS_VALUES[choice]}=x"] if choice in NEEDS_VALUES else []
    composed = dict(flatten_options(to_plain(parse_command_line([choice, *needed]).jobs[0])))
    (values,) = (item.values for item in groups()[group] if item.name == name)
    for option, value in values.items():
        if option in composed and f"{option}=x" not in needed:
            expected = float(value) if isinstance(composed[option], float) else value
            assert expected == composed[option], option


@pytest.mark.slow
@pytest.mark.parametrize("choice", CHOICES)
def test_every_choice_composes_or_asks_for_what_it_requires(choice: str) -> None:
    searches = choice.startswith("hydra/sweeper")
    line = ["-m", choice] if choice.startswith("hydra/") else [choice]
    line += ["optim.lr=1e-3,1e-4"] if searches else []
    if choice in NEEDS_VALUES:
        with pytest.raises(InputError, match=f"{NEEDS_VALUES[choice]} is missing"):
            parse_command_line(line)
        line.append(f"{NEEDS_VALUES[choice]}=x")
    assert parse_command_line(line).jobs
    assert len(CHOICES) > 30


def test_types_units_ranges_and_choices_come_from_the_schema() -> None:
    lr, size, keep = OPTIONS["optim.lr"], OPTIONS["dataset.image_size"], OPTIONS["training.keep"]
    assert (lr.type, lr.range, lr.default) == ("number", "above 0", "1e-3")
    assert (lr.set_by or {})["optim=sgd"] == "0.01"
    assert (size.type, size.unit, size.range) == ("whole number or null", "px", "8 to 4,096")
    assert list(keep.choices or {}) == ["last", "best"]
    assert (OPTIONS["dataset.fit"].choices or {})["crop"].startswith("scale the shorter side")
    assert OPTIONS["dataset.manifest"].needs == "dataset=csv"
    assert OPTIONS["hydra.launcher.retries"].needs.startswith("hydra/launcher=processes")


def test_every_choice_has_a_title() -> None:
    assert all(choice.title for choices in groups().values() for choice in choices)
    assert default_choices()["hydra/launcher"] == "inline"
    assert yaml_text([1, "a"]) == "[1, a]"
