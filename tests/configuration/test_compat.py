"""The private APIs of Hydra that we use exist and do what we expect."""

from __future__ import annotations

import pytest
from hydra import __version__
from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from omegaconf import OmegaConf

from fashion_exp.configuration import compat
from fashion_exp.configuration.composition import hydra_composer
from fashion_exp.configuration.overrides import parse_overrides


def test_installed_version_is_within_the_supported_range() -> None:
    assert (1, 3, 6) <= tuple(int(part) for part in __version__.split(".")[:3]) < (1, 4)


def test_parser_knows_the_switches_that_we_use() -> None:
    names = compat.switch_names(compat.switches_parser())
    assert {"--multirun", "--cfg", "--config-dir", "--hydra-help"} <= set(names)


def test_swept_override_is_split_into_its_values() -> None:
    (override,) = parse_overrides(["optim.lr=1e-3,1e-4"])
    assert list(compat.single_overrides(override)) == ["optim.lr=0.001", "optim.lr=0.0001"]


@pytest.mark.parametrize(("group", "kind"), [("model", ObjectType.CONFIG), ("", ObjectType.GROUP)])
def test_options_of_a_group_are_those_of_the_loader(group: str, kind: ObjectType) -> None:
    with hydra_composer():
        expected = GlobalHydra.instance().config_loader().get_group_options(group, kind)
        assert compat.group_options(group, kind) == expected and len(expected) > 4


def test_overrides_are_applied_to_a_tree() -> None:
    tree = OmegaConf.create({"a": {"b": 1}})
    compat.merge_overrides(parse_overrides(["a.b=2"]), tree)
    assert tree.a.b == 2
