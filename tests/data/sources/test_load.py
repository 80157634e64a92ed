"""The data sources by name."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from fashion_exp.configuration import validation
from fashion_exp.configuration.schema import DatasetConfig
from fashion_exp.data.sources.load import SOURCES, load_images, load_images_cached
from fashion_exp.errors import InputError

CONF = Path(__file__).parents[3] / "conf/dataset"
MakeConfig = Callable[..., DatasetConfig]
WriteImage = Callable[..., Path]


def test_each_source_has_a_yaml_with_its_name() -> None:
    files = sorted(CONF.glob("[!_]*.yaml"))
    assert [file.stem for file in files] == sorted(SOURCES) == sorted(validation.SOURCES)
    for file in files:
        options = OmegaConf.to_container(OmegaConf.load(file))
        assert isinstance(options, dict)
        assert options["name"] == file.stem


def test_name_selects_source(
    make_config: MakeConfig, write_image: WriteImage, tmp_path: Path
) -> None:
    write_image("dress/1.png", 1)
    write_image("shirt/2.png", 2)
    (tmp_path / "list.csv").write_text("path,label\ndress/1.png,dress\nshirt/2.png,shirt\n")
    manifest = make_config(None, name="csv", manifest=str(tmp_path / "list.csv"))
    tables = [load_images(cfg, tmp_path) for cfg in (make_config(), manifest)]
    assert [table.name for table in tables] == ["folder", "csv"]
    assert tables[0].fingerprint == tables[1].fingerprint
    options = {"per_class": 2, "drawn_size": 16, "mislabelled": 0.0, "ambiguous": 0.0, "seed": 0}
    assert len(load_images(make_config(None, name="garments", **options), tmp_path)) == 6
    for name in ("clothing", "fashion_mnist"):
        with pytest.raises(InputError, match=r"dataset\.download=true"):
            load_images(make_config(None, name=name, download=False), tmp_path)


def test_rejects_unknown_name_with_suggestion(make_config: MakeConfig, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"dataset\.name: .*'folders'; did you mean folder\?"):
        load_images(make_config(name="folders"), tmp_path)


@pytest.mark.slow
def test_import_loads_no_heavy_library() -> None:
    heavy = "{'torch', 'torchvision', 'albumentations', 'sklearn'} & set(sys.modules)"
    code = f"import sys, fashion_exp.data.sources.load; sys.exit(bool({heavy}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_repeated_call_returns_cached_table(
    write_image: WriteImage, make_config: MakeConfig, tmp_path: Path
) -> None:
    for seed, name in enumerate(("dress/1.png", "shirt/1.png")):
        write_image(name, seed)
    first = load_images_cached(make_config(), tmp_path)
    write_image("dress/2.png", 2)
    assert load_images_cached(make_config(), tmp_path) is first
    assert len(load_images_cached(make_config(rename={"dress": "Dress"}), tmp_path)) == 3
    assert len(load_images_cached(make_config(), tmp_path)) == 3
