from __future__ import annotations

import csv
import dataclasses
import re
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fashion_exp.reporting import comparison_figures, page
from fashion_exp.reporting.page import write_report
from fashion_exp.reporting.report_content import ForestPlot, ForestRow, Photo, PhotoGroup, Report
from fashion_exp.reporting.tables import PlainTable
from fashion_exp.reporting.templates import keep_units, right_aligned
from tests.reporting.example_report import example_report, make_report

pytestmark = pytest.mark.slow

CSS = Path(page.__file__).with_name("report.css").read_text()
HOSTILE_NAMES = (
    '<b>bold</b> & "co"', "$x_1$ {{ 7 * 7 }}", "帽子 – cap", "L" + 120 * "ong" + "</svg>",
)  # fmt: skip


class ParsedPage(HTMLParser):
    """Every start tag with its attributes, and all texts, unescaped."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {key: value or "" for key, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def all(self, tag: str) -> Iterator[dict[str, str]]:
        return (attributes for name, attributes in self.tags if name == tag)


@pytest.fixture(scope="module")
def report() -> Report:
    return example_report()


@pytest.fixture(scope="module")
def folder(report: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    assert write_report(report, folder) == folder / "report.html"
    return folder


@pytest.fixture(scope="module")
def html(folder: Path) -> str:
    return (folder / "report.html").read_text()


@pytest.fixture(scope="module")
def parsed(html: str) -> ParsedPage:
    return ParsedPage(html)


def minimal_report() -> Report:
    """A report without any content."""
    fields: dict[str, Any] = {field.name: () for field in dataclasses.fields(Report)}
    fields |= {"title": "a study", "created": "today", "runs": PlainTable(["run"], [])}
    return Report(**fields | {"verdicts": None, "pairs": None, "accuracy_name": "accuracy"})


def small_report(names: Sequence[str], images: int = 50, epochs: int = 2) -> Report:
    """A report with few figures."""
    report = make_report(names, images, seed=0, epochs=epochs)
    return dataclasses.replace(report, accuracy=report.accuracy[:1], effects=[])


def test_writes_exactly_the_documented_files(folder: Path) -> None:
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    figures = ["accuracy-1", "accuracy-2", "curves", "effect-1", "effect-2", "effect-3"]
    figures += ["verdicts", "confusion-01"]
    tables = {"report.html", "report.md", "runs.csv", "pairs.csv"}
    assert files == tables | {f"figures/{name}.png" for name in figures}


def test_page_is_self_contained(html: str, parsed: ParsedPage) -> None:
    assert html.startswith("<!DOCTYPE html>")
    assert not re.search(r"https?:|//[a-z]|@import|<script|<link|<iframe|<object", html)
    assert set(re.findall(r"url\((.)", html)) == {"#"}
    for _, attributes in parsed.tags:
        assert attributes.get("src", "data:image/jpeg;").startswith("data:image/jpeg;")
        assert attributes.get("href", "#").startswith("#")
        assert not {"srcset", "xlink:href", "background"} & attributes.keys()
        assert not [key for key in attributes if key.startswith("on")]
    policy = next(meta for meta in parsed.all("meta") if "http-equiv" in meta)
    assert policy["content"].startswith("default-src 'none'")


def test_page_declares_language_charset_and_viewport(parsed: ParsedPage) -> None:
    assert next(parsed.all("html"))["lang"] == "en"
    assert {"charset": "utf-8"} in list(parsed.all("meta"))
    assert any(meta.get("name") == "viewport" for meta in parsed.all("meta"))
    assert "clothing-grid: 12 runs on 3 classes" in parsed.texts


def test_every_figure_and_photo_has_alternative_text(parsed: ParsedPage) -> None:
    svgs = list(parsed.all("svg"))
    assert len(svgs) == 12 and len(list(parsed.all("desc"))) == 12
    assert all(svg["role"] == "img" and svg["aria-label"] for svg in svgs)
    assert len({svg["aria-label"] for svg in svgs}) == 6
    photos = list(parsed.all("img"))
    assert len(photos) == 10 and all("labeled" in photo["alt"] for photo in photos)
    assert parsed.texts.count("Numbers of this figure") == 6


def test_ids_are_unique_and_internal_links_resolve(parsed: ParsedPage) -> None:
    ids = [attributes["id"] for _, attributes in parsed.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    values = [value for _, attributes in parsed.tags for value in attributes.values()]
    links = [value[1:] for value in values if re.fullmatch(r"#[\w-]+", value)]
    links += [name for value in values for name in re.findall(r"url\(#([^)]+)\)", value)]
    assert len(links) > 50 and set(links) <= set(ids)


def test_sections_and_findings_are_in_order(parsed: ParsedPage) -> None:
    names = [section["id"].removesuffix("-section") for section in parsed.all("section")]
    assert names == [
        "audit", "runs", "accuracy", "curves", "verdicts", "effects", "confounds", "plan",
        "confusions", "photos", "reproduce", "methods",
    ]  # fmt: skip
    classes = [span.get("class", "") for span in parsed.all("span")]
    badges = [name.split()[1] for name in classes if "badge" in name]
    assert badges == ["wrong", "doubtful", "doubtful", "fine", "fine", "fine"]


def test_figures_use_the_css_variables_of_the_page(html: str) -> None:
    svgs = re.findall(r"<svg.*?</svg>", html, re.DOTALL)
    assert len(svgs) == 12
    assert not [color for svg in svgs for color in re.findall(r"#[0-9a-fA-F]{6}\b", svg)]
    used = set(re.findall(r"var\((--[\w-]+)", html))
    assert used <= set(re.findall(r"(--[\w-]+):", html)) | {"--rate"} and len(used) > 10


def contrast(first: str, second: str) -> float:
    """The contrast ratio of WCAG 2."""
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def luminance(color: str) -> float:
    digits = "".join(2 * digit for digit in color[1:]) if len(color) == 4 else color[1:]
    parts = [int(digits[start : start + 2], 16) / 255 for start in (0, 2, 4)]
    r, g, b = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_colors_meet_wcag_aa_contrast(theme: int) -> None:
    blocks = re.findall(r":root \{(.*?)\n *\}", CSS, re.DOTALL)
    colors = dict(re.findall(r"--(\w+): (#[0-9a-f]+);", blocks[theme]))
    text = ("ink", "muted", "blue", "wrong", "doubtful", "fine")
    pairs = [(name, "paper") for name in text] + [("muted", "shade")]
    pairs += [("ink", name) for name in ("better", "worse", "same", "heat", "shade")]
    for front, back in pairs:
        assert contrast(colors[front], colors[back]) >= 4.5, (front, back)
    for line in ("vermilion", "green", "purple", "brown"):
        assert contrast(colors[line], colors["paper"]) >= 3, line


def test_user_texts_are_escaped_and_complete(tmp_path: Path) -> None:
    report = small_report(HOSTILE_NAMES)
    confusion = dataclasses.replace(report.confusions[0], classes=HOSTILE_NAMES[:3])
    group = dataclasses.replace(report.photos[0], title=HOSTILE_NAMES[0])
    text = write_report(
        dataclasses.replace(
            report, title=HOSTILE_NAMES[0], answer=HOSTILE_NAMES, confusions=[confusion],
            photos=[group], reproduce=HOSTILE_NAMES,
        ),
        tmp_path,
    ).read_text()  # fmt: skip
    shown = " ".join("".join(ParsedPage(text).texts).split())
    for name in HOSTILE_NAMES:
        assert shown.count(" ".join(name.split())) > 4, name
    assert "<b>bold" not in text and text.count("</svg>") == text.count("<svg")
    assert r"\<b\>bold\</b\>" in (tmp_path / "report.md").read_text()


def test_commands_can_be_copied_verbatim(html: str, report: Report) -> None:
    blocks = re.findall(r"<code>(.*?)</code>", html, re.DOTALL)
    commands = ["".join(ParsedPage(block).texts) for block in blocks]
    assert commands == [*report.missing_cells, *report.reproduce]


def test_empty_report_has_no_sections_and_removes_older_files(tmp_path: Path) -> None:
    write_report(small_report(["a", "b"]), tmp_path)
    figures = tmp_path / "figures"
    assert {"verdicts.png", "accuracy-1.png"} < {path.name for path in figures.iterdir()}
    unrelated = figures / "unrelated.png"
    unrelated.write_text("the user's")
    parsed = ParsedPage(write_report(minimal_report(), tmp_path).read_text())
    for tag in ("section", "nav", "table", "svg"):
        assert not list(parsed.all(tag))
    assert not (tmp_path / "pairs.csv").exists()
    assert list(figures.iterdir()) == [unrelated]
    assert (tmp_path / "report.md").read_text() == "# a study\n\ntoday\n"


def test_single_run_has_no_pairs(tmp_path: Path) -> None:
    parsed = ParsedPage(write_report(small_report(["only"], epochs=1), tmp_path).read_text())
    names = {section["id"].removesuffix("-section") for section in parsed.all("section")}
    assert {"runs", "accuracy", "curves"} < names and "verdicts" not in names
    assert not (tmp_path / "pairs.csv").exists()


def test_row_without_estimate_shows_its_reason(tmp_path: Path) -> None:
    rows = [ForestRow("a", 0.8, 0.7, 0.9), ForestRow("b", None, None, None, "failed: no memory")]
    loss = ForestPlot("Loss", [ForestRow("a", 0.51, 0.42, 0.66)], is_share=False)
    report = dataclasses.replace(minimal_report(), accuracy=[ForestPlot("Accuracy", rows), loss])
    text = write_report(report, tmp_path).read_text()
    assert text.count("failed: no memory") >= 3 and "0.510 (0.420–0.660)" in text


def test_figure_that_cannot_be_drawn_is_named_and_its_numbers_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no font")

    monkeypatch.setattr(comparison_figures, "forest_figure", fail)
    monkeypatch.setattr(comparison_figures, "confusion_matrix", fail)
    text = write_report(small_report(["a", "b"]), tmp_path).read_text()
    missing = "Figures that could not be drawn: accuracy-1.png, confusion-01.png."
    assert missing in text and missing in (tmp_path / "report.md").read_text()
    figures = {path.name for path in (tmp_path / "figures").iterdir()}
    assert figures == {"curves.png", "verdicts.png"}
    assert "<details open><summary>Numbers of this figure" in text
    assert "accuracy-1.png)" not in (tmp_path / "report.md").read_text()


def test_confusion_matrix_of_many_classes_is_a_map_and_its_most_confused_pairs(
    tmp_path: Path,
) -> None:
    report = small_report(["a"], epochs=1)
    names = [f"class <{index}>" for index in range(1000)]
    counts = np.eye(1000, dtype=int) * 9
    counts[3, 5] = 4
    confusion = dataclasses.replace(report.confusions[0], classes=names, counts=counts)
    text = write_report(
        dataclasses.replace(report, confusions=[confusion] * 12), tmp_path
    ).read_text()
    assert len(text) < 1_000_000
    parsed = ParsedPage(text)
    maps = [image for image in parsed.all("img") if image["src"].startswith("data:image/png")]
    assert len(maps) == 12 and all(image["alt"] for image in maps)
    assert "class <5>" in parsed.texts and "class <6>" not in parsed.texts
    assert "| class \\<3\\> | class \\<5\\> | 4 | 30.8 % |" in (tmp_path / "report.md").read_text()


def test_failed_report_leaves_the_old_page(tmp_path: Path) -> None:
    file = write_report(minimal_report(), tmp_path)
    before = file.read_text()
    photo = Photo(3, "a.jpg", "hat", "")  # type: ignore[arg-type]
    broken = dataclasses.replace(minimal_report(), photos=[PhotoGroup("x", 1, [photo])])
    with pytest.raises(TypeError):
        write_report(broken, tmp_path)
    assert file.read_text() == before


def test_equal_reports_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_report(small_report(["a", "b"]), tmp_path / name)
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.*"))
    assert len(files) == 8
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes(), file


def test_csv_files_hold_the_tables(folder: Path, report: Report) -> None:
    assert report.pairs is not None
    for table, name in ((report.runs, "runs.csv"), (report.pairs, "pairs.csv")):
        with (folder / name).open(newline="") as file:
            header, *rows = csv.reader(file)
        assert header == [*table.header] and rows == [[*row] for row in table.rows]


def test_markdown_has_the_content_of_the_page(folder: Path, report: Report) -> None:
    text = (folder / "report.md").read_text()
    assert f"**{report.answer[0]}**" in text
    for content in ("basic_cnn lr=0.0001", "Tango's paired interval", report.missing_cells[0]):
        assert content in text
    figures = re.findall(r"!\[[^\]]+\]\((figures/[^)]+)\)", text)
    assert len(figures) == 6 and all((folder / name).is_file() for name in figures)
    assert text.index("| wrong |") < text.index("| doubtful |") < text.index("| fine |")


def test_large_report_is_small_and_names_its_omissions(tmp_path: Path) -> None:
    names = [f"vit_{i // 10} lr=1e-{i % 10} dropout=0.{i}" for i in range(61)]
    text = write_report(small_report(names, epochs=3), tmp_path).read_text()
    assert len(text.encode()) < 1_000_000
    runs = text[text.index('id="runs-section"') : text.index('id="accuracy-section"')]
    assert all(f">{name}<" in runs for name in names)
    for shown in ("60 of 61 rows", "24 of 61 runs", "30 of 61 runs"):
        assert f"The first {shown}" in text
    assert "and 1,395 more: pairs.csv" in text
    assert len((tmp_path / "pairs.csv").read_text().splitlines()) == 1_831


def test_columns_of_numbers_are_right_aligned() -> None:
    rows = [
        ("1", "0.5", "+1.2", "80/20", "94.1 % (90.9–97.2)", "2e-4", "9f3c", "–", "", "< 0.001"),
        ("2", "–", "−0.3", "50/50", "8 %", "0", "12ab", "–", "", "0.04"),
    ]
    expected = [False, True, True, False, True, True, False, True, False, True]
    assert right_aligned(PlainTable([*"abcdefghij"], rows)) == expected


def test_numbers_are_not_separated_from_their_signs() -> None:
    assert keep_units("94.1 % of n = 214, p < 0.001; 5 of 6") == (
        "94.1\xa0% of n\xa0=\xa0214, p <\xa00.001; 5 of 6"
    )
