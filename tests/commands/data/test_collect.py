"""`data collect` as it is typed: killed, doubled, offline, and trained on."""

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

from tests.tools.collect.site import Site, jpeg, serving

PLAN = """\
classes: {{dress: , shirt: }}
prefixes: [red, blue, green]
cap: 5
target: 15
providers: [{{kind: openverse, base: '{base}'}}]
"""


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as site:
        for at, query in enumerate(
            f"{colour} {name}" for name in ("dress", "shirt") for colour in ("red", "blue", "green")
        ):
            for number in range(6):
                path = f"/photos/{query.replace(' ', '-')}-{number}.jpg"
                site.offer(query, site.picture(path, jpeg(10 * at + number)))
        yield site


@pytest.fixture
def start(site: Site, tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Starts the command into `mine`."""
    (tmp_path / "plan.yaml").write_text(PLAN.format(base=f"{site.address}/v1"))

    def started(*words: str) -> subprocess.Popen[str]:
        line = ["data", "collect", "plan.yaml", "--into", "mine", "--json", "--pace", "0"]
        return subprocess.Popen(
            [sys.executable, "-m", "fashion_exp", *line, "--allow-address", "127.0.0.1", *words],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
        )  # fmt: skip

    return started


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


class Held:
    """Stops a picture in mid-file until it is let go."""

    def __init__(self, site: Site, path: str) -> None:
        self.reached, self.go = threading.Event(), threading.Event()
        self._sound = site.replies[path]
        site.replies[path] = self._reply

    def _reply(self, handler: BaseHTTPRequestHandler) -> None:
        if self.go.is_set():
            return self._sound(handler)
        content = jpeg(0)
        handler.send_response(200)
        handler.send_header("Content-Type", "image/jpeg")
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content[: len(content) // 2])
        self.reached.set()
        self.go.wait(60)


def test_killed_in_mid_file_and_taken_up_again_beside_another(
    site: Site, start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    path = "/photos/green-dress-2.jpg"
    held = Held(site, path)
    first = start()
    assert held.reached.wait(60)
    code, _, err = ended(start())  # while the first one holds the folder
    assert code == 2 and "another process is collecting into it" in err and "\n" not in err[:-1]
    first.send_signal(signal.SIGKILL)
    ended(first)
    manifest = tmp_path / "mine/manifest.jsonl"
    before = manifest.read_bytes()
    assert before.endswith(b"\n") and len(list(tmp_path.glob("mine/*/*.jpg"))) == 8
    manifest.write_bytes(before + b'{"status": "accepted", "url": "http://127')  # as power loss may
    held.go.set()
    code, out, err = ended(start())
    told = json.loads(out)
    assert code == 0, err
    assert {name: one["accepted"] for name, one in told["classes"].items()} == {
        "dress": 15, "shirt": 15,
    }  # fmt: skip
    assert manifest.read_bytes().startswith(before)
    assert site.pictures_asked()[path] == 2
    assert sum(site.pictures_asked().values()) == 31 and site.asked["/v1/images/"] == 6
    assert not list(tmp_path.glob("mine/.unfinished"))


def test_ended_by_ctrl_c_it_has_its_lists_and_is_trained_on_when_complete(
    site: Site, start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    held = Held(site, "/photos/red-shirt-1.jpg")
    process = start()
    assert held.reached.wait(60)
    process.send_signal(signal.SIGINT)
    code, out, err = ended(process)
    assert code == 130 and out == "" and "Traceback" not in err
    assert len((tmp_path / "mine/images.csv").read_text().splitlines()) == 1 + 15 + 3
    held.go.set()
    assert ended(start())[0] == 0
    tiny = ["dataset.image_size=16", "training.epochs=1", "repeats=1", "training.threads=1"]
    trained = subprocess.run(
        [sys.executable, "-m", "fashion_exp", "dataset=csv",
         "dataset.manifest=mine/images.csv", *tiny, "tracking=none", "outputs=outputs"],
        capture_output=True, text=True, timeout=240, cwd=tmp_path,
    )  # fmt: skip
    assert trained.returncode == 0 and "looks at the test set" in trained.stdout, trained.stderr


def test_a_provider_that_cannot_be_reached_is_one_line(tmp_path: Path) -> None:
    with serving() as gone:
        base = gone.address
    (tmp_path / "plan.yaml").write_text(PLAN.format(base=base))
    line = ["data", "collect", "plan.yaml", "--into", "mine", "--allow-address", "127.0.0.1"]
    done = subprocess.run(
        [sys.executable, "-m", "fashion_exp", *line],
        capture_output=True, text=True, timeout=60, cwd=tmp_path,
    )  # fmt: skip
    said = [line for line in done.stderr.splitlines() if line.startswith("fashion_exp: ")]
    assert done.returncode == 1 and len(said) == 1
    assert "Connection refused; without internet, 'kind: folder'" in said[0]
