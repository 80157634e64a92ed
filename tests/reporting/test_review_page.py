"""The review page in a browser: decisions by mouse and keys are saved and exported."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from fashion_exp.data.label_decisions import read_decisions
from fashion_exp.reporting.review_page import (
    NeighborImage,
    ReviewCase,
    ReviewPage,
    write_review_page,
)
from tests.browser import COMMAND, NO_BROWSER, Browser

pytestmark = [pytest.mark.slow, pytest.mark.skipif(COMMAND is None, reason=NO_BROWSER)]


def _jpeg() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 60), "teal").save(buffer, "jpeg")
    return buffer.getvalue()


def _case(number: int, kind: str = "wrong") -> ReviewCase:
    neighbors = [NeighborImage(f"n{number}", "shirt", "0.93")]
    path = f'dress/<b>"{number}",.jpg'  # needs escaping in HTML and CSV
    suggested = "shirt" if kind == "wrong" else "dress|shirt"
    images = [(f"i{number}", path)]
    return ReviewCase(kind, "dress", suggested, "80 % for shirt", "g", images, neighbors)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """500 cases: one with two copies, 498 wrong labels and an ambiguous image."""
    copies = [("c1", "c1.jpg"), ("c2", "c2.jpg")]
    cases = [
        ReviewCase("wrong", "dress", "shirt", "", "h", copies, []),
        *(_case(number) for number in range(498)),
        _case(498, "ambiguous"),
    ]
    thumbnails = {case.images[0][0]: _jpeg() for case in cases[1:]}
    classes = ["dress", "shirt", "t-shirt </script>"]
    content = ReviewPage("Labels of <run>", ["a note"], classes, "/photos", cases, thumbnails)
    write_review_page(content, tmp_path / "review.html")
    return tmp_path / "review.html"


def _press(browser: Browser, *keys: str) -> None:
    for key in keys:
        browser.evaluate(
            "document.activeElement.dispatchEvent(new KeyboardEvent('keydown', "
            f"{{key: {key!r}, bubbles: true, cancelable: true}}))"
        )


def test_decisions_are_saved_and_exported(browser: Browser, page: Path, tmp_path: Path) -> None:
    browser.open(page, 1200, 900)
    assert browser.evaluate("document.querySelectorAll('article').length") == 50
    # accept, keep, exclude, two classes, one class, and one decision that is removed
    keys = ["j", "Enter", "j", " ", "j", "x", "j", "1", "2", "j", "3", "j", "2", "Backspace"]
    _press(browser, *keys)
    browser.evaluate("document.getElementById('next').click()")
    browser.evaluate("document.querySelector('article button[data-name=shirt]').click()")
    count = "document.getElementById('count').textContent"
    assert browser.evaluate(count) == "6 of 500 decided"
    browser.open(page, 360, 800)  # reload
    assert browser.evaluate(count) == "6 of 500 decided"
    assert browser.evaluate("document.documentElement.scrollWidth") <= 360
    exported = browser.evaluate("csv()")
    rows = list(csv.DictReader(io.StringIO(exported)))
    assert [(row["image_id"], row["decision"]) for row in rows] == [
        ("c1", "shirt"), ("c2", "shirt"), ("i0", "keep"), ("i1", "exclude"),
        ("i2", "dress|shirt"), ("i3", "t-shirt </script>"), ("i49", "shirt"),
    ]  # fmt: skip
    assert rows[2]["path"] == 'dress/<b>"0",.jpg' and rows[0]["data"] == "/photos"
    (tmp_path / "decisions.csv").write_text(exported)
    assert len(read_decisions(tmp_path / "decisions.csv")) == 7
    assert browser.errors() == [] and browser.requests() == [page.resolve().as_uri()]


def test_filters_show_matching_cases(browser: Browser, page: Path) -> None:
    browser.open(page, 1200, 900)

    def count_visible(name: str) -> int:
        browser.evaluate(
            f"byId('filter').value = '{name}'; byId('filter').dispatchEvent(new Event('change'))"
        )
        return int(browser.evaluate("visible.length"))

    assert [count_visible(name) for name in ("all", "wrong", "ambiguous")] == [500, 499, 1]
    browser.evaluate("accept(499)")
    assert browser.evaluate("decisions[499]") == "dress|shirt"
    decided = browser.evaluate("Object.keys(decisions).length")
    assert count_visible("done") == decided and count_visible("open") == 500 - decided
