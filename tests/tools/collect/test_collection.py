"""A collection from a server with pictures and bad habits; in this process."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fashion_exp.commands.data.collect import run
from fashion_exp.configuration.schema import DatasetConfig
from fashion_exp.data.sources.csv_manifest import load_csv
from fashion_exp.data.sources.folder import load_folder
from fashion_exp.errors import InputError
from fashion_exp.tools.collect import image_store
from fashion_exp.tools.collect.collection import in_turn
from tests.tools.collect.site import Site, jpeg, status

COLOURS = ("red", "blue", "green")


def stock(site: Site, most: int = 7) -> None:
    """More pictures than may be looked at, each of its own."""
    for at, name in enumerate(("dress", "shirt")):
        for colour in COLOURS:
            for number in range(most):
                path = f"/photos/{name}-{colour}-{number}.jpg"
                content = jpeg(100 * at + 10 * COLOURS.index(colour) + number)
                site.offer(f"{colour} {name}", site.picture(path, content))


Collect = Callable[..., tuple[int, dict[str, object]]]


@pytest.fixture
def collect(site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Collect:
    """Runs the command into `mine`; gives its exit code and what it told programs."""

    def collected(plan: str = "", *words: str) -> tuple[int, dict[str, object]]:
        text = plan or "classes: {dress: , shirt: }\nprefixes: [red, blue, green]\n"
        if "providers" not in text:
            text += "cap: 5\ntarget: 15\n"
            text += f"providers: [{{kind: openverse, base: '{site.address}/v1', page_size: 3}}]\n"
        (tmp_path / "plan.yaml").write_text(text)
        code = run(
            [str(tmp_path / "plan.yaml"), "--into", str(tmp_path / "mine"), "--json", "--pace",
             "0", "--deadline", "0.5", "--allow-address", "127.0.0.1", "--largest", "0.5", *words]
        )  # fmt: skip
        return code, json.loads(capsys.readouterr().out)

    return collected


def lines(mine: Path) -> list[dict[str, object]]:
    told = [json.loads(line) for line in (mine / "manifest.jsonl").read_text().splitlines()]
    return [line for line in told if line["status"] != "listed"]


def table(mine: Path, name: str = "images.csv") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((mine / name).read_text())))


def classes(told: dict[str, object]) -> dict[str, dict[str, object]]:
    found = told["classes"]
    assert isinstance(found, dict)
    return found


def test_two_classes_of_three_colours(site: Site, collect: Collect, tmp_path: Path) -> None:
    stock(site)
    code, told = collect()
    mine = tmp_path / "mine"
    assert code == 0 and told["warnings"] == [] and told["conflicts"] == []
    for name in ("dress", "shirt"):
        assert classes(told)[name]["accepted"] == 15
        assert classes(told)[name]["colours"] == {"blue": 5, "green": 5, "red": 5}
        assert len(list((mine / name).iterdir())) == 15
    assert len(site.pictures_asked()) == 30 and set(site.pictures_asked().values()) == {1}
    listed = table(mine)
    assert len(listed) == 30 and set(listed[0]) == {"path", "label", "group", "colour"}
    assert all((mine / row["path"]).read_bytes()[:2] == b"\xff\xd8" for row in listed)
    credit = table(mine, "ATTRIBUTION.csv")
    assert len(credit) == 30 and credit[0]["creator"] == "'=Ada"
    assert credit[0]["licence"] == "by-sa 2.0" and credit[0]["landing_page"].endswith(".html")
    assert not (mine / ".unfinished").exists()


def test_a_second_run_fetches_nothing(site: Site, collect: Collect, tmp_path: Path) -> None:
    stock(site)
    collect()
    before, written = site.asked.copy(), (tmp_path / "mine/manifest.jsonl").read_bytes()
    assert collect()[0] == 0
    assert site.asked == before and (tmp_path / "mine/manifest.jsonl").read_bytes() == written


def test_a_class_that_is_full_early_has_its_share_of_every_colour(
    site: Site, collect: Collect
) -> None:
    stock(site)
    plan = "classes: {dress: {target: 6}}\nprefixes: [red, blue, green]\n"
    assert classes(collect(plan)[1])["dress"]["colours"] == {"blue": 2, "green": 2, "red": 2}


def test_what_is_deleted_stays_deleted_and_is_made_up_for(
    site: Site, collect: Collect, tmp_path: Path
) -> None:
    stock(site)
    plan = "classes: {dress: {target: 6}}\nprefixes: [red, blue, green]\n"
    collect(plan)
    gone = sorted((tmp_path / "mine/dress").iterdir())[0]
    gone.unlink()
    code, told = collect(plan)
    assert code == 0 and classes(told)["dress"]["accepted"] == 6 and not gone.exists()
    assert set(site.pictures_asked().values()) == {1} and len(table(tmp_path / "mine")) == 6


def test_every_bad_habit_costs_one_file(site: Site, collect: Collect, tmp_path: Path) -> None:
    bad = [path for path in site.replies if path.startswith(("/bad/", "/private/"))]
    site.offer("red dress", *(site.address + path for path in bad))
    site.offer("red dress", site.picture("/photos/1.jpg", jpeg(1)))
    providers = f"providers: [{{kind: openverse, base: '{site.address}/v1'}}]"
    plan = f"classes: {{dress: }}\nprefixes: [red]\ntarget: 2\n{providers}"
    code, told = collect(plan)
    dress = classes(told)["dress"]
    assert code == 3 and dress["accepted"] == 1 and dress["looked_at"] == len(bad) + 1
    assert dress["rejected"] == {
        "no picture": 2, "wrong type": 1, "encoded": 1, "too large": 4, "opted out": 2,
        "robots.txt": 2, "refused by the server": 1, "redirects": 3, "blocked address": 2,
        "no web address": 1, "broken picture": 2,
    }  # fmt: skip
    assert dress["failed"] == {"too slow": 2, "cut short": 1, "server error": 1}
    asked = site.asked.copy()
    site.picture("/bad/broken", jpeg(2))
    code, told = collect(plan)
    assert code == 0 and classes(told)["dress"]["accepted"] == 2
    again = {path for path in bad if site.asked[path] > asked[path]}
    assert again == {"/bad/drip", "/bad/dripping-body", "/bad/more-declared", "/bad/broken"}
    page = (tmp_path / "mine/collection.html").read_text()
    assert "opted out" in page and "javascript:" not in page and "<script" not in page


def test_the_same_bytes_are_kept_once_and_under_two_classes_are_a_conflict(
    site: Site, collect: Collect, tmp_path: Path
) -> None:
    one, same, own = (
        site.picture(f"/photos/{name}.jpg", jpeg(seed))
        for name, seed in (("one", 1), ("same", 1), ("own", 2))
    )
    site.offer("red dress", one, same, own)
    site.offer("blue dress", one)
    site.offer("red shirt", same)
    site.offer("blue shirt", one)
    code, told = collect()
    mine = tmp_path / "mine"
    assert code == 3 and len(site.pictures_asked()) == 3
    assert set(site.pictures_asked().values()) == {1}
    statuses = [(line["class"], line["status"]) for line in lines(mine)]
    assert sorted(statuses) == [
        ("dress", "accepted"), ("dress", "accepted"), ("dress", "copy"), ("dress", "copy"),
        ("shirt", "conflict"), ("shirt", "copy"),
    ]  # fmt: skip
    assert len(list(mine.glob("*/*.jpg"))) == 3
    pages = [row["group"] for row in table(mine) if row["path"] == lines(mine)[0]["file"]]
    assert pages == [f"{one}.html", f"{same}.html"]  # one group from now on
    (conflict,) = told["conflicts"]  # type: ignore[misc]
    assert [file.partition("/")[0] for file in conflict] == ["dress", "shirt"]
    assert classes(told)["dress"]["accepted"] == 1 and classes(told)["shirt"]["accepted"] == 0
    (mine / conflict[0]).unlink()  # a person decides that it is a shirt
    assert classes(collect()[1])["shirt"]["accepted"] == 1


def test_a_list_of_addresses(site: Site, collect: Collect, tmp_path: Path) -> None:
    rows = ["url,class,colour,licence,creator,group"]
    for number in range(4):
        url = site.picture(f"/photos/{number}.jpg", jpeg(number))
        rows.append(f"{url},{'dress' if number % 2 else 'shirt'},red,cc0,Ada,shoot {number // 2}")
    (tmp_path / "list.csv").write_text("\ufeff" + "\n".join(rows))
    plan = "classes: {dress: , shirt: }\ntarget: 2\nproviders: [{kind: urls, file: list.csv}]"
    assert collect(plan)[0] == 0
    assert {(row["label"], row["group"], row["colour"]) for row in table(tmp_path / "mine")} == {
        (name, f"shoot {number}", "red") for name in ("dress", "shirt") for number in range(2)
    }
    (tmp_path / "list.csv").write_text("\n".join([*rows, "http://127.0.0.1/x,skirt,,,,"]))
    with pytest.raises(InputError, match=r"list\.csv, line 6: the plan has no class 'skirt'"):
        collect(plan)


def test_a_folder_of_this_machine(photos: Path, collect: Collect, tmp_path: Path) -> None:
    shutil.copytree(photos / "train", tmp_path / "old")
    (tmp_path / "old/dress/broken.png").write_bytes(b"no")
    plan = """
