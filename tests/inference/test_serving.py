"""A service gives the answers of its run, refuses rubbish, and finishes what is in flight."""

from __future__ import annotations

import asyncio
import base64
import http.client
import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from fashion_exp.commands import serve
from fashion_exp.errors import InputError
from fashion_exp.inference.calibration import load_calibration
from fashion_exp.inference.trained_run import TrainedRun, load_run
from fashion_exp.reporting.progress import Progress
from tests.browser import COMMAND, Browser
from tests.conftest import REPOSITORY, TinyRun

pytest.importorskip("onnxruntime")
from fashion_exp.inference.serving.batching import Batcher
from fashion_exp.inference.serving.predictor import Predictor, open_session
from fashion_exp.inference.serving.server import serving_file

JSON = "application/json"


@contextmanager
def service(run: TrainedRun, outputs: Path, *options: str) -> Iterator[tuple[Any, int]]:
    """The process of a service, and its port."""
    command = [sys.executable, "-m", "fashion_exp", "serve", str(run.run.path), "--port", "0"]
    with subprocess.Popen(
        [*command, f"--outputs={outputs}", *options], stdout=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
    ) as process:  # fmt: skip
        assert process.stdout is not None
        try:
            yield process, int(process.stdout.readline().rpartition(":")[2])
        finally:
            process.kill()


def post(port: int, body: bytes, kind: str, path: str = "/predict") -> tuple[int, Any]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.request("POST", path, body, {"Content-Type": kind})
        with connection.getresponse() as answer:
            content = answer.read()
            is_json = answer.headers.get_content_type() == JSON
            return answer.status, json.loads(content) if is_json else content


def get(port: int, path: str) -> bytes:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.request("GET", path)
        with connection.getresponse() as answer:
            return answer.read()


def form(*files: bytes) -> tuple[bytes, str]:
    head = b'--x\r\nContent-Disposition: form-data; name="p"; filename="a.png"\r\n\r\n'
    return b"".join(head + file + b"\r\n" for file in files) + b"--x--", (
        "multipart/form-data; boundary=x"
    )


