"""Whole collections from a fake site, in this process."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fashion_exp.commands.data.collect import run
from fashion_exp.configuration.schema import DatasetConfig
from fashion_exp.data.sources.csv_manifest import load_csv
from fashion_exp.data.sources.folder import load_folder
from fashion_exp.errors import InputError
from fashion_exp.tools.collect import collector
from fashion_exp.tools.collect.collector import round_robin
from tests.tools.collect.fake_site import FakeSite, jpeg, status

pytestmark = pytest.mark.slow

COLORS = ("red", "blue", "green")
ONE_CLASS = "classes: {dress: {target: 6}}\nprefixes: [red, blue, green]\n"


def add_images(site: FakeSite, count: int = 7) -> None:
    """Adds distinct images to six queries; the default is more than their cap."""
    for class_index, name in enumerate(("dress", "shirt")):
        for color_index, color in enumerate(COLORS):
            for number in range(count):
                path = f"/photos/{name}-{color}-{number}.jpg"
                content = jpeg(100 * class_index + 10 * color_index + number)
                site.add_results(f"{color} {name}", site.add_file(path, content))


Collect = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def collect(site: FakeSite, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Collect:
    """Collects into the folder `collection`; returns the exit code and the JSON report."""

    def run_command(plan: str = "", *options: str) -> tuple[int, dict[str, Any]]:
        text = plan or "classes: {dress: , shirt: }\nprefixes: [red, blue, green]\n"
        if "providers" not in text:
            text += "cap: 5\ntarget: 15\n"
            text += f"providers: [{{kind: openverse, base: '{site.address}/v1', page_size: 3}}]\n"
        (tmp_path / "plan.yaml").write_text(text)
        code = run(
            [str(tmp_path / "plan.yaml"), "--into", str(tmp_path / "collection"), "--json",
             "--pace", "0", "--deadline", "0.5", "--allow-address", "127.0.0.1", "--largest", "0.5",
             *options]
        )  # fmt: skip
        return code, json.loads(capsys.readouterr().out)

    return run_command


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "collection"


def read_outcomes(folder: Path) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
    return [record for record in records if record["status"] != "listed"]


def read_csv(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text())))


def test_collects_target_of_each_class_and_color(
    site: FakeSite, collect: Collect, folder: Path
) -> None:
    add_images(site)
    code, report = collect()
    assert code == 0 and report["warnings"] == [] and report["conflicts"] == []
    for name in ("dress", "shirt"):
        assert report["classes"][name]["accepted"] == 15
        assert report["classes"][name]["colours"] == {"blue": 5, "green": 5, "red": 5}
        assert len(list((folder / name).iterdir())) == 15
    assert len(site.image_requests()) == 30 and set(site.image_requests().values()) == {1}
    rows = read_csv(folder / "images.csv")
    assert len(rows) == 30 and set(rows[0]) == {"path", "label", "group", "colour"}
    assert all((folder / row["path"]).read_bytes()[:2] == b"\xff\xd8" for row in rows)
    rows = read_csv(folder / "ATTRIBUTION.csv")
    assert len(rows) == 30 and rows[0]["creator"] == "'=Ada"
    assert rows[0]["licence"] == "by-sa 2.0" and rows[0]["landing_page"].endswith(".html")
    assert not (folder / ".unfinished").exists()
    page = (folder / "collection.html").read_text()
    assert page.count("data:image/jpeg;base64,") == 30 and page.count("by-sa 2.0") == 30


def test_second_run_requests_nothing(site: FakeSite, collect: Collect, folder: Path) -> None:
    add_images(site)
    collect()
    requests, manifest = site.requests.copy(), (folder / "manifest.jsonl").read_bytes()
    assert collect()[0] == 0
    assert site.requests == requests and (folder / "manifest.jsonl").read_bytes() == manifest


def test_replaces_deleted_image_and_balances_colors(
    site: FakeSite, collect: Collect, folder: Path
) -> None:
    add_images(site)
    _, report = collect(ONE_CLASS)
    assert report["classes"]["dress"]["colours"] == {"blue": 2, "green": 2, "red": 2}
    deleted = sorted((folder / "dress").iterdir())[0]
    deleted.unlink()
    code, report = collect(ONE_CLASS)
    assert code == 0 and report["classes"]["dress"]["accepted"] == 6 and not deleted.exists()
    assert set(site.image_requests().values()) == {1}
    assert len(read_csv(folder / "images.csv")) == 6


def test_misbehaving_server_costs_one_image_each(
    site: FakeSite, collect: Collect, folder: Path
) -> None:
    paths = [path for path in site.replies if path.startswith(("/bad/", "/private/"))]
    site.add_results("red dress", *(site.address + path for path in paths))
    site.add_results("red dress", site.add_file("/photos/1.jpg", jpeg(1)))
    providers = f"providers: [{{kind: openverse, base: '{site.address}/v1'}}]"
    plan = f"classes: {{dress: }}\nprefixes: [red]\ntarget: 2\n{providers}"
    code, report = collect(plan)
    dress = report["classes"]["dress"]
    assert code == 3 and dress["accepted"] == 1 and dress["looked_at"] == len(paths) + 1
    assert dress["rejected"] == {
        "no picture": 2, "wrong type": 1, "encoded": 1, "too large": 4, "opted out": 2,
        "robots.txt": 2, "refused by the server": 1, "redirects": 3, "blocked address": 2,
        "no web address": 1, "broken picture": 2,
    }  # fmt: skip
    assert dress["failed"] == {"too slow": 2, "cut short": 1, "server error": 1}
    requests = site.requests.copy()
    site.add_file("/bad/broken", jpeg(2))
    code, report = collect(plan)
    assert code == 0 and report["classes"]["dress"]["accepted"] == 2
    retried = {path for path in paths if site.requests[path] > requests[path]}
    assert retried == {
        "/bad/slow-headers", "/bad/slow-body", "/bad/more-declared", "/bad/broken",
    }  # fmt: skip
    page = (folder / "collection.html").read_text()
    assert "opted out" in page and "javascript:" not in page and "<script" not in page


def test_identical_images_are_copies_or_conflicts(
    site: FakeSite, collect: Collect, folder: Path
) -> None:
    first, same, other = (
        site.add_file(f"/photos/{name}.jpg", jpeg(seed))
        for name, seed in (("first", 1), ("same", 1), ("other", 2))
    )
    site.add_results("red dress", first, same, other)
    site.add_results("blue dress", first)
    site.add_results("red shirt", same)
    site.add_results("blue shirt", first)
    code, report = collect()
    assert code == 3 and len(site.image_requests()) == 3
    assert set(site.image_requests().values()) == {1}
    outcomes = read_outcomes(folder)
    assert sorted((outcome["class"], outcome["status"]) for outcome in outcomes) == [
        ("dress", "accepted"), ("dress", "accepted"), ("dress", "copy"), ("dress", "copy"),
        ("shirt", "conflict"), ("shirt", "copy"),
    ]  # fmt: skip
    assert len(list(folder.glob("*/*.jpg"))) == 3
    rows = [row for row in read_csv(folder / "images.csv") if row["path"] == outcomes[0]["file"]]
    assert [row["group"] for row in rows] == [f"{first}.html", f"{same}.html"]  # joins the groups
    (conflict,) = report["conflicts"]
    assert [file.partition("/")[0] for file in conflict] == ["dress", "shirt"]
    assert report["classes"]["dress"]["accepted"] == 1
    assert report["classes"]["shirt"]["accepted"] == 0
    (folder / conflict[0]).unlink()  # the user decides that it is a shirt
    assert collect()[1]["classes"]["shirt"]["accepted"] == 1


def test_collects_from_url_list(
    site: FakeSite, collect: Collect, folder: Path, tmp_path: Path
) -> None:
    lines = ["url,class,colour,licence,creator,group"]
    for number in range(4):
        url = site.add_file(f"/photos/{number}.jpg", jpeg(number))
        lines.append(f"{url},{'dress' if number % 2 else 'shirt'},red,cc0,Ada,shoot {number // 2}")
    (tmp_path / "list.csv").write_text("\ufeff" + "\n".join(lines))
    plan = "classes: {dress: , shirt: }\ntarget: 2\nproviders: [{kind: urls, file: list.csv}]"
    assert collect(plan)[0] == 0
    rows = read_csv(folder / "images.csv")
    assert {(row["label"], row["group"], row["colour"]) for row in rows} == {
        (name, f"shoot {number}", "red") for name in ("dress", "shirt") for number in range(2)
    }
    (tmp_path / "list.csv").write_text("\n".join([*lines, "http://127.0.0.1/x,skirt,,,,"]))
    with pytest.raises(InputError, match=r"list\.csv, line 6: the plan has no class 'skirt'"):
        collect(plan)


def test_collects_from_local_folder(
    photos: Path, collect: Collect, folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(photos / "train", tmp_path / "source")
    (tmp_path / "source/dress/broken.png").write_bytes(b"no")
    plan = """
