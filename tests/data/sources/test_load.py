"""Every kind of data set by its name."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from fashion_exp.configuration.schema import DatasetConfig
from fashion_exp.data.sources.load import SOURCES, load_images, load_images_once
from fashion_exp.errors import InputError

CONF = Path(__file__).parents[3] / "conf/dataset"
Config = Callable[..., DatasetConfig]
Photo = Callable[..., Path]


def test_every_source_has_a_yaml_that_states_every_knob_that_all_share() -> None:
    files = sorted(CONF.glob("*.yaml"))
    assert [file.stem for file in files] == sorted(SOURCES)
    missing = {name for name, value in vars(DatasetConfig()).items() if value == "???"}
    assert len(missing) == 9
    for file in files:
        stated = OmegaConf.to_container(OmegaConf.load(file))
        assert isinstance(stated, dict)
        assert stated["name"] == file.stem
        assert missing <= set(stated) <= set(vars(DatasetConfig()))


def test_a_name_leads_to_its_source(config: Config, photo: Photo, tmp_path: Path) -> None:
    photo("dress/1.png", 1)
    photo("shirt/2.png", 2)
    (tmp_path / "list.csv").write_text("path,label\ndress/1.png,dress\nshirt/2.png,shirt\n")
    listed = config(None, name="csv", manifest=str(tmp_path / "list.csv"))
    tables = [load_images(cfg, tmp_path) for cfg in (config(), listed)]
    assert [table.name for table in tables] == ["folder", "csv"]
    assert tables[0].fingerprint == tables[1].fingerprint
    knobs = {"per_class": 2, "drawn_size": 16, "mislabelled": 0.0, "ambiguous": 0.0, "seed": 0}
    assert len(load_images(config(None, name="garments", **knobs), tmp_path)) == 6
    for name in ("clothing", "fashion_mnist"):
        with pytest.raises(InputError, match=r"dataset\.download=true"):
            load_images(config(None, name=name, download=False), tmp_path)


def test_an_unknown_name_is_answered_with_the_nearest(config: Config, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"dataset\.name: .*'folders'; did you mean folder\?"):
        load_images(config(name="folders"), tmp_path)


def test_importing_the_sources_loads_no_framework() -> None:
    heavy = "{'torch', 'torchvision', 'albumentations', 'sklearn'} & set(sys.modules)"
    code = f"import sys, fashion_exp.data.sources.load; sys.exit(bool({heavy}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_same_data_are_looked_for_once_in_a_process(
    photo: Photo, config: Config, tmp_path: Path
) -> None:
    for seed, name in enumerate(("dress/1.png", "shirt/1.png")):
        photo(name, seed)
    first = load_images_once(config(), tmp_path)
    photo("dress/2.png", 2)
    assert load_images_once(config(), tmp_path) is first
    assert len(load_images_once(config(rename={"dress": "Dress"}), tmp_path)) == 3
    assert len(load_images_once(config(), tmp_path)) == 3
