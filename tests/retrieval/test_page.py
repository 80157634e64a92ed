"""The page answers words and photos, and hostile input is harmless."""

from __future__ import annotations

import http.client
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from PIL import Image

from fashion_exp.api.search import Index
from fashion_exp.retrieval.results_page import write_results_page
from fashion_exp.retrieval.serving.app import MAX_LETTERS, SEARCHES_PER_MINUTE
from tests.browser import COMMAND, NO_BROWSER, Browser
from tests.conftest import REPOSITORY

pytest.importorskip("python_multipart")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def port(index: Index) -> Iterator[int]:
    """Of the page of the drawn garments."""
    command = [sys.executable, "-m", "fashion_exp", "search", "--serve", "--port", "0"]
    with subprocess.Popen(
        [*command, "--in", "drawn", f"--outputs={index.outputs}"], stdout=subprocess.PIPE,
        text=True, env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
    ) as process:  # fmt: skip
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline().rpartition(":")[2])
        finally:
            process.terminate()


def request(
    port: int, path: str, body: bytes | None = None, **options: str
) -> tuple[int, Any, dict[str, str]]:
    """Status, content and headers; a body is sent as a photo."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=240)) as connection:
        method, headers = ("GET", {}) if body is None else ("POST", {"Content-Type": "image/png"})
        connection.request(method, f"{path}?{urlencode(options)}", body, headers)
        with connection.getresponse() as answer:
            content = answer.read()
            received = dict(answer.headers)
            is_json = answer.headers.get_content_type() == "application/json"
            return answer.status, json.loads(content) if is_json else content, received


def test_page_finds_what_the_python_api_finds(port: int, index: Index, garments: Path) -> None:
    photo = garments / "dress" / "red0.png"
    expected = index.search(photo, "but blue", top=5).rows
    status, answer, _ = request(port, "/search", photo.read_bytes(), words="but blue", top="5")
    assert status == 200
    assert [row["image_id"] for row in answer["photos"]] == list(expected["image_id"])
    assert answer["understood"] == "blue"
    like = answer["photos"][0]["image_id"]
    _, similar, _ = request(port, "/search", like=like, where='size = "M"', top="3")
    assert {row["size"] for row in similar["photos"]} == {"M"}
    status, jpeg, _ = request(port, f"/photo/{like}")
    assert status == 200 and jpeg[:2] == b"\xff\xd8"


def test_hostile_input_is_refused_in_a_line(port: int, garments: Path) -> None:
    cases: dict[int, dict[str, Any]] = {
        413: {"words": "x" * (MAX_LETTERS + 1)}, 422: {"words": "red", "where": "1=1; drop table"},
    }  # fmt: skip
    for expected, options in cases.items():
        status, answer, _ = request(port, "/search", **options)
        assert status == expected and len(answer["detail"]) < 300
    status, answer, headers = request(port, "/search", words="<img src=qqqqqq>")
    assert status == 422 and headers["content-type"] == "application/json"
    assert request(port, "/search", b"no photo")[0] == 422
    assert request(port, "/search", bytes(21_000_000))[0] == 413
    assert request(port, "/search", words="x" * 100_000)[0] in (400, 413, 431)
    huge = io.BytesIO()
    Image.new("1", (20_000, 10_000)).save(huge, "PNG")
    status, answer, _ = request(port, "/search", huge.getvalue())
    assert status == 422 and "megapixels" in answer["detail"]
    assert request(port, "/photo/..%2F..%2Fetc%2Fpasswd")[0] == 404
    status, _, headers = request(port, "/")
    assert status == 200 and "default-src 'none'" in headers["content-security-policy"]
    assert request(port, "/search", (garments / "dress" / "red0.png").read_bytes())[0] == 200


def test_script_in_a_file_name_is_text_on_the_written_page(index: Index, tmp_path: Path) -> None:
    write_results_page(index.search(words="green"), "<script>", tmp_path / "page.html")
    content = (tmp_path / "page.html").read_text()
    assert "green1&lt;img src=x" in content and "<img src=x" not in content
    assert "&lt;script&gt;" in content


@pytest.mark.skipif(COMMAND is None, reason=NO_BROWSER)
def test_page_in_a_browser(port: int, garments: Path, tmp_path: Path) -> None:
    with Browser(tmp_path / "profile") as browser:
        for width, dark in ((1100, False), (390, True)):
            browser.open(f"http://127.0.0.1:{port}/", width, 800, dark)
            browser.wait_until("document.querySelectorAll('#grid li').length === 18")
            assert browser.evaluate("document.body.textContent.includes('green1<img src=x')")
            assert browser.evaluate("document.querySelectorAll('img[src=x]').length") == 0
            assert browser.evaluate("document.title") == "Search drawn"
            browser.evaluate("document.activeElement.blur()")
            browser.evaluate("document.dispatchEvent(new KeyboardEvent('keydown', {key: '/'}))")
            assert browser.evaluate("document.activeElement.id") == "words"
            browser.evaluate("at('words').value = 'blue shirt'; at('form').requestSubmit()")
            browser.wait_until("at('status').textContent.includes('blue · shirt')")
            first = browser.evaluate("document.querySelector('#grid img').alt")
            assert "shirt" in first and "blue" in first
            browser.evaluate("document.querySelector('#grid button').click()")
            browser.wait_until("!at('query').hidden && at('status').textContent.includes('photos')")
            root = browser.call("DOM.getDocument")["root"]["nodeId"]
            field = browser.call("DOM.querySelector", nodeId=root, selector="#file")
            photo = str(garments / "dress" / "green0.png")
            browser.call("DOM.setFileInputFiles", files=[photo], nodeId=field["nodeId"])
            browser.wait_until("at('asked').src.startsWith('blob:')")
            assert browser.evaluate("document.documentElement.scrollWidth") <= width
            assert not browser.errors()
            assert all(
                f"127.0.0.1:{port}/" in url for url in browser.requests() if "blob:" not in url
            )


def test_too_many_searches_are_refused_for_a_while(port: int) -> None:
    long = "x" * (MAX_LETTERS + 1)  # is counted, and refused without a search
    statuses = [request(port, "/search", words=long)[0] for _ in range(SEARCHES_PER_MINUTE + 1)]
    assert statuses[-1] == 429
    assert request(port, "/health")[0] == 200