classes: {dress: , shirt: }
target: 16
providers: [{kind: folder, path: source, licence: cc0, creator: Ada}]
"""
    code, report = collect(plan)
    assert code == 0 and report["classes"]["shirt"]["accepted"] == 16
    collected = {path.read_bytes() for path in (folder / "shirt").iterdir()}
    assert collected == {path.read_bytes() for path in (photos / "train/shirt").iterdir()}
    with pytest.raises(InputError, match="nowhere"):
        collect(plan.replace("path: source", "path: nowhere"))
    with pytest.raises(InputError, match="has no images in subfolders named skirt"):
        collect(plan.replace("dress: , shirt: ", "skirt: "))


def test_rejects_collection_as_its_own_source(collect: Collect, folder: Path) -> None:
    (folder / "dress").mkdir(parents=True)
    (folder / "dress/1.jpg").write_bytes(jpeg(1))
    with pytest.raises(InputError, match="is a source folder of the plan"):
        collect("classes: {dress: }\nproviders: [{kind: folder, path: collection}]\n")
    assert len(list((folder / "dress").iterdir())) == 1


@pytest.mark.timeout(60)
def test_local_folder_with_special_files_and_names(collect: Collect, tmp_path: Path) -> None:
    source = tmp_path / "source/dress"
    source.mkdir(parents=True)
    (source / os.fsdecode(b"caf\xe9 #1%.jpg")).write_bytes(jpeg(1))
    os.mkfifo(source / "pipe.jpg")
    (source / "endless.jpg").symlink_to("/dev/zero")
    (source / "broken.jpg").symlink_to("nowhere")
    code, report = collect("classes: {dress: }\nproviders: [{kind: folder, path: source}]\n")
    assert code == 3 and report["classes"]["dress"]["accepted"] == 1
    assert report["classes"]["dress"]["failed"] == {"unreadable": 3}


def test_larger_size_limit_retries_large_files(
    site: FakeSite, collect: Collect, folder: Path
) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (700, 700, 3), np.uint8))
    noise.save(large := io.BytesIO(), "JPEG", quality=95)
    site.add_results("red dress", site.add_file("/photos/large.jpg", large.getvalue()))
    plan = f"""
