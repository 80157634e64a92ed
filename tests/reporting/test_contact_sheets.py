from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import pytest
from PIL import ImageColor

from fashion_exp.reporting import contact_sheets, style
from fashion_exp.reporting.contact_sheets import (
    _average_trainings,
    contact_sheet,
    prediction_gallery,
)

pytestmark = pytest.mark.slow


def make_predictions(rows: Sequence[tuple[str, str, float, str, int]]) -> pd.DataFrame:
    """Rows of image id, label, probability of "hat", group and repeat."""
    return pd.DataFrame(
        {
            "image_id": image,
            "path": f"somewhere/{image}.png",
            "group_id": group,
            "label": label,
            "p_hat": p_hat,
            "p_shoe": 1 - p_hat,
            "part": "test",
            "fold": 0,
            "repeat": repeat,
            "seed": repeat,
        }
        for image, label, p_hat, group, repeat in rows
    )


def gray_image(image: str) -> np.ndarray:
    return np.full((8, 8, 3), 128, np.uint8)


def images_shown(predictions: pd.DataFrame, count: int = 12) -> list[str]:
    seen: list[str] = []

    def read(image: str) -> np.ndarray:
        seen.append(image)
        return gray_image(image)

    prediction_gallery(predictions, read, "test", count=count)
    return seen


def test_errors_come_first_and_the_most_confident_before_others() -> None:
    rows = [("a", "hat", 0.9), ("b", "hat", 0.2), ("c", "shoe", 0.95), ("d", "shoe", 0.0)]
    predictions = make_predictions([(image, label, p, image, 0) for image, label, p in rows])
    assert images_shown(predictions) == ["c", "b", "d", "a"]
    assert images_shown(predictions, count=1) == ["c", "d"]


def test_ties_are_ordered_by_image_id() -> None:
    predictions = make_predictions([(image, "hat", 0.25, image, 0) for image in "cabd"])
    assert images_shown(predictions) == list("abcd")


def test_only_one_image_per_group_is_shown() -> None:
    predictions = make_predictions([("a", "hat", 0.2, "g", 0), ("b", "hat", 0.1, "g", 0)])
    assert images_shown(predictions) == ["b"]


def test_only_the_requested_part_is_shown() -> None:
    predictions = make_predictions([("a", "hat", 0.9, "a", 0), ("b", "hat", 0.8, "b", 0)])
    predictions.loc[1, "part"] = "validation"
    assert images_shown(predictions) == ["a"]


def test_probabilities_are_averaged_over_trainings() -> None:
    predictions = make_predictions(
        [("a", "hat", 0.1, "a", 0), ("a", "hat", 0.8, "a", 1), ("a", "hat", 0.9, "a", 2)]
    )
    (image,) = _average_trainings(predictions).itertuples()
    assert image.predicted == "hat"
    assert image.confidence == pytest.approx(0.6)
    assert (image.correct, image.wrong, image.trainings) == (True, 1, 3)
    assert images_shown(predictions) == ["a"]


def test_errors_and_correct_predictions_differ_in_color_and_mark() -> None:
    badges = []
    for p_hat, color in ((0.9, style.GREEN), (0.1, style.VERMILION)):
        (row,) = _average_trainings(make_predictions([("a", "hat", p_hat, "a", 0)])).itertuples()
        square = np.asarray(contact_sheets._prediction_tile(row, gray_image("a")).square)
        assert tuple(square[0, 0].tolist()) == ImageColor.getrgb(color)
        badges.append((square[:30, :30] == square[0, 0]).all(axis=2))
    assert not np.array_equal(*badges)


def test_caption_has_file_label_prediction_and_confidence() -> None:
    predictions = make_predictions([("a", "hat", 0.125, "a", 0)])
    (row,) = _average_trainings(predictions).itertuples()
    caption = contact_sheets._prediction_tile(row, gray_image("a")).caption
    assert caption == ["somewhere/a.png", "true: hat", "predicted: shoe", "confidence 87.5 %"]


