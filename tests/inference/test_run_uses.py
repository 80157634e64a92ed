"""What a loaded run offers in Python and as subcommands: predict, explain, card."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import fashion_exp as fx
from fashion_exp.commands import card as card_command
from fashion_exp.commands import explain as explain_command
from fashion_exp.inference.explanation_page import judges
from fashion_exp.reporting.formats import percent
from fashion_exp.reporting.photo_page import as_json
from tests.command_line import documented_keys

pytestmark = pytest.mark.slow


@pytest.fixture
def run(trained_folder: Path) -> fx.Run:
    return fx.load(trained_folder)


def paths(photos: Path, count: int = 4) -> list[Path]:
    result = sorted((photos / "validation").glob("*/*.png"))
    return result[:: len(result) // count][:count]


def test_paths_images_and_arrays_are_predicted_alike(run: fx.Run, photos: Path) -> None:
    files = paths(photos)
    by_path = run.predict(files)
    opened = [Image.open(file) for file in files]
    arrays = [np.asarray(image) for image in opened]
    assert list(by_path["path"]) == list(map(str, files))
    for others in (opened, arrays, np.stack(arrays)):
        table = run.predict(others)
        pd.testing.assert_frame_equal(table.iloc[:, 1:], by_path.iloc[:, 1:])
    assert list(run.predict(opened)["path"]) == list(map(str, files))
    assert list(run.predict(arrays)["path"]) == [f"image {n}" for n in (1, 2, 3, 4)]
    assert len(run.predict(photos / "validation" / "shirt")) == 8


def test_unreadable_photos_among_images_are_rows(run: fx.Run, photos: Path, tmp_path: Path) -> None:
    first, second = paths(photos, 2)
    cut = tmp_path / "cut.png"
    cut.write_bytes(first.read_bytes()[:300])
    with Image.open(cut) as truncated:
        mixed = [Image.open(first), tmp_path / "gone.jpg", second, b"no photo", truncated]
        table = run.predict(mixed)
    assert list(table["path"]) == [
        str(first), str(tmp_path / "gone.jpg"), str(second), "image 4", str(cut),
    ]  # fmt: skip
    assert list(table["reason"] == "") == [True, False, True, False, False]
    columns = ["predicted", "probability"]
    expected = run.predict([first, second])[columns]
    pd.testing.assert_frame_equal(table.loc[[0, 2], columns].reset_index(drop=True), expected)
    assert len(run.predict([np.asarray(mixed[0]), photos / "validation" / "shirt"])) == 9


def test_model_and_transform_give_the_stored_probabilities(run: fx.Run, photos: Path) -> None:
    rows = run.predictions("test").query("repeat == 1")
    images = torch.stack([run.transform(photos / path) for path in rows["path"]])
    with torch.inference_mode():
        probabilities = run.model("r1f0")(images).softmax(dim=1)
    stored = rows[[f"p_{name}" for name in run.classes]].to_numpy()
    assert images.dtype == torch.uint8
    assert np.allclose(probabilities, stored, atol=1e-5)


@pytest.mark.parametrize("photo", [np.zeros((4, 4, 3)), np.zeros(3, np.uint8), 7])
def test_what_is_no_photo_is_named(run: fx.Run, photo: object) -> None:
    with pytest.raises(fx.InputError):
        run.predict([photo])


def test_card_has_the_figures_of_the_run(
    trained_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, into = fx.load(trained_folder), tmp_path / "card"
    outputs = ["--outputs", str(run.outputs)]
    assert card_command.run(["tiny", *outputs, "--into", str(into)]) == 0
    text, page = ((into / name).read_text() for name in ("card.md", "card.html"))
    metrics = run.metrics
    limits = f"{100 * metrics['test_lo']:.1f}–{100 * metrics['test_hi']:.1f}"
    for words in (
        percent(metrics["test_acc"]),
        limits,
        "Runs that were evaluated",
        "r1f0, SHA-256",
        "cross_entropy",
        "training.epochs",
    ):
        assert words in text and words in re.sub("<[^>]*>|\N{NO-BREAK SPACE}", " ", page)
    chosen = [line for line in text.splitlines() if re.match(r"\| [a-z_.]+ \|", line)]
    options = {line.split(" | ")[0].removeprefix("| "): line for line in chosen}
    assert "4" in options["model.width"] and "3" in options["training.epochs"]
    assert "optim.lr" not in options, "only what differs from the default"
    assert text.startswith("# Model card: basic") and len(text.splitlines()[0]) < 80
    assert text.count(run.data.result.name) == 1, "the options are stated once"
    notes = [line for line in text.splitlines() if len(line) > 60 and "|" not in line]
    assert len(notes) == len(set(notes)), "no sentence twice"
    assert "scripts/run predict tiny" in text and "License of the photos: not recorded" in text
    capsys.readouterr()
    assert card_command.run(["tiny", *outputs, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed.keys() == documented_keys("card")
    assert printed["sections"] == as_json(run.card())["sections"]
    (counts,) = next(s for s in printed["sections"] if s["title"] == "Data")["tables"]
    split = run.data.split
    assert sum(int(row[1]) for row in counts["rows"]) == len(split)
    assert sum(int(row[4]) for row in counts["rows"]) == (split["r0f0"] == "test").sum()


def test_explain_writes_a_picture_per_photo_and_a_page(
    run: fx.Run, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = list(map(str, paths(photos, 5)))
    arguments = [str(run.folder), *files, "--into", str(tmp_path / "maps"), "--json"]
    assert explain_command.run(arguments) == 0
    result = json.loads(capsys.readouterr().out)
    assert result.keys() == documented_keys("explain")
    assert [row["path"] for row in result["photos"]] == files
    for row in result["photos"]:
        with Image.open(row["picture"]) as picture:
            assert picture.width > 3 * 192, "the photo and two maps"
    page = Path(result["page"]).read_text()
    assert page.count("<img") == 5 and "area under the deletion curve" in page
    kinds = {(check["map"], check["control"]) for check in result["checks"]}
    assert len(kinds) == 4 and result["checks"][0]["photos"] == 5
    for check in result["checks"]:
        difference = check["control_area"] - check["area"]
        assert check["low"] <= check["difference"] == pytest.approx(difference)
    predicted = run.predict(files)
    assert [row["predicted"] for row in result["photos"]] == list(predicted["predicted"])


def test_explain_names_photos_that_cannot_be_read_and_shows_the_others(
    run: fx.Run, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second, into = *map(str, paths(photos, 2)), tmp_path / "maps"
    (text := tmp_path / "text.jpg").write_text("no photo")
    options = [str(run.folder), "--into", str(into), "--no-check", "--method", "activation"]
    assert explain_command.run([*options, first, second]) == 0
    (into / "mine.png").write_bytes(b"")
    bad = [str(text), str(tmp_path / "gone.jpg")]
    assert explain_command.run([*options, bad[0], first, bad[1]]) == 3
    assert "gone.jpg: no such file" in capsys.readouterr().out
    page = (into / "explain.html").read_text()
    assert page.count("<img") == 1, "without --count all named photos are explained"
    assert all(Path(path).name in page for path in bad)
    names = [file.name for file in into.glob("*.png")]
    assert sorted(names) == [f"001-{Path(first).stem}.png", "mine.png"], "no picture of before"
    with pytest.raises(fx.InputError, match=r"text.jpg: not a JPEG"):
        explain_command.run([*options, bad[0]])
    for count in ("0", "-2"):
        with pytest.raises(fx.InputError, match="must be 1 or more"):
            explain_command.run([*options, "--count", count])


def test_count_limits_the_named_photos(run: fx.Run, photos: Path, tmp_path: Path) -> None:
    files, options = paths(photos, 3), ["--no-check", "--method", "activation", "--into"]
    names = [str(run.folder), *map(str, files), *options, str(tmp_path)]
    assert explain_command.run([*names, "--count", "2"]) == 0
    assert sorted(file.name[:3] for file in tmp_path.glob("*.png")) == ["001", "002"]
    assert explain_command.run(names) == 0
    assert len(list(tmp_path.glob("*.png"))) == 3


def test_explain_begins_with_the_most_confident_errors(
    run: fx.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = run.predictions("test")
    wrong = frame.assign(
        label=frame["label"].map(dict(zip(run.classes, run.classes[::-1], strict=True)))
    )
    monkeypatch.setattr(type(run.data), "predictions", lambda *_: wrong)
    explained = run.explain(count=3, check=False, methods=["activation"], into=tmp_path)
    assert len(explained.rows) == 3 and not explained.sentences
    for row in explained.rows:
        assert row["label"] != row["predicted"]
    shares = [row["probability"] for row in explained.rows]
    assert shares == sorted(shares, reverse=True)


def test_errors_are_explained_by_the_models_that_judged_the_photo(run: fx.Run) -> None:
    frame = run.predictions("validation")
    judged = judges(frame)
    assert sum(map(len, judged.values())) == len(frame) > len(judged)
    for row in frame.itertuples():
        assert f"r{row.repeat}f{row.fold}" in judged[str(row.image_id)]


def test_report_shows_errors_beside_maps(run: fx.Run, tmp_path: Path) -> None:
    page = run.report(tmp_path, maps=True).read_text()
    group = page.partition('<ul class="photos wide">')[2].partition("</ul>")[0]
    pictures = re.findall('data:image/jpeg;base64,([^"]+)', group)
    assert len(pictures) == group.count("<li>") > 0
    with Image.open(io.BytesIO(base64.b64decode(pictures[0]))) as picture:
        assert picture.width > 2 * 192, "the photo and a map"


MISTAKES: dict[str, Callable[[fx.Run], object]] = {
    "--coverage 3: must be between": lambda run: run.calibrate(coverage=3),
    "into=/proc: /proc is not writable": lambda run: run.write_card("/proc"),
    "into=/proc/x: /proc is not writable": lambda run: run.explain(into="/proc/x"),
    "/proc/x.onnx: /proc is not writable": lambda run: run.export("/proc/x.onnx"),
    "name a file that ends with .zip": lambda run: run.bundle("study"),
    "--port 99999: must be between": lambda run: run.serve(99999),
    "r9f9: no model of this run": lambda run: run.predict("photo.jpg", models="r9f9"),
}


@pytest.mark.parametrize("message", MISTAKES)
def test_mistakes_are_named_before_work_begins(run: fx.Run, message: str) -> None:
    with pytest.raises(fx.InputError, match=message):
        MISTAKES[message](run)


def test_refit_claims_no_accuracy(run: fx.Run) -> None:
    fitted = run.refit(models=1)
    card = fitted.card()
    assert card.title.startswith("Model card: refit of")
    assert any("accuracy is not measured" in sentence for sentence in card.conclusions)
    assert "accuracy is not measured" in fitted._repr_html_()
    for use in (lambda: fitted.metrics, fitted.explain):
        with pytest.raises(fx.InputError, match="refit"):
            use()


def test_calibration_is_that_of_the_subcommand(run: fx.Run) -> None:
    report = run.calibrate(coverage=0.9, left_out=False)
    assert [part.part for part in report.parts] == ["validation", "test"]
    assert set(report.calibration.temperature) == {"r0f0", "r1f0"} and report.coverage == 0.9
    assert "Calibration and prediction sets" in [s.title for s in run.card().sections]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--class", "dres"], "did you mean dress"),
        (["--model", "r7f0"], "no model of this run"),
        (["--method", "oclusion"], "did you mean occlusion"),
        (["--no-such"], "no such option"),
    ],
)
def test_mistakes_write_nothing(
    run: fx.Run, photos: Path, tmp_path: Path, options: list[str], message: str
) -> None:
    arguments = [str(run.folder), *map(str, paths(photos, 1)), "--into", str(tmp_path / "new")]
    with pytest.raises(fx.InputError, match=message):
        explain_command.run([*arguments, *options])
    assert not (tmp_path / "new").exists()
