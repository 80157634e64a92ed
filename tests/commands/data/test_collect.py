"""`data collect` as a process: killed, interrupted, run twice at once, and offline."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from tests.tools.collect.fake_site import FakeSite, jpeg, running_site

pytestmark = pytest.mark.slow

PLAN = """\
classes: {{dress: , shirt: }}
prefixes: [red, blue, green]
cap: 5
target: 15
providers: [{{kind: openverse, base: '{base}'}}]
"""

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def site() -> Iterator[FakeSite]:
    queries = [
        f"{color} {name}" for name in ("dress", "shirt") for color in ("red", "blue", "green")
    ]
    with running_site() as site:
        for index, query in enumerate(queries):
            for number in range(6):
                path = f"/photos/{query.replace(' ', '-')}-{number}.jpg"
                site.add_results(query, site.add_file(path, jpeg(10 * index + number)))
        yield site


@pytest.fixture
def start(site: FakeSite, tmp_path: Path) -> Start:
    """Starts the command in `tmp_path`."""

    def start_process(address: str = site.address) -> subprocess.Popen[str]:
        (tmp_path / "plan.yaml").write_text(PLAN.format(base=f"{address}/v1"))
        return subprocess.Popen(
            [sys.executable, "-m", "fashion_exp", "data", "collect", "plan.yaml", "--into",
             "collection", "--json", "--pace", "0", "--allow-address", "127.0.0.1"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
        )  # fmt: skip

    return start_process


def wait_for(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Exit code, stdout and stderr."""
    output, errors = process.communicate(timeout=120)
    return process.returncode, output, errors


class PausedImage:
    """Pauses the transfer of an image in the middle until `resume` is set."""

    def __init__(self, site: FakeSite, path: str) -> None:
        self.reached, self.resume = threading.Event(), threading.Event()
        self._original_reply = site.replies[path]
        site.replies[path] = self._reply

    def _reply(self, handler: BaseHTTPRequestHandler) -> None:
        if self.resume.is_set():
            return self._original_reply(handler)
        content = jpeg(0)
        handler.send_response(200)
        handler.send_header("Content-Type", "image/jpeg")
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content[: len(content) // 2])
        self.reached.set()
        self.resume.wait(60)


def test_killed_collection_is_locked_and_resumes(
    site: FakeSite, start: Start, tmp_path: Path
) -> None:
    path = "/photos/green-dress-2.jpg"
    image = PausedImage(site, path)
    first = start()
    assert image.reached.wait(60)
    code, _, errors = wait_for(start())  # while the first process holds the lock
    assert code == 2 and "another process is collecting into it" in errors
    assert "\n" not in errors[:-1]
    first.kill()
    wait_for(first)
    manifest = tmp_path / "collection/manifest.jsonl"
    before = manifest.read_bytes()
    assert before.endswith(b"\n") and len(list(tmp_path.glob("collection/*/*.jpg"))) == 8
    manifest.write_bytes(before + b'{"status": "accepted", "url": "http://127')  # power failure
    image.resume.set()
    code, output, errors = wait_for(start())
    assert code == 0, errors
    classes = json.loads(output)["classes"]
    assert classes["dress"]["accepted"] == classes["shirt"]["accepted"] == 15
    assert manifest.read_bytes().startswith(before)
    assert site.image_requests()[path] == 2 and site.image_requests().total() == 31
    assert site.requests["/v1/images/"] == 6
    assert not list(tmp_path.glob("collection/.unfinished"))


def test_interrupted_collection_writes_its_lists(
    site: FakeSite, start: Start, tmp_path: Path
) -> None:
    image = PausedImage(site, "/photos/red-shirt-1.jpg")
    process = start()
    assert image.reached.wait(60)
    process.send_signal(signal.SIGINT)
    code, output, errors = wait_for(process)
    assert code == 130 and output == "" and "Traceback" not in errors
    assert len((tmp_path / "collection/images.csv").read_text().splitlines()) == 1 + 15 + 3
    image.resume.set()
    assert wait_for(start())[0] == 0


def test_unreachable_provider_is_one_line(start: Start) -> None:
    with running_site() as closed_site:
        pass
    code, _, errors = wait_for(start(closed_site.address))
    messages = [line for line in errors.splitlines() if line.startswith("fashion_exp: ")]
    assert code == 1 and len(messages) == 1
    assert "Connection refused; without internet, use 'kind: folder'" in messages[0]
