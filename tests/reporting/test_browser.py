"""The report page in a browser: phone and desktop, light and dark, and printed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from fashion_exp.reporting.page import write_report
from tests.browser import COMMAND, NO_BROWSER, Browser
from tests.reporting.example_report import example_report, make_report

pytestmark = [pytest.mark.slow, pytest.mark.skipif(COMMAND is None, reason=NO_BROWSER)]

SIZES = {"phone": (360, 800), "desktop": (1280, 900)}
OUTSIDE = """
[...document.querySelectorAll('body *')].filter(e => !e.closest('.scroll, svg, .hidden')
  && e.getBoundingClientRect().width && e.getBoundingClientRect().right > innerWidth + 1)
  .map(e => e.tagName + ' ' + e.className + ' ' + e.textContent.slice(0, 40))
"""
CUT_OFF = """
[...document.querySelectorAll('svg')].filter(e => e.getBoundingClientRect().width).flatMap(svg =>
  [...svg.querySelectorAll('text')].filter(e => {
    const own = e.getBoundingClientRect(), whole = svg.getBoundingClientRect();
    return own.left < whole.left - 1 || own.right > whole.right + 1
      || own.top < whole.top - 1 || own.bottom > whole.bottom + 1;
  }).map(e => e.textContent))
"""
SMALLEST_FONT = """
Math.min(...[...document.querySelectorAll('svg text')].filter(e => e.getBoundingClientRect().width)
  .map(e => parseFloat(getComputedStyle(e).fontSize) * e.getScreenCTM().a))
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(example_report(), tmp_path_factory.mktemp("page"))


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_content_fits_the_window(browser: Browser, page: Path, size: str, dark: bool) -> None:
    width, height = SIZES[size]
    browser.open(page, width, height, dark)
    browser.evaluate("document.querySelectorAll('details').forEach(e => { e.open = true })")
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert browser.evaluate(OUTSIDE) == []
    assert browser.evaluate(CUT_OFF) == []
    assert browser.errors() == []
    assert browser.requests() == [page.resolve().as_uri()]


@pytest.mark.parametrize("size", SIZES)
def test_figure_variant_fits_the_window_and_is_readable(
    browser: Browser, page: Path, size: str
) -> None:
    browser.open(page, *SIZES[size])
    count = "[...document.querySelectorAll('.%s svg')].filter(e => e.checkVisibility()).length"
    visible = {variant: browser.evaluate(count % variant) for variant in ("wide", "narrow")}
    assert visible == {"wide": 6 * (size == "desktop"), "narrow": 6 * (size == "phone")}
    assert browser.evaluate(SMALLEST_FONT) >= 9


def test_color_scheme_is_respected(browser: Browser, page: Path) -> None:
    styles = "[document.body, document.querySelector('svg text')].map(e => getComputedStyle(e))"
    colors = f"(([body, text]) => [body.backgroundColor, text.fill])({styles})"
    for dark in (False, True):
        browser.open(page, *SIZES["desktop"], dark)
        background, text = (
            sum(map(int, re.findall(r"\d+", color))) for color in browser.evaluate(colors)
        )
        assert (background < 150 and text > 400) if dark else (background > 700 and text < 400)


def test_run_names_stay_visible_while_scrolling(browser: Browser, page: Path) -> None:
    browser.open(page, *SIZES["phone"])
    scroll = """(() => {
      const box = document.querySelector('#runs-section .scroll');
      box.scrollLeft = 300;
      const name = box.querySelector('tbody th').getBoundingClientRect();
      return [box.scrollLeft, name.left - box.getBoundingClientRect().left];
    })()"""
    assert browser.evaluate(scroll) == [300, pytest.approx(0, abs=1)]


def test_print_includes_collapsed_content(browser: Browser, page: Path) -> None:
    browser.open(page, *SIZES["desktop"], dark=True)
    assert browser.evaluate("document.querySelectorAll('details:not([open])').length") > 5
    collapsed = browser.pdf()
    browser.evaluate("document.querySelectorAll('details').forEach(e => e.open = true)")
    expanded = browser.pdf()
    assert (
        collapsed.startswith(b"%PDF") and 1 < count_pages(collapsed) == count_pages(expanded) < 25
    )
    assert len(collapsed) == pytest.approx(len(expanded), rel=0.02)


def test_print_has_a_white_background(browser: Browser, page: Path) -> None:
    browser.open(page, *SIZES["desktop"], dark=True)
    browser.call("Emulation.setEmulatedMedia", media="print")
    try:
        background = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    finally:
        browser.call("Emulation.setEmulatedMedia", media="")
    assert background == "rgb(255, 255, 255)"


def count_pages(pdf: bytes) -> int:
    return pdf.count(b"/Type /Page\n")


def test_runs_table_fits_a_printed_page(browser: Browser, page: Path) -> None:
    landscape = round((297 - 20) / 25.4 * 96)
    browser.open(page, landscape, 900)
    browser.call("Emulation.setEmulatedMedia", media="print")
    try:
        sizes = "['table', '.name'].map(e => document.querySelector('#runs-section ' + e))"
        table, name = browser.evaluate(f"{sizes}.map(e => e.getBoundingClientRect().width)")
        assert table <= landscape and name > 100
    finally:
        browser.call("Emulation.setEmulatedMedia", media="")


def test_two_hundred_runs_load_quickly(browser: Browser, tmp_path: Path) -> None:
    names = [f"vit_{i // 40} lr=1e-{i % 40} dropout=0.{i}" for i in range(200)]
    page = write_report(make_report(names, 2000, seed=0, epochs=60), tmp_path)
    browser.open(page, *SIZES["phone"])
    assert browser.evaluate("document.documentElement.scrollWidth") <= 360
    assert browser.evaluate("document.querySelectorAll('#runs-section tbody tr').length") == 200
    load = "performance.getEntriesByType('navigation')[0].loadEventEnd"
    assert browser.evaluate(load) < 10_000
    assert browser.evaluate(CUT_OFF) == [] and browser.errors() == []
