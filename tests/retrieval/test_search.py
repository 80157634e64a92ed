"""Photos are found by picture, by words and by attributes, and copies are shown once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import save_file

from fashion_exp.api.search import Index, build_index, open_index
from fashion_exp.errors import InputError
from fashion_exp.models.compat import import_timm
from fashion_exp.retrieval.index import IMAGENET
from fashion_exp.retrieval.search import Results
from tests.retrieval.conftest import draw

Changing = tuple[Path, Callable[..., Index]]


def names(result: Results) -> list[str]:
    return [Path(path).stem for path in result.rows["path"]]


def test_photo_finds_itself_with_similarity_one(index: Index, garments: Path) -> None:
    for path in sorted(garments.glob("*/*.png"))[::5]:
        result = index.search(path, top=3)
        assert result.rows["path"][0] == str(path)
        assert result.rows["similarity"][0] == pytest.approx(1, abs=1e-5)
        assert result.rows["score"].is_monotonic_decreasing


def test_query_vector_equals_the_stored_one(index: Index, garments: Path) -> None:
    path = garments / "dress" / "red0.png"
    row = index.to_frame().set_index("path").loc[str(path)]
    stored = index.photos.vectors([str(row["image_id"])])[0]
    query = index.query([path]).vectors
    assert query is not None and np.array_equal(query[0], stored)


def test_turned_photo_finds_the_upright_one(index: Index, garments: Path) -> None:
    path = garments / "dress" / "blue1.png"
    upright = np.asarray(Image.open(path))
    for turns in (1, 2, 3):
        result = index.search(np.ascontiguousarray(np.rot90(upright, turns)), top=1).rows
        assert result["path"][0] == str(path)
        assert result["similarity"][0] == pytest.approx(1, abs=0.01)


def test_words_rank_by_the_color_of_the_garment(index: Index) -> None:
    result = index.search(words="blue", top=6)
    assert sorted({name[:4] for name in names(result)}) == ["blue"]
    result = index.search(words="green dress not striped", top=2)
    assert sorted(names(result)) == ["green0", "green1"]
    assert set(result.rows["folder"]) == {"dress"}


def test_words_and_photo_are_combined(index: Index, garments: Path) -> None:
    result = index.search(garments / "dress" / "red0.png", "but blue", top=6)
    first = result.rows.iloc[0]
    assert Path(first["path"]).stem.startswith("blue")
    share = float(first["why"].partition("blue ")[2].removesuffix(" %")) / 100
    assert first["score"] == pytest.approx(max(first["similarity"], 0.05) * share, abs=0.01)


def test_condition_acts_before_the_search(index: Index) -> None:
    result = index.search(words="red", where='price > 100 and size = "M"', top=24)
    frame = index.to_frame('price > 100 and size = "M"')
    assert 0 < len(frame) < len(index)
    assert set(result.rows["image_id"]) == set(frame["image_id"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"words": "qqqqqq"}, "no word of this index"),
        ({}, "nothing to search for"),
        ({"words": "red", "top": 0}, "--top 0"),
        ({"words": "red", "where": "prize<3"}, "did you mean price"),
        (
            {"words": "red", "where": "price >"},
            "price >.: Expected: an expression, found: EOF; write",
        ),
        ({"like": ["nothing"]}, "has no photo nothing"),
    ],
)
def test_bad_query_is_one_clear_line(index: Index, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        index.search(**arguments)


@pytest.fixture
def changing(garments: Path, backbone_files: dict[str, Path], tmp_path: Path) -> Changing:
    """A folder of photos, and a function that indexes it."""
    photos = tmp_path / "photos"
    shutil.copytree(garments, photos)

    def build(**options: Any) -> Index:
        return build_index(
            photos, "test_resnet", outputs=tmp_path / "outputs",
            weights={"test_resnet": str(backbone_files["test_resnet"])}, **options,
        )  # fmt: skip

    return photos, build


@pytest.mark.slow
def test_build_again_adds_changes_and_deletes(changing: Changing) -> None:
    photos, build = changing
    first = build()
    assert first.built is not None
    assert (first.built.added, first.built.changed, first.built.deleted) == (18, 0, 0)
    (photos / "dress" / "red0.png").unlink()
    (photos / "shirt" / "red0.png").rename(photos / "dress" / "moved.png")
    draw("dress", "green", seed=77).save(photos / "dress" / "new.png")
    (photos / "dress" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    again = build()
    assert again.built is not None
    assert (again.built.added, again.built.changed, again.built.deleted) == (1, 1, 1)
    assert list(again.built.unreadable.values()) == ["broken PNG"]
    unchanged = build().built
    assert unchanged is not None and unchanged.added == 0
    fresh = build(into="fresh")
    ids = sorted(fresh.to_frame()["image_id"])
    assert ids == sorted(again.to_frame()["image_id"])


@pytest.mark.slow
def test_copies_are_shown_once_and_gone_files_are_named(changing: Changing) -> None:
    photos, build = changing
    shutil.copy(photos / "dress" / "red0.png", photos / "shirt" / "copy.png")
    Image.open(photos / "dress" / "red0.png").save(photos / "shirt" / "near.jpg", quality=95)
    index = build()
    result = index.search(photos / "dress" / "red0.png", top=24)
    first = result.rows.iloc[0]
    assert first["copies"] == 3
    assert result.rows["group"].is_unique
    Path(first["file"]).unlink()
    assert index.search(like=[first["image_id"]]).rows["missing"][0]


def test_index_of_other_networks_is_not_replaced(
    changing: Changing, backbone_files: dict[str, Path], tmp_path: Path
) -> None:
    photos, build = changing
    build()
    other = {"test_efficientnet": str(backbone_files["test_efficientnet"])}
    with pytest.raises(InputError, match="built by test_resnet"):
        build_index(photos, "test_efficientnet", outputs=tmp_path / "outputs", weights=other)
    assert len(open_index("photos", outputs=tmp_path / "outputs")) == 18
    with pytest.raises(InputError, match="no such index; choices: photos"):
        open_index("fotos", outputs=tmp_path / "outputs")


@pytest.mark.slow
def test_networks_side_by_side_of_which_one_knows_the_words_of_imagenet(
    garments: Path, backbone_files: dict[str, Path], tmp_path: Path
) -> None:
    network = import_timm().create_model("test_efficientnet", num_classes=1000).eval()
    save_file(network.state_dict(), tmp_path / "whole.safetensors")
    files = {**backbone_files, "test_efficientnet": tmp_path / "whole.safetensors"}
    index = build_index(
        garments, list(files), weights={k: str(v) for k, v in files.items()}, outputs=tmp_path
    )
    path = garments / "shirt" / "blue1.png"
    assert index.search(path, top=1).rows["path"][0] == str(path)
    assert [network["network"] for network in index.photos.about.identity] == list(files)
    best = int(index.photos.rows(IMAGENET)[IMAGENET[0]][0][0])
    word = index.photos.about.imagenet[best].partition(":")[0].split(", ")[0]
    result = index.search(words=word, where="width > 0", top=3)
    assert result.words.terms[0].how == "ImageNet" and word.lower() in result.rows["why"][0]
    with pytest.raises(InputError, match="no column imagenet_classes"):
        index.search(where="imagenet_classes = 3")


@pytest.mark.slow
def test_name_of_a_folder_is_an_index_in_outputs(
    changing: Changing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The photos in ./photos stay, whatever is built and deleted under the name photos."""
    photos, build = changing
    monkeypatch.chdir(photos.parent)
    index = build(into="photos")
    assert index.location == str(tmp_path / "outputs" / "indexes" / "photos")
    index.photos.delete()
    assert len(list(photos.glob("*/*.png"))) == 18
    with pytest.raises(InputError, match="has other files, such as dress"):
        build(into="./photos")
    assert len(list(photos.glob("*/*.png"))) == 18


@pytest.mark.slow
def test_attributes_may_change_their_type_and_must_not_be_forgotten(changing: Changing) -> None:
    photos, build = changing
    items = photos / "items.csv"
    build(attributes=items)
    items.write_text(items.read_text().replace(",10,", ",n/a,"))
    index = build(attributes=items)
    assert len(index.search(words="red", where='price = "n/a"').rows) == 1
    with pytest.raises(InputError, match="repeat --attributes"):
        build()


def test_run_of_one_photo_finds_it(changing: Changing) -> None:
    photos, build = changing
    for path in sorted(photos.glob("*/*.png"))[1:]:
        path.unlink()
    index = build()
    assert len(index.search(next(photos.glob("*/*.png"))).rows) == 1


def test_quotes_in_an_id_are_text(index: Index) -> None:
    with pytest.raises(InputError, match="has no photo a' OR 1=1 --"):
        index.search(like=["a' OR 1=1 --"])