classes: {dress: , shirt: }
target: 16
providers: [{kind: folder, path: old, licence: cc0, creator: Ada}]
"""
    code, told = collect(plan)
    assert code == 0 and classes(told)["shirt"]["accepted"] == 16
    collected = {path.read_bytes() for path in (tmp_path / "mine/shirt").iterdir()}
    assert collected == {path.read_bytes() for path in (photos / "train/shirt").iterdir()}
    with pytest.raises(InputError, match=r"there is no folder .*nowhere"):
        collect(plan.replace("path: old", "path: nowhere"))
    with pytest.raises(InputError, match="has no pictures below folders named skirt"):
        collect(plan.replace("dress: , shirt: ", "skirt: "))


def test_a_folder_is_not_collected_into_itself(collect: Collect, tmp_path: Path) -> None:
    (tmp_path / "mine/dress").mkdir(parents=True)
    (tmp_path / "mine/dress/1.jpg").write_bytes(jpeg(1))
    with pytest.raises(InputError, match="is the plan's own source"):
        collect("classes: {dress: }\nproviders: [{kind: folder, path: mine}]\n")
    assert len(list((tmp_path / "mine/dress").iterdir())) == 1


@pytest.mark.timeout(60)
def test_of_a_folder_no_pipe_is_waited_for_and_no_name_is_too_odd(
    collect: Collect, tmp_path: Path
) -> None:
    old = tmp_path / "old/dress"
    old.mkdir(parents=True)
    (old / os.fsdecode(b"caf\xe9 #1%.jpg")).write_bytes(jpeg(1))
    os.mkfifo(old / "pipe.jpg")
    (old / "endless.jpg").symlink_to("/dev/zero")
    (old / "broken.jpg").symlink_to("nowhere")
    code, told = collect("classes: {dress: }\nproviders: [{kind: folder, path: old}]\n")
    assert code == 3 and classes(told)["dress"]["accepted"] == 1
    assert classes(told)["dress"]["failed"] == {"unreadable": 3}


def test_what_was_too_large_is_asked_for_again_where_more_is_taken(
    site: Site, collect: Collect, tmp_path: Path
) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (700, 700, 3), np.uint8))
    noise.save(large := io.BytesIO(), "JPEG", quality=95)
    site.offer("red dress", site.picture("/photos/large.jpg", large.getvalue()))
    plan = f"""
