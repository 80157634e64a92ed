from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from fashion_exp.reporting import contact_sheets, style
from fashion_exp.reporting.contact_sheets import _per_image, contact_sheet, gallery


def _predictions(rows: Sequence[tuple[str, str, float, str, int]]) -> pd.DataFrame:
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


def _grey(image: str) -> np.ndarray:
    return np.full((8, 8, 3), 128, np.uint8)


def _read_in_order(predictions: pd.DataFrame, count: int = 12) -> list[str]:
    seen: list[str] = []

    def read(image: str) -> np.ndarray:
        seen.append(image)
        return _grey(image)

    gallery(predictions, read, "test", count=count)
    return seen


def test_the_most_confident_error_stands_first_and_errors_before_the_right_ones() -> None:
    rows = [("a", "hat", 0.9), ("b", "hat", 0.2), ("c", "shoe", 0.95), ("d", "shoe", 0.0)]
    predictions = _predictions([(image, label, p, image, 0) for image, label, p in rows])
    assert _read_in_order(predictions) == ["c", "b", "d", "a"]
    assert _read_in_order(predictions, count=1) == ["c", "d"]


def test_equally_confident_images_are_in_order_of_their_id() -> None:
    predictions = _predictions([(image, "hat", 0.25, image, 0) for image in "cabd"])
    assert _read_in_order(predictions) == list("abcd")


def test_only_one_image_of_a_group_is_shown() -> None:
    predictions = _predictions([("a", "hat", 0.2, "g", 0), ("b", "hat", 0.1, "g", 0)])
    assert _read_in_order(predictions) == ["b"]


def test_only_the_part_asked_for_is_shown() -> None:
    predictions = _predictions([("a", "hat", 0.9, "a", 0), ("b", "hat", 0.8, "b", 0)])
    predictions.loc[1, "part"] = "validation"
    assert _read_in_order(predictions) == ["a"]


def test_an_image_of_several_trainings_stands_once_with_its_mean_probability() -> None:
    predictions = _predictions(
        [("a", "hat", 0.1, "a", 0), ("a", "hat", 0.8, "a", 1), ("a", "hat", 0.9, "a", 2)]
    )
    (image,) = _per_image(predictions).itertuples()
    assert image.predicted == "hat"
    assert image.confidence == pytest.approx(0.6)
    assert (image.right, image.wrong, image.trainings) == (True, 1, 3)
    assert _read_in_order(predictions) == ["a"]


def test_an_error_and_a_right_prediction_differ_in_more_than_colour() -> None:
    marks = []
    for p_hat, colour in ((0.9, style.GREEN), (0.1, style.VERMILION)):
        (row,) = _per_image(_predictions([("a", "hat", p_hat, "a", 0)])).itertuples()
        tile = contact_sheets._prediction_tile(row, _grey("a"))
        assert tile.colour == colour
        marks.append(tile.mark)
    assert marks == ["\N{CHECK MARK}", "\N{BALLOT X}"]


def test_a_tile_tells_file_truth_prediction_and_confidence() -> None:
    predictions = _predictions([("a", "hat", 0.125, "a", 0)])
    (row,) = _per_image(predictions).itertuples()
    caption = contact_sheets._prediction_tile(row, _grey("a")).caption
    assert caption == ["somewhere/a.png", "true: hat", "predicted: shoe", "confidence 87.5 %"]


def test_a_gallery_without_errors_is_only_told_so() -> None:
    right = _predictions([("a", "hat", 0.9, "a", 0)])
    wrong = _predictions([("a", "hat", 0.1, "a", 0)])
    assert gallery(right, _grey, "test").size == gallery(wrong, _grey, "test").size


@pytest.mark.parametrize(("edge", "factor"), [(28, 6), (96, 2), (100, 1), (192, 1)])
def test_a_small_picture_is_enlarged_by_a_whole_factor(edge: int, factor: int) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (edge, edge, 3), dtype=np.uint8)
    shown = np.asarray(contact_sheets._fitted(picture, 192))
    assert np.array_equal(shown, picture.repeat(factor, axis=0).repeat(factor, axis=1))


def test_a_large_picture_is_made_smaller_and_never_cut() -> None:
    picture = np.zeros((300, 900), np.uint8)
    assert contact_sheets._fitted(picture, 192).size == (192, 64)
    assert contact_sheets._fitted(np.zeros((2, 4000, 3), np.uint8), 192).size == (192, 1)


def test_pictures_fill_rows_from_the_left() -> None:
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    pictures = [np.full((200, 200, 3), colour, np.uint8) for colour in colours]
    sheet = contact_sheet(pictures, ["a", "b", "c"], columns=2)
    pixels = np.asarray(sheet)
    corners = {
        tuple(int(part) for part in np.argwhere((pixels == colour).all(axis=2))[0])
        for colour in colours
    }
    rows = sorted({row for row, _ in corners})
    assert len(rows) == 2
    assert len({column for _, column in corners}) == 2
    assert len(corners) == 3


def test_a_long_caption_does_not_run_into_the_next_tile() -> None:
    pictures = [_grey("a")] * 2
    plain = np.asarray(contact_sheet(pictures, ["", "x"], 2))
    long = np.asarray(contact_sheet(pictures, ["W" * 500, "x"], 2))
    assert plain.shape == long.shape
    changed = np.flatnonzero((plain != long).any(axis=(0, 2)))
    assert changed.max() < contact_sheets._GAP + contact_sheets._EDGE


def test_a_picture_without_a_caption_is_an_error() -> None:
    with pytest.raises(ValueError, match="zip"):
        contact_sheet([_grey("a")], [], 2)
