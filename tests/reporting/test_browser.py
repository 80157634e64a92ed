"""The page as its readers see it: a phone, a desktop, in light and dark, and on paper."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from fashion_exp.reporting.page import write_report
from tests.browser import COMMAND, NO_BROWSER, Browser
from tests.reporting.example_report import made_up, study

pytestmark = pytest.mark.skipif(COMMAND is None, reason=NO_BROWSER)

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
LEAST_LETTER = """
Math.min(...[...document.querySelectorAll('svg text')].filter(e => e.getBoundingClientRect().width)
  .map(e => parseFloat(getComputedStyle(e).fontSize) * e.getScreenCTM().a))
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(study(), tmp_path_factory.mktemp("page"))


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_nothing_is_wider_than_the_window(
    browser: Browser, page: Path, size: str, dark: bool
) -> None:
    width, height = SIZES[size]
    browser.open(page, width, height, dark)
    browser.ask("document.querySelectorAll('details').forEach(e => { e.open = true })")
    assert browser.ask("document.documentElement.scrollWidth") <= width
    assert browser.ask(OUTSIDE) == []
    assert browser.ask(CUT_OFF) == []
    assert browser.complaints() == []
    assert browser.requests() == [page.resolve().as_uri()]


@pytest.mark.parametrize("size", SIZES)
def test_figures_have_the_form_of_the_window_and_letters_of_a_size(
    browser: Browser, page: Path, size: str
) -> None:
    browser.open(page, *SIZES[size])
    shown = "[...document.querySelectorAll('.%s svg')].filter(e => e.checkVisibility()).length"
    forms = {form: browser.ask(shown % form) for form in ("wide", "narrow")}
    assert forms == {"wide": 6 * (size == "desktop"), "narrow": 6 * (size == "phone")}
    assert browser.ask(LEAST_LETTER) >= 9


def test_dark_is_dark_and_light_is_light(browser: Browser, page: Path) -> None:
    colours = "[document.body, document.querySelector('svg text')].map(e => getComputedStyle(e))"
    asked = f"(([body, text]) => [body.backgroundColor, text.fill])({colours})"
    for dark in (False, True):
        browser.open(page, *SIZES["desktop"], dark)
        ground, text = (sum(map(int, re.findall(r"\d+", told))) for told in browser.ask(asked))
        assert (ground < 150 and text > 400) if dark else (ground > 700 and text < 400)


def test_the_runs_keep_their_names_in_sight(browser: Browser, page: Path) -> None:
    browser.open(page, *SIZES["phone"])
    moved = """(() => {
      const box = document.querySelector('#runs-section .scroll');
      box.scrollLeft = 300;
      const name = box.querySelector('tbody th').getBoundingClientRect();
      return [box.scrollLeft, name.left - box.getBoundingClientRect().left];
    })()"""
    assert browser.ask(moved) == [300, pytest.approx(0, abs=1)]


def test_paper_shows_what_the_screen_folds(browser: Browser, page: Path) -> None:
    browser.open(page, *SIZES["desktop"], dark=True)
    assert browser.ask("document.querySelectorAll('details:not([open])').length") > 5
    folded = browser.paper()
    browser.ask("document.querySelectorAll('details').forEach(e => e.open = true)")
    unfolded = browser.paper()
    assert folded.startswith(b"%PDF") and 1 < sheets(folded) == sheets(unfolded) < 25
    assert len(folded) == pytest.approx(len(unfolded), rel=0.02)


def test_paper_is_white(browser: Browser, page: Path) -> None:
    browser.open(page, *SIZES["desktop"], dark=True)
    browser.call("Emulation.setEmulatedMedia", media="print")
    try:
        ground = browser.ask("getComputedStyle(document.body).backgroundColor")
    finally:
        browser.call("Emulation.setEmulatedMedia", media="")
    assert ground == "rgb(255, 255, 255)"


def sheets(paper: bytes) -> int:
    return paper.count(b"/Type /Page\n")


def test_the_runs_fit_a_sheet_of_paper(browser: Browser, page: Path) -> None:
    landscape = round((297 - 20) / 25.4 * 96)
    browser.open(page, landscape, 900)
    browser.call("Emulation.setEmulatedMedia", media="print")
    try:
        sizes = "['table', '.name'].map(e => document.querySelector('#runs-section ' + e))"
        table, name = browser.ask(f"{sizes}.map(e => e.getBoundingClientRect().width)")
        assert table <= landscape and name > 100
    finally:
        browser.call("Emulation.setEmulatedMedia", media="")


def test_two_hundred_runs_load_quickly(browser: Browser, tmp_path: Path) -> None:
    names = [f"vit_{place // 40} lr=1e-{place % 40} dropout=0.{place}" for place in range(200)]
    page = write_report(made_up(names, 2000, seed=0, epochs=60), tmp_path)
    browser.open(page, *SIZES["phone"])
    assert browser.ask("document.documentElement.scrollWidth") <= 360
    assert browser.ask("document.querySelectorAll('#runs-section tbody tr').length") == 200
    load = "performance.getEntriesByType('navigation')[0].loadEventEnd"
    assert browser.ask(load) < 10_000
    assert browser.ask(CUT_OFF) == [] and browser.complaints() == []
