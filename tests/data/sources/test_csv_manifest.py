"""The source `csv`: valid and invalid manifests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fashion_exp.configuration.schema import DatasetConfig
from fashion_exp.data.sources.csv_manifest import load_csv
from fashion_exp.data.table import ImageTable
from fashion_exp.errors import InputError

WriteImage = Callable[..., Path]
MakeConfig = Callable[..., DatasetConfig]
Load = Callable[..., ImageTable]


@pytest.fixture
def load(write_image: WriteImage, make_config: MakeConfig, tmp_path: Path) -> Load:
    """Loads a manifest of the given text next to a.png … d.png."""
    for seed, name in enumerate("abcd"):
        write_image(f"{name}.png", seed)

    def load_text(text: str | bytes, root: str | None = None, **options: object) -> ImageTable:
        manifest = tmp_path / "list.csv"
        manifest.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load_csv(make_config(root, name="csv", manifest=str(manifest), **options))

    return load_text


def test_rows_have_class_group_and_part(load: Load) -> None:
    table = load(
        "part,path,group,label\ntrain,a.png,g1,dress\nVal,b.png,g1,shirt\ntest,c.png,,shirt\n"
    )
    rows = table.rows.set_index("path")
    assert table.classes == ("dress", "shirt")
    assert rows["part"].to_dict() == {"a.png": "train", "b.png": "validation", "c.png": "test"}
    assert rows["group_id"]["a.png"] == rows["group_id"]["b.png"] == "g1"
    assert rows["group_id"]["c.png"] == rows["image_id"]["c.png"]
    assert table.read(0).shape == (8, 8, 3)


def test_column_of_groups_is_read_in_any_case(load: Load) -> None:
    table = load("path,label,Group\na.png,dress,g\nb.png,shirt,g\n")
    assert set(table.rows["group_id"]) == {"g"} and table.notes == ()


def test_column_without_a_name_is_no_group(load: Load) -> None:
    table = load(",path,label\n0,a.png,dress\n0,b.png,shirt\n")
    assert table.rows["group_id"].nunique() == 2


def test_group_and_part_are_optional(load: Load) -> None:
    table = load("path,label\na.png,dress\nb.png,shirt\n")
    assert (table.rows["group_id"] == table.rows["image_id"]).all()
    assert set(table.rows["part"]) == {""}


@pytest.mark.parametrize("column", ["split", "Split", "PART", "usage", "subset"])
def test_column_of_parts_is_read_and_said(column: str, load: Load) -> None:
    table = load(
        f"path,label,{column}\na.png,dress,Training\nb.png,shirt,val\nc.png,dress,PublicTest\n"
        "d.png,shirt,\n"
    )
    parts = table.rows.set_index("path")["part"].to_dict()
    assert parts == {"a.png": "train", "b.png": "validation", "c.png": "test", "d.png": ""}
    assert table.notes[0] == (
        f"Official parts, from the column '{column}': 1 train, 1 validation, 1 test, 1 without a "
        "part."
    )


def test_columns_that_are_not_read_are_named_once(load: Load) -> None:
    table = load(",path,label,note,split\n0,a.png,dress,x,1\n1,b.png,shirt,train,2\n")
    assert table.notes == ("Columns that are not read: one without a name, note, split.",)
    assert set(table.rows["part"]) == {""}


def test_contradicting_columns_of_parts_are_refused(load: Load) -> None:
    text = "path,label,part,split\na.png,dress,train,Training\nb.png,shirt,val,test\n"
    with pytest.raises(InputError, match="line 3 has the part 'val' in the column 'part' and"):
        load(text)
    assert len(load(text.replace("val,test", "val,valid"))) == 2


def test_paths_may_leave_the_folder_and_that_is_said(
    load: Load, write_image: WriteImage, tmp_path: Path
) -> None:
    write_image("photos/x.png", 8)
    text = (
        f"path,label\nx.png,dress\n../a.png,shirt\n{tmp_path / 'b.png'},shirt\nx/../x.png,dress\n"
    )
    table = load(text, root="photos")
    (note,) = [note for note in table.notes if note.startswith("Files outside")]
    assert "2 of 4, such as ../a.png." in note
    assert len(table) == 3 and table.read(0).shape == (8, 8, 3)


def test_labels_are_compared_without_blanks(load: Load) -> None:
    table = load('path,label\na.png,"dress "\nb.png,dress\xa0\nc.png, shirt\n')
    assert table.class_counts == {"dress": 2, "shirt": 1}


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbfpath,label\na.png,dress\nb.png,shirt\n",
        b"path,label\r\na.png,dress\r\n\r\nb.png,shirt",
        b' path , label ,note\n"a.png",dress ,"one, two"\n./b.png, shirt,\n',
        b"Path,LABEL\na.png,dress\nb.png,shirt\n",
        b"path,label\na.png,dress\n,,\nb.png,shirt,,\n,\n",
        b"\xef\xbb\xbfsep=;\r\npath;label\r\na.png;dress\r\nb.png;shirt\r\n",
    ],
    ids=[
        "byte-order mark",
        "CRLF and empty line",
        "blanks and quotes",
        "capitals",
        "empty rows",
        "Excel's first line",
    ],
)
def test_accepts_variants_of_csv(text: bytes, load: Load) -> None:
    table = load(text)
    assert table.classes == ("dress", "shirt") and len(table) == 2 and len(table.left_out) == 0


def test_reads_paths_of_windows(load: Load, write_image: WriteImage) -> None:
    write_image("dress/x.png", 8)
    write_image("shirt/y.png", 9)
    table = load("path,label\ndress\\x.png,dress\n.\\shirt\\y.png,shirt\nhat\\z.png,shirt\n")
    assert table.rows["path"].to_list() == ["dress/x.png", "./shirt/y.png"]
    assert table.left_out["path"].to_list() == ["hat\\z.png"]
    with pytest.raises(InputError, match="make the paths relative to a folder, and give it as"):
        load("path,label\nC:\\photos\\dress\\x.png,dress\n")


def test_paths_are_relative_to_root(load: Load, write_image: WriteImage) -> None:
    write_image("photos/x.png", 8)
    write_image("photos/y.png", 9)
    text = "path,label\nx.png,dress\ny.png,shirt\n"
    assert len(load(text, root="photos")) == 2
    with pytest.raises(InputError, match=r"no file that .* such as 'x\.png'; .*dataset\.roo"):
        load(text)


def test_missing_files_and_labels_are_left_out(load: Load) -> None:
    table = load("path,label\na.png,dress\nb.png,shirt\nc.png,\nz.png,dress\n")
    assert table.left_out.values.tolist() == [["c.png", "no label"], ["z.png", "no such file"]]
    assert table.file_count == 4


def test_file_is_left_out_once_however_often_it_is_listed(load: Load, tmp_path: Path) -> None:
    (tmp_path / "e.png").touch()
    table = load(
        "path,label\na.png,dress\nb.png,shirt\na.png,\nc.png,\n./c.png,\n"
        "e.png,dress\n./e.png,dress\ne.png,shirt\nd.png,dress\nd.png,shirt\nd.png,shirt\n"
    )
    assert table.left_out["path"].tolist() == ["c.png", "e.png", "d.png"]
    assert table.file_count == 5 and len(table) == 2


def test_quarantined_file_counts_as_excluded_however_it_is_listed(
    load: Load, tmp_path: Path
) -> None:
    (tmp_path / "quarantine.csv").write_text("path,reason\nc.png,blank\n")
    table = load("path,label\na.png,dress\nb.png,shirt\nc.png,\n./c.png,dress\nc.png,dress\n")
    assert table.left_out.values.tolist() == [["./c.png", "quarantined: blank"]]
    assert len(table.unusable) == 0 and table.file_count == 3


def test_groups_of_copies_are_merged(load: Load, write_image: WriteImage) -> None:
    write_image("copy of a.png", 0)
    table = load(
        "path,label,group\na.png,dress,g2\ncopy of a.png,dress,g1\nb.png,shirt,g2\nc.png,shirt,g1\n"
    )
    assert len(table) == 3
    assert set(table.rows["group_id"]) == {"g1"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,labels\na.png,dress\n", r"no column 'label'; did you mean labels\?"),
        ("", "no column 'path'"),
        ("path,label,label\na.png,x,y\n", "the column 'label' twice"),
        ("path,label\na, b.png,dress\n", "line 2 has more fields than columns; quote"),
        ("path,label\n,dress\n", "line 2 has no path"),
        ("path,label,part\na.png,dress,tets\n", r"line 2 .*'tets'; did you mean test\?"),
        (
            "path,label,split\nb.png,dress,val\na.png,dress,tets\n",
            r"line 3 .*'tets'; did you mean test\?",
        ),
        ("path,label\na\0.png,dress\n", "line 2 has a path with a null character"),
        ("path,label\na.png,DRESS\nb.png,dress\n", r"'DRESS' \(1\) and 'dress' \(1\)"),
        ("path,label\n", "at least two classes are needed, but the selection has none"),
        ("path,label\na.png,dress\n", "the selection has dress"),
        (b"path,label\ncaf\xe9.png,dress\n", "not UTF-8"),
        (b'path,label\n"a.png"x,dress\n', "not a CSV file"),
    ],
)
def test_rejects_invalid_manifest(text: str | bytes, message: str, load: Load) -> None:
    with pytest.raises(InputError, match=message) as error:
        load(text)
    assert str(error.value).startswith("dataset.") and "\n" not in str(error.value)