def test_file_that_is_too_long_for_a_line_keeps_its_folder() -> None:
    name = "0f3c2a1b-4d5e-6f70-8192-a3b4c5d6e7f8.jpg"
    predictions = make_predictions([("a", "hat", 0.125, "a", 0)]).assign(path=f"hat/{name}")
    (row,) = _average_trainings(predictions).itertuples()
    caption = contact_sheets._prediction_tile(row, gray_image("a")).caption
    assert caption[:3] == ["hat/", name, "true: hat"]


def test_white_image_on_the_white_sheet_has_a_visible_edge() -> None:
    white = np.full((192, 192, 3), 255, np.uint8)
    sheet = np.asarray(contact_sheet([white], [""], 1).convert("L"))
    assert sheet.min(axis=0).min() < 200
    rows, columns = np.nonzero(sheet < 200)
    assert np.ptp(rows) == np.ptp(columns) == 193


def test_images_are_read_one_by_one() -> None:
    held: list[weakref.ref[np.ndarray]] = []

    def images() -> Iterator[np.ndarray]:
        for _ in range(5):
            assert sum(image() is not None for image in held) <= 1
            image = np.zeros((8, 8, 3), np.uint8)
            held.append(weakref.ref(image))
            yield image
            del image

    contact_sheet(images(), ["a"] * 5, 5)


@pytest.mark.parametrize("name", ["a\nb", "a$b$", "\N{PARTY POPPER}", 300 * "W", "_^\\x"])
def test_class_may_have_any_name(name: str) -> None:
    predictions = make_predictions([("a", name, 0.5, "a", 0)]).assign(path=f"{name}/a.png")
    prediction_gallery(predictions, gray_image, "test")
    contact_sheet([gray_image("a")], [name], 1, title=name)


def test_gallery_without_errors_has_only_their_heading() -> None:
    right = make_predictions([("a", "hat", 0.9, "a", 0)])
    wrong = make_predictions([("a", "hat", 0.1, "a", 0)])
    assert (
        prediction_gallery(right, gray_image, "test").size
        == prediction_gallery(wrong, gray_image, "test").size
    )


@pytest.mark.parametrize(("edge", "factor"), [(28, 6), (96, 2), (100, 1), (192, 1)])
def test_small_image_is_enlarged_by_a_whole_factor(edge: int, factor: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (edge, edge, 3), dtype=np.uint8)
    shown = np.asarray(contact_sheets._scaled(image, 192))
    assert np.array_equal(shown, image.repeat(factor, axis=0).repeat(factor, axis=1))


def test_large_image_is_scaled_down_and_not_cropped() -> None:
    image = np.zeros((300, 900), np.uint8)
    assert contact_sheets._scaled(image, 192).size == (192, 64)
    assert contact_sheets._scaled(np.zeros((2, 4000, 3), np.uint8), 192).size == (192, 1)


def test_images_fill_rows_from_the_left() -> None:
    colors = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    images = [np.full((200, 200, 3), color, np.uint8) for color in colors]
    sheet = contact_sheet(images, ["a", "b", "c"], columns=2)
    pixels = np.asarray(sheet)
    corners = {
        tuple(int(part) for part in np.argwhere((pixels == color).all(axis=2))[0])
        for color in colors
    }
    rows = sorted({row for row, _ in corners})
    assert len(rows) == 2
    assert len({column for _, column in corners}) == 2
    assert len(corners) == 3


def test_long_caption_stays_within_its_tile() -> None:
    images = [gray_image("a")] * 2
    plain = np.asarray(contact_sheet(images, ["", "x"], 2))
    long = np.asarray(contact_sheet(images, ["W" * 500, "x"], 2))
    assert plain.shape == long.shape
    changed = np.flatnonzero((plain != long).any(axis=(0, 2)))
    assert changed.max() < contact_sheets._GAP + contact_sheets._SIDE


def test_rejects_image_without_caption() -> None:
    with pytest.raises(ValueError, match="zip"):
        contact_sheet([gray_image("a")], [], 2)