classes: {{dress: {{target: 1}}}}
prefixes: [red]
providers: [{{kind: openverse, base: '{site.address}/v1'}}]
"""
    for _ in range(2):
        assert collect(plan)[1]["classes"]["dress"]["rejected"] == {"too large": 1}
    assert site.image_requests() == {"/photos/large.jpg": 1}
    code, report = collect(plan, "--largest", "5")
    assert code == 0 and report["classes"]["dress"]["accepted"] == 1
    assert site.image_requests() == {"/photos/large.jpg": 2}
    (file,) = (folder / "dress").iterdir()
    assert f'href="dress/{file.name}"' in (folder / "collection.html").read_text()


def test_collection_loads_as_dataset(site: FakeSite, collect: Collect, folder: Path) -> None:
    """As folder and as CSV: both exclude conflicts; a landing page is one group."""
    add_images(site, 3)
    site.add_results("red shirt", site.address + "/photos/dress-red-0.jpg")
    for result in site.results["blue dress"]:
        result["foreign_landing_url"] = "http://a/album"
    collect()
    as_folder, as_csv = (
        load(DatasetConfig(
            name=name, root=str(folder), manifest=str(folder / "images.csv"), classes=None,
            rename={}, max_megapixels=40.0,
        ))
        for name, load in (("folder", load_folder), ("csv", load_csv))
    )  # fmt: skip
    for images in (as_folder, as_csv):
        assert images.class_counts == {"dress": 8, "shirt": 9} and images.file_count == 19
        assert images.left_out["reason"].str.startswith("label conflict").all()
    assert list(as_csv.rows["image_id"]) == list(as_folder.rows["image_id"])
    assert (as_csv.rows["group_id"] == "http://a/album").sum() == 3


def test_resumes_after_provider_stopped(site: FakeSite, collect: Collect) -> None:
    add_images(site)
    search = site.search_reply

    def limited_search(handler: BaseHTTPRequestHandler) -> None:
        is_over_limit = site.requests["/v1/images/"] > 4
        (status(429, Retry_After="86400") if is_over_limit else search)(handler)

    site.search_reply = limited_search
    code, report = collect()
    assert code == 1 and 0 < report["classes"]["dress"]["accepted"] < 15
    (message,) = report["stopped"]
    assert "a pause of 24 h 00 min; run the same command again" in message
    site.search_reply = search
    assert collect()[0] == 0 and set(site.image_requests().values()) == {1}


def test_resumes_after_full_disk(
    site: FakeSite, collect: Collect, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_images(site)
    save_image, saved = collector.save_image, list[str]()

    def save_four(folder: Path, label: str, name: str, content: bytes) -> str:
        if len(saved) == 4:
            raise OSError(28, "No space left on device", str(folder / name))
        saved.append(name)
        return save_image(folder, label, name, content)

    with monkeypatch.context() as patch:
        patch.setattr(collector, "save_image", save_four)
        with pytest.raises(InputError, match="no space left on device; fix the cause"):
            collect()
    assert collect()[0] == 0 and site.image_requests().total() == 31


def test_keeps_image_list_of_another_origin(collect: Collect, folder: Path) -> None:
    folder.mkdir()
    (folder / "images.csv").write_text("path,label")
    with pytest.raises(InputError, match=r"images\.csv: exists and is not from a collection"):
        collect()
    assert (folder / "images.csv").read_text() == "path,label"


def test_round_robin_alternates() -> None:
    assert list(round_robin([iter("abc"), iter(""), iter("d"), iter("ef")])) == list("adebfc")


def test_dry_run_sends_no_request(
    site: FakeSite, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "plan.yaml").write_text("classes: {dress: }\nprefixes: [grey, gray]")
    assert run([str(tmp_path / "plan.yaml"), "--dry-run"]) == 0
    output = capsys.readouterr()
    assert "dress: 2 queries, at most 200 results: grey dress, gray dress" in output.out
    assert "plan.yaml, line 2: prefixes 'grey' and 'gray' are the same color" in output.err
    assert not site.requests


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "--into: give the folder"),
        (["--into", "x", "--pace", "-1"], "--pace -1: must not be negative"),
        (["--into", "x", "--deadline", "nan"], "--deadline nan: must be greater than 0"),
        (["--into", "x", "--allow-address", "here"], "--allow-address here: "),
        (["--into", "x", "--contact", "a\nb: c"], "--contact: "),
    ],
)
def test_rejects_invalid_options(tmp_path: Path, options: list[str], message: str) -> None:
    (tmp_path / "plan.yaml").write_text("classes: {dress: }")
    with pytest.raises(InputError, match=message):
        run([str(tmp_path / "plan.yaml"), *options])