classes: {{dress: {{target: 1}}}}
prefixes: [red]
providers: [{{kind: openverse, base: '{site.address}/v1'}}]
"""
    assert classes(collect(plan)[1])["dress"]["rejected"] == {"too large": 1}
    assert classes(collect(plan)[1])["dress"]["rejected"] == {"too large": 1}
    assert site.pictures_asked() == {"/photos/large.jpg": 1}
    code, told = collect(plan, "--largest", "5")
    assert code == 0 and classes(told)["dress"]["accepted"] == 1
    assert site.pictures_asked() == {"/photos/large.jpg": 2}
    (file,) = (tmp_path / "mine/dress").iterdir()
    assert f'href="dress/{file.name}"' in (tmp_path / "mine/collection.html").read_text()


def test_a_collection_is_a_data_set(site: Site, collect: Collect, tmp_path: Path) -> None:
    """Read as folders and as a list; a conflict is left out of both, a shared page is a group."""
    stock(site, 3)
    shared = site.address + "/photos/dress-red-0.jpg"
    site.offer("red shirt", shared)
    for found in site.found["blue dress"]:
        found["foreign_landing_url"] = "http://a/album"
    collect()
    mine = tmp_path / "mine"
    knobs = {"classes": None, "rename": {}, "max_megapixels": 40.0}
    as_folder = load_folder(DatasetConfig(name="folder", root=str(mine), **knobs))
    as_list = load_csv(DatasetConfig(name="csv", manifest=str(mine / "images.csv"), **knobs))
    for images in (as_folder, as_list):
        assert images.class_counts == {"dress": 8, "shirt": 9} and images.found == 19
        assert images.left_out["reason"].str.startswith("label conflict").all()
    assert list(as_list.rows["image_id"]) == list(as_folder.rows["image_id"])
    assert (as_list.rows["group_id"] == "http://a/album").sum() == 3


def test_a_provider_that_stops_leaves_what_there_is(
    site: Site, collect: Collect, tmp_path: Path
) -> None:
    stock(site)
    search = site.search

    def limited(handler) -> None:  # type: ignore[no-untyped-def]
        if site.asked["/v1/images/"] > 4:
            return status(429, Retry_After="86400")(handler)
        return search(handler)

    site.search = limited  # type: ignore[method-assign]
    code, told = collect()
    assert code == 1 and 0 < classes(told)["dress"]["accepted"] < 15  # type: ignore[operator]
    (stopped,) = told["stopped"]  # type: ignore[misc]
    assert "left alone for 24 h 00 min; the same line goes on from here" in stopped
    site.search = search  # type: ignore[method-assign]
    assert collect()[0] == 0 and set(site.pictures_asked().values()) == {1}


def test_a_full_disk_is_one_line_and_loses_nothing(
    site: Site, collect: Collect, monkeypatch: pytest.MonkeyPatch
) -> None:
    stock(site)
    real, kept = image_store.keep, list[str]()

    def full(into: Path, label: str, name: str, content: bytes) -> str:
        if len(kept) == 4:
            raise OSError(28, "No space left on device", str(into / name))
        kept.append(name)
        return real(into, label, name, content)

    monkeypatch.setattr(image_store, "keep", full)
    with pytest.raises(InputError, match="no space left on device; mend that, and the same line"):
        collect()
    monkeypatch.setattr(image_store, "keep", real)
    assert collect()[0] == 0 and site.pictures_asked().total() == 31


def test_a_list_that_is_not_ours_is_not_written_over(collect: Collect, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/images.csv").write_text("path,label")
    with pytest.raises(InputError, match=r"images\.csv: is there, and not of a collection"):
        collect()
    assert (tmp_path / "mine/images.csv").read_text() == "path,label"


def test_turns() -> None:
    assert list(in_turn([iter("abc"), iter(""), iter("d"), iter("ef")])) == list("adebfc")


def test_a_dry_run_asks_nobody(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "plan.yaml").write_text("classes: {dress: }\nprefixes: [grey, gray]")
    assert run([str(tmp_path / "plan.yaml"), "--dry-run"]) == 0
    said = capsys.readouterr()
    assert "dress: 2 queries, at most 200 results: grey dress, gray dress" in said.out
    assert "plan.yaml, line 2: prefixes 'grey' and 'gray' are one colour" in said.err
    assert not site.asked


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "--into: name the folder"),
        (["--into", "x", "--pace", "-1"], "--pace -1: must not be negative"),
        (["--into", "x", "--deadline", "nan"], "--deadline nan: must be greater than 0"),
        (["--into", "x", "--allow-address", "here"], "--allow-address here: "),
        (["--into", "x", "--contact", "a\nb: c"], "--contact: "),
    ],
)
def test_mistakes_of_the_line(tmp_path: Path, words: list[str], said: str) -> None:
    (tmp_path / "plan.yaml").write_text("classes: {dress: }")
    with pytest.raises(InputError, match=said):
        run([str(tmp_path / "plan.yaml"), *words])


def test_pictures_are_shown_on_the_page(site: Site, collect: Collect, tmp_path: Path) -> None:
    stock(site, 1)
    collect()
    page = (tmp_path / "mine/collection.html").read_text()
    assert page.count("data:image/jpeg;base64,") == 6 and page.count("by-sa 2.0") == 6
