from __future__ import annotations

import csv
import dataclasses
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from fashion_exp.reporting import page
from fashion_exp.reporting.page import right_aligned, tied, write_report
from fashion_exp.reporting.report_content import Forest, ForestRow, Report
from fashion_exp.reporting.tables import PlainTable
from tests.reporting.example_report import made_up, study

CSS = Path(page.__file__).with_name("report.css").read_text()
HOSTILE = ('<b>bold</b> & "co"', "$x_1$ {{ 7 * 7 }}", "帽子 – cap", "L" + 120 * "ong" + "</svg>")


class _Seen(HTMLParser):
    """Every start tag with its attributes, and all text, unescaped."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {key: value or "" for key, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def every(self, tag: str) -> Iterator[dict[str, str]]:
        return (attributes for name, attributes in self.tags if name == tag)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    assert write_report(study(), folder) == folder / "report.html"
    return folder


@pytest.fixture(scope="module")
def seen(written: Path) -> _Seen:
    return _Seen((written / "report.html").read_text())


def _empty(**parts: object) -> Report:
    nothing = {
        field.name: () for field in dataclasses.fields(Report) if field.name not in parts
    } | {"title": "a study", "created": "today", "verdicts": None, "pairs": None}
    return Report(**(nothing | {"runs": PlainTable(["run"], [])} | parts))  # type: ignore[arg-type]


def test_everything_promised_is_there_and_nothing_else(written: Path) -> None:
    files = {path.relative_to(written).as_posix() for path in written.rglob("*") if path.is_file()}
    figures = ["accuracy-1", "accuracy-2", "curves", "effect-1", "effect-2", "effect-3"]
    figures += ["verdicts", "confusion-01"]
    tables = {"report.html", "report.md", "runs.csv", "pairs.csv"}
    assert files == tables | {f"figures/{name}.png" for name in figures}


def test_the_page_needs_nothing_but_itself(written: Path, seen: _Seen) -> None:
    text = (written / "report.html").read_text()
    assert not re.search(r"https?:|//[a-z]|@import|<script|<link|<iframe|<object", text)
    assert set(re.findall(r"url\((.)", text)) == {"#"}
    for _, attributes in seen.tags:
        assert attributes.get("src", "data:image/jpeg;").startswith("data:image/jpeg;")
        assert attributes.get("href", "#").startswith("#")
        assert not {"srcset", "xlink:href", "background"} & attributes.keys()
        assert not [key for key in attributes if key.startswith("on")]
    policy = next(one for one in seen.every("meta") if "http-equiv" in one)
    assert policy["content"].startswith("default-src 'none'")


def test_what_a_browser_and_a_reader_s_tool_ask_for(written: Path, seen: _Seen) -> None:
    assert next(seen.every("html"))["lang"] == "en"
    assert {"charset": "utf-8"} in list(seen.every("meta"))
    assert any(one.get("name") == "viewport" for one in seen.every("meta"))
    assert "clothing-grid: 12 runs on 3 classes" in seen.texts
    assert (written / "report.html").read_text().startswith("<!DOCTYPE html>")


def test_every_picture_has_words(seen: _Seen) -> None:
    drawn = list(seen.every("svg"))
    assert len(drawn) == 12 and len(list(seen.every("desc"))) == 12
    assert all(one["role"] == "img" and one["aria-label"] for one in drawn)
    assert len({one["aria-label"] for one in drawn}) == 6
    photos = list(seen.every("img"))
    assert len(photos) == 10 and all("labelled" in one["alt"] for one in photos)
    summaries = [text for text in seen.texts if text == "The numbers of this figure"]
    assert len(summaries) == 6


def test_ids_are_unique_and_every_link_leads_somewhere(seen: _Seen) -> None:
    ids = [attributes["id"] for _, attributes in seen.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    values = [value for _, told in seen.tags for value in told.values()]
    links = [value[1:] for value in values if re.fullmatch(r"#[\w-]+", value)]
    links += [name for value in values for name in re.findall(r"url\(#([^)]+)\)", value)]
    assert len(links) > 50 and set(links) <= set(ids)


def test_sections_stand_in_their_order(seen: _Seen) -> None:
    names = [one["id"].removesuffix("-section") for one in seen.every("section")]
    assert names == [
        "audit", "runs", "accuracy", "curves", "verdicts", "effects", "confounds", "plan",
        "confusions", "photos", "reproduce", "methods",
    ]  # fmt: skip
    badges = [
        one["class"].split()[1] for one in seen.every("span") if "badge" in one.get("class", "")
    ]
    assert badges == ["wrong", "doubtful", "doubtful", "fine", "fine", "fine"]


def test_colours_are_the_page_s_so_that_dark_reaches_the_figures(written: Path) -> None:
    text = (written / "report.html").read_text()
    drawn = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert not [colour for svg in drawn for colour in re.findall(r"#[0-9a-fA-F]{6}\b", svg)]
    assert not re.search(r"<style[^>]*>\s*\*", text)
    used = set(re.findall(r"var\((--[\w-]+)", text))
    assert used <= set(re.findall(r"(--[\w-]+):", text)) | {"--rate"} and len(used) > 10


def _light(colour: str) -> float:
    digits = "".join(2 * digit for digit in colour[1:]) if len(colour) == 4 else colour[1:]
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_text_stands_out_by_wcag_aa(theme: int) -> None:
    blocks = re.findall(r":root \{(.*?)\n *\}", CSS, re.DOTALL)
    colours = dict(re.findall(r"--(\w+): (#[0-9a-f]+);", blocks[theme]))
    text = ("ink", "muted", "blue", "wrong", "doubtful", "fine")
    pairs = [(name, "paper") for name in text]
    pairs += [("ink", name) for name in ("better", "worse", "same", "heat", "shade")]
    pairs += [("muted", "shade")]
    assert len(pairs) == 12
    for front, back in pairs:
        low, high = sorted((_light(colours[front]), _light(colours[back])))
        assert (high + 0.05) / (low + 0.05) >= 4.5, (front, back)
    for line in ("vermilion", "green", "purple", "brown"):
        low, high = sorted((_light(colours[line]), _light(colours["paper"])))
        assert (high + 0.05) / (low + 0.05) >= 3, line


def test_the_user_s_texts_are_shown_as_they_are(tmp_path: Path) -> None:
    report = made_up(HOSTILE, 100, seed=2, epochs=3)
    told = dataclasses.replace(report.confusions[0], classes=HOSTILE[:3])
    group = dataclasses.replace(report.photos[0], title=HOSTILE[0])
    text = write_report(
        dataclasses.replace(
            report, title=HOSTILE[0], answer=HOSTILE, confusions=[told], photos=[group],
            reproduce=HOSTILE,
        ),
        tmp_path,
    ).read_text()  # fmt: skip
    seen = _Seen(text)
    shown = " ".join("".join(seen.texts).split())
    for name in HOSTILE:
        assert shown.count(" ".join(name.split())) > 4, name
    assert "<b>bold" not in text and text.count("</svg>") == text.count("<svg")
    assert (
        HOSTILE[0].replace("<", r"\<").replace(">", r"\>") in (tmp_path / "report.md").read_text()
    )


def test_commands_can_be_copied_to_the_letter(written: Path) -> None:
    blocks = re.findall(r"<code>(.*?)</code>", (written / "report.html").read_text(), re.DOTALL)
    commands = ["".join(_Seen(block).texts) for block in blocks]
    assert commands == [*study().missing_cells, *study().reproduce]


def test_empty_parts_vanish(tmp_path: Path) -> None:
    seen = _Seen(write_report(_empty(), tmp_path).read_text())
    assert not list(seen.every("section")) and not list(seen.every("nav"))
    assert not list(seen.every("table")) and not list(seen.every("svg"))
    assert not (tmp_path / "pairs.csv").exists()
    assert not list((tmp_path / "figures").glob("*"))
    assert (tmp_path / "report.md").read_text() == "# a study\n\ntoday\n"


def test_one_run_needs_no_pair(tmp_path: Path) -> None:
    report = made_up(["only"], 50, seed=0, epochs=1)
    seen = _Seen(write_report(report, tmp_path).read_text())
    names = {one["id"].removesuffix("-section") for one in seen.every("section")}
    assert {"runs", "accuracy", "curves"} < names and "verdicts" not in names
    assert not (tmp_path / "pairs.csv").exists()


def test_a_row_without_a_number_is_named_with_its_reason(tmp_path: Path) -> None:
    rows = [ForestRow("a", 0.8, 0.7, 0.9), ForestRow("b", None, None, None, "failed: no memory")]
    loss = Forest("Loss", [ForestRow("a", 0.51, 0.42, 0.66)], percent=False)
    report = _empty(accuracy=[Forest("Accuracy", rows), loss])
    text = write_report(report, tmp_path).read_text()
    assert text.count("failed: no memory") >= 3 and "0.510 (0.420–0.660)" in text


def test_a_later_report_leaves_nothing_of_an_earlier_one(tmp_path: Path) -> None:
    report = made_up(["a", "b"], 50, seed=0, epochs=2)
    write_report(report, tmp_path)
    assert {"verdicts.png", "accuracy-2.png"} < {p.name for p in (tmp_path / "figures").iterdir()}
    own = tmp_path / "figures" / "own.png"
    own.write_text("the user's")
    write_report(_empty(), tmp_path)
    assert list((tmp_path / "figures").iterdir()) == [own]
    assert not (tmp_path / "pairs.csv").exists()


def test_a_report_that_fails_leaves_the_old_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page_file = write_report(_empty(), tmp_path)
    before = page_file.read_text()
    broken = made_up(["a", "b"], 50, seed=0, epochs=2)
    photos = [dataclasses.replace(broken.photos[0].photos[0], picture=3)]
    group = dataclasses.replace(broken.photos[0], photos=photos)
    with pytest.raises(TypeError):
        write_report(dataclasses.replace(broken, photos=[group]), tmp_path)
    assert page_file.read_text() == before


def test_the_same_report_gives_the_same_bytes(written: Path, tmp_path: Path) -> None:
    write_report(study(), tmp_path)
    names = sorted(path.relative_to(written) for path in written.rglob("*") if path.is_file())
    assert len(names) == 12
    for name in names:
        assert (tmp_path / name).read_bytes() == (written / name).read_bytes(), name


def test_tables_are_kept_as_they_were_given(written: Path) -> None:
    pairs = study().pairs
    assert pairs is not None
    for table, name in ((study().runs, "runs.csv"), (pairs, "pairs.csv")):
        with (written / name).open(newline="") as file:
            header, *rows = csv.reader(file)
        assert header == [*table.header] and rows == [[*row] for row in table.rows]


def test_markdown_says_the_same(written: Path) -> None:
    text, report = (written / "report.md").read_text(), study()
    assert f"**{report.answer[0]}**" in text
    for word in ("wrong", "doubtful", "fine", "basic_cnn lr=0.0001", "Tango's paired interval"):
        assert word in text
    pictures = re.findall(r"!\[[^\]]+\]\((figures/[^)]+)\)", text)
    assert len(pictures) == 6 and all((written / name).is_file() for name in pictures)
    assert text.index("| wrong |") < text.index("| doubtful |") < text.index("| fine |")


def test_two_hundred_runs_still_load_and_read(tmp_path: Path) -> None:
    names = [f"vit_{place // 40} lr=1e-{place % 40} dropout=0.{place}" for place in range(200)]
    text = write_report(made_up(names, 2000, seed=0, epochs=60), tmp_path).read_text()
    assert len(text.encode()) < 3_000_000
    runs = text[text.index('id="runs-section"') : text.index('id="accuracy-section"')]
    assert all(f">{name}<" in runs for name in names)
    for words in (
        "The first 60 of 200 rows",
        "The first 24 of 200 runs",
        "The first 30 of 200 runs",
    ):
        assert words in text
    assert "The first 435 of 19,900 pairs; all are in pairs.csv." in text
    assert len((tmp_path / "pairs.csv").read_text().splitlines()) == 19_901


def test_columns_of_numbers_are_set_to_the_right() -> None:
    rows = [
        ("1", "0.5", "+1.2", "80/20", "94.1 % (90.9–97.2)", "2e-4", "9f3c", "–", "", "< 0.001"),
        ("2", "–", "−0.3", "50/50", "8 %", "0", "12ab", "–", "", "0.04"),
    ]
    told = right_aligned(PlainTable([*"abcdefghij"], rows))
    assert told == [False, True, True, False, True, True, False, True, False, True]


def test_a_number_keeps_its_unit_at_its_side() -> None:
    assert tied("94.1 % of n = 214, p < 0.001; 5 of 6") == (
        "94.1\xa0% of n\xa0=\xa0214, p <\xa00.001; 5 of 6"
    )