@pytest.mark.slow
def test_service_answers_as_its_run(
    tiny: Callable[..., TinyRun], photos: Path, tmp_path: Path
) -> None:
    run = tiny("model.width=4", "model.depth=1", "repeats=2")
    trained = load_run(run.output, tmp_path / "outputs")
    frame = trained.predictions("validation")
    files = [(photos / path).read_bytes() for path in frame["path"][:3]]
    images = np.stack([trained.preprocess(trained.decode(file)) for file in files])
    with service(trained, tmp_path / "outputs", "--max-megabytes", "1") as (process, port):
        status, answer = post(port, *form(*files))
        assert status == 200
        import torch

        by_model = trained.predict_batch(torch.from_numpy(images).permute(0, 3, 1, 2))
        calibration = load_calibration(trained)
        expected = calibration.apply(by_model.probabilities)
        sets = calibration.prediction_sets(by_model.probabilities)
        for row, probabilities, members in zip(answer["photos"], expected, sets, strict=True):
            given = list(row["probabilities"].values())
            assert given == pytest.approx(list(probabilities), abs=1e-2)
            assert row["prediction_set"] == list(members) and 0 <= row["agreement"] <= 1
        encoded = json.dumps({"photos": [base64.b64encode(file).decode() for file in files]})
        assert (
            post(port, encoded.encode(), JSON)[1]["photos"][2]["probabilities"]
            == (answer["photos"][2]["probabilities"])
        )
        assert post(port, files[0], "image/png", "/explain")[1].startswith(b"\x89PNG")
        _check_refusals(port, files[0])
        about = json.loads(get(port, "/model"))
        assert about["classes"] == list(trained.classes)
        titles = [section["title"] for section in about["card"]["sections"]]
        assert {"Accuracy", "Calibration and prediction sets", "Limits"} <= {*titles}
        assert b'requests_total{path="/predict",status="413"} 1.0' in get(port, "/metrics")
        if COMMAND is not None:
            _check_page(port, photos / frame["path"][0], tmp_path)
        answers: list[int] = []
        threads = [
            threading.Thread(target=lambda: answers.append(post(port, *form(*files * 20))[0]))
            for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        while b"photos_total" not in get(port, "/metrics"):
            pass
        process.send_signal(signal.SIGTERM)
        for thread in threads:
            thread.join()
        assert process.wait(60) == 128 + signal.SIGTERM
        assert answers == [200] * 3


def _check_refusals(port: int, photo: bytes) -> None:
    bomb = io.BytesIO()
    Image.new("L", (8000, 8000)).save(bomb, "PNG")
    for body, kind, status, message in (
        (b"rubbish", "image/jpeg", 422, "not a JPEG"),
        (photo[:100], "image/png", 422, "PNG"),
        (bomb.getvalue(), "image/png", 422, "64 megapixels, more than 40"),
        (bytes(1_000_001), "image/jpeg", 413, "more than 1 MB"),
        (b"x=1", "text/plain", 415, "send multipart"),
        (b'{"photos": 3}', JSON, 400, "not of the form"),
        (b"[" * 100_000, JSON, 400, "not of the form"),
        (b'{"photos": ["%%%"]}', JSON, 400, "not of the form"),
        (b"junk", "multipart/form-data; boundary=x", 400, "multipart"),
        (form(*[photo] * 65)[0], form()[1], 400, "Too many files"),
    ):
        given, answer = post(port, body, kind)
        assert given == status and message in json.dumps(answer), (body[:20], answer)
    status, answer = post(port, *form(b"rubbish", photo))
    assert status == 200 and "error" in answer["photos"][0] and "predicted" in answer["photos"][1]


def _check_page(port: int, photo: Path, folder: Path) -> None:
    with Browser(folder / "profile") as browser:
        for width, dark in ((1100, False), (390, True)):
            browser.open(f"http://127.0.0.1:{port}/", width, 800, dark)
            root = browser.call("DOM.getDocument")["root"]["nodeId"]
            field = browser.call("DOM.querySelector", nodeId=root, selector="#file")
            browser.call("DOM.setFileInputFiles", files=[str(photo)], nodeId=field["nodeId"])
            browser.wait_until("!document.getElementById('explained').hidden")
            assert browser.evaluate("document.querySelectorAll('#classes .row').length") == 3
            assert "%" in browser.evaluate("document.getElementById('answer').textContent")
            assert browser.evaluate("document.documentElement.scrollWidth") <= width
            assert not browser.errors()
            assert all(f"127.0.0.1:{port}/" in url for url in browser.requests())


def test_busy_port_is_named_before_the_run_is_read(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(InputError, match=f"--port {port}: cannot listen on 127.0.0.1"):
            serve.run(["none", "--port", str(port), f"--outputs={tmp_path}"])


def test_truncated_file_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    file.write_bytes(b"\x08\x0a\x12\x07pytorch\x3a\xff")
    with pytest.raises(InputError, match=r"model\.onnx: no onnx file that can be loaded"):
        open_session(file)


@pytest.mark.slow
def test_file_of_another_run_is_refused_and_a_damaged_own_one_replaced(
    tiny: Callable[..., TinyRun], tmp_path: Path
) -> None:
    small, progress = ("model.width=4", "model.depth=1"), Progress(Console(quiet=True))
    first, other = (
        load_run(tiny(*small, f"seed={seed}").output, tmp_path / "outputs") for seed in (0, 1)
    )
    calibration = load_calibration(first)
    file = serving_file(first, calibration.temperature, progress)
    Predictor(first, file, calibration, 0.95)
    with pytest.raises(InputError, match=r"exported from .*; export this run"):
        Predictor(other, file, load_calibration(other), 0.95)
    file.write_bytes(file.read_bytes()[:500])
    assert serving_file(first, calibration.temperature, progress) == file
    open_session(file)


def test_waiting_photos_share_a_batch() -> None:
    sizes: list[int] = []

    async def ask() -> list[Any]:
        batcher = Batcher(lambda images: [int(image.sum()) for image in images], sizes.append)
        return list(await asyncio.gather(*(batcher(np.array([n])) for n in range(40))))

    assert asyncio.run(ask()) == list(range(40)) and sizes == [32, 8]
