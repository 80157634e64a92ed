"""The page of decisions in a browser: by mouse and by keys, kept, and exported."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from fashion_exp.data.label_decisions import read_decisions
from fashion_exp.reporting.review_page import Case, Near, Review, write_review
from tests.browser import COMMAND, NO_BROWSER, Browser

pytestmark = pytest.mark.skipif(COMMAND is None, reason=NO_BROWSER)


def jpeg() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 60), "teal").save(buffer, "jpeg")
    return buffer.getvalue()


def case(number: int, kind: str = "wrong") -> Case:
    near = [Near(f"n{number}", "shirt", "0.93")]
    path = f'dress/<b>"{number}",.jpg'  # would break markup and CSV that are not careful
    suggested = "shirt" if kind == "wrong" else "dress|shirt"
    return Case(kind, "dress", suggested, "80 % for shirt", "g", [(f"i{number}", path)], near)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture
def page(tmp_path: Path) -> Path:
    cases = [*(case(i) for i in range(498)), case(498, "ambiguous")]
    copies = Case("wrong", "dress", "shirt", "", "h", [("c1", "c1.jpg"), ("c2", "c2.jpg")], [])
    pictures = {one.images[0][0]: jpeg() for one in cases}
    classes = ["dress", "shirt", "t-shirt </script>"]
    write_review(
        Review("Labels of <run>", ["a note"], classes, "/photos", [copies, *cases], pictures),
        tmp_path / "review.html",
    )
    return tmp_path / "review.html"


def press(browser: Browser, *keys: str) -> None:
    for key in keys:
        browser.ask(
            "document.activeElement.dispatchEvent(new KeyboardEvent('keydown', "
            f"{{key: {key!r}, bubbles: true, cancelable: true}}))"
        )


def test_decisions_are_made_kept_and_exported(browser: Browser, page: Path, tmp_path: Path) -> None:
    browser.open(page, 1200, 900)
    assert browser.ask("document.querySelectorAll('article').length") == 50
    # accept, keep, exclude, two classes, one class, and one taken back
    press(browser, "j", "Enter", "j", " ", "j", "x", "j", "1", "2", "j", "3", "j", "2", "Backspace")
    browser.ask("document.getElementById('next').click()")
    browser.ask("document.querySelector('article button[data-name=shirt]').click()")
    assert browser.ask("document.getElementById('count').textContent") == "6 of 500 decided"
    browser.open(page, 360, 800)  # another visit
    assert browser.ask("document.getElementById('count').textContent") == "6 of 500 decided"
    assert browser.ask("document.documentElement.scrollWidth") <= 360
    exported = browser.ask("csv()")
    rows = list(csv.DictReader(io.StringIO(exported)))
    assert [(row["image_id"], row["decision"]) for row in rows] == [
        ("c1", "shirt"), ("c2", "shirt"), ("i0", "keep"), ("i1", "exclude"),
        ("i2", "dress|shirt"), ("i3", "t-shirt </script>"), ("i49", "shirt"),
    ]  # fmt: skip
    assert rows[2]["path"] == 'dress/<b>"0",.jpg' and rows[0]["data"] == "/photos"
    (tmp_path / "decisions.csv").write_text(exported)
    assert len(read_decisions(tmp_path / "decisions.csv")) == 7
    assert browser.complaints() == [] and browser.requests() == [page.resolve().as_uri()]


def test_a_filter_shows_what_it_says(browser: Browser, page: Path) -> None:
    browser.open(page, 1200, 900)

    def shown(name: str) -> int:
        browser.ask(
            f"byId('filter').value = '{name}'; byId('filter').dispatchEvent(new Event('change'))"
        )
        return int(browser.ask("shown.length"))

    assert [shown(name) for name in ("all", "wrong", "ambiguous")] == [500, 499, 1]
    browser.ask("accept(499)")
    assert browser.ask("decisions[499]") == "dress|shirt"
    decided = browser.ask("Object.keys(decisions).length")
    assert shown("done") == decided and shown("open") == 500 - decided
