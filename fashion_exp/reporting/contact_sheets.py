"""Contact sheets of images with captions, and the gallery of a run's predictions.

They are composed with Pillow, because matplotlib would resample small images.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from fashion_exp.reporting import style
from fashion_exp.reporting.formats import one_line, percent, shorten

if TYPE_CHECKING:
    from PIL import Image, ImageDraw, ImageFont

# Pixels.
_EDGE = 192
_SIDE = _EDGE + 2
"""Of the square around an image of at most `_EDGE`: a thin frame keeps a white one visible."""
_GAP = 14
_FRAME = 6
_CAPTION = 15
_HEADING = 20
_LINE = 1.3
"""Height of a line of text in font sizes."""

_MARKS = {True: ("\N{CHECK MARK}", style.GREEN), False: ("\N{BALLOT X}", style.VERMILION)}
"""Of correct and wrong predictions."""


@dataclass(frozen=True)
class _Tile:
    square: Image.Image
    """With the image, its frame and its badge."""
    caption: Sequence[str]
    """Lines of text."""


def contact_sheet(
    images: Iterable[np.ndarray], captions: Sequence[str], columns: int, title: str = ""
) -> Image.Image:
    """Arranges images in rows, each above its caption, which may have several lines.

    An image is uint8, (height, width, 3) or (height, width). Small ones are enlarged by a whole
    factor, which preserves their pixels; large ones are scaled down, never cropped. The images are
    taken one by one, so that only one is held in its full size.
    """
    tiles = [
        _Tile(_framed(image), caption.splitlines())
        for image, caption in zip(images, captions, strict=True)
    ]
    columns = min(columns, len(tiles))
    return _stack([*_heading(title, columns), _grid(tiles, columns)])


def prediction_gallery(
    predictions: pd.DataFrame,
    read: Callable[[str], np.ndarray],
    part: str,
    count: int = 12,
    columns: int = 6,
) -> Image.Image:
    """The most confident errors of one part, then its most confident correct predictions.

    `predictions` has one row per image and training: image_id, path, group_id, label, p_<class>…
    and part; and, of labels of several classes, whether it is `right`, and what is right and
    predicted by the mean of the trainings: `mean_right`, `mean_predicted`. Probabilities are
    averaged over the trainings of an image; only the first image of a group is shown. `read`
    returns the image of an image id, as for `contact_sheet`. Ties are ordered by image id.
    """
    images = _average_trainings(predictions[predictions["part"] == part])
    blocks = []
    for correct, name in ((False, "wrong"), (True, "right")):
        rows = images[images["correct"] == correct]
        shown = rows.drop_duplicates("group_id").head(count)
        tiles = [_prediction_tile(row, read(str(row.image_id))) for row in shown.itertuples()]
        text = f"{part.capitalize()}: {len(rows):,} of {len(images):,} photos {name}"
        text += " by the mean of their trainings" * bool((images["trainings"] > 1).any())
        blocks += _heading(f"{text}{', the most confident' if tiles else ''}", columns)
        blocks += [_grid(tiles, columns)] if tiles else []
    return _stack(blocks)


def _average_trainings(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per image, the most confident first."""
    probabilities = [column for column in rows.columns if column.startswith("p_")]
    classes = np.asarray([column.removeprefix("p_") for column in probabilities], dtype=object)
    predicted = classes[rows[probabilities].to_numpy().argmax(axis=1)]
    wrong = predicted != rows["label"].to_numpy(object)
    if "right" in rows:
        wrong = ~rows["right"].to_numpy(bool)
    by_image = rows.assign(wrong=wrong).groupby("image_id", sort=True)
    images = by_image[["path", "group_id", "label"]].first()
    mean = by_image[probabilities].mean().to_numpy()
    images["predicted"] = classes[mean.argmax(axis=1)]
    images["confidence"] = mean.max(axis=1)
    images["correct"] = images["predicted"] == images["label"]
    if "right" in rows:
        images["predicted"] = by_image["mean_predicted"].first()
        images["correct"] = by_image["mean_right"].first()
    images["wrong"] = by_image["wrong"].sum()
    images["trainings"] = by_image.size()
    return images.reset_index().sort_values("confidence", ascending=False, kind="stable")


def _prediction_tile(row: Any, image: np.ndarray) -> _Tile:
    lines = [*_path_lines(row.path), f"true: {row.label}", f"predicted: {row.predicted}"]
    lines.append(f"confidence {percent(row.confidence)}")
    if row.trainings > 1:
        lines.append(f"wrong in {row.wrong} of {row.trainings}")
    mark, color = _MARKS[bool(row.correct)]
    return _Tile(_framed(image, mark, color), lines)


def _path_lines(path: str) -> list[str]:
    """The path in one line, or its folder and its name in a line each."""
    folder, slash, name = path.rpartition("/")
    is_short = 72 * style.text_width(path, _CAPTION) <= _SIDE
    return [path] if is_short or not folder else [folder + slash, name]


def _grid(tiles: Sequence[_Tile], columns: int) -> Image.Image:
    from PIL import Image, ImageDraw

    assert tiles, "a sheet needs at least one image"
    line = round(_CAPTION * _LINE)
    width = _SIDE + _GAP
    height = _SIDE + _GAP + line * max(len(tile.caption) for tile in tiles)
    rows = -(-len(tiles) // columns)
    sheet = Image.new("RGB", (columns * width + _GAP, rows * height + _GAP // 2), style.PAPER)
    draw = ImageDraw.Draw(sheet)
    for index, tile in enumerate(tiles):
        row, column = divmod(index, columns)
        x, y = _GAP + column * width, row * height
        sheet.paste(tile.square, (x, y))
        for number, text in enumerate(tile.caption):
            _write_line(draw, (x, y + _SIDE + 3 + number * line), text, _CAPTION, _SIDE)
    return sheet


def _framed(pixels: np.ndarray, mark: str = "", color: str = style.RULE) -> Image.Image:
    """The image in a square with a frame; with a `mark`, one character, on a badge in the corner.

    The frame of a marked image is thick.
    """
    from PIL import Image, ImageDraw

    square = Image.new("RGB", (_SIDE, _SIDE), style.EMPTY)
    frame = _FRAME if mark else 1
    image = _scaled(pixels, _SIDE - 2 * frame)
    square.paste(image, ((_SIDE - image.width) // 2, (_SIDE - image.height) // 2))
    draw = ImageDraw.Draw(square)
    draw.rectangle((0, 0, _SIDE - 1, _SIDE - 1), outline=color, width=frame)
    if mark:
        badge = 2 * _FRAME + _CAPTION + 5
        draw.rectangle((0, 0, badge, badge), fill=color)
        center = ((badge + 1) / 2, (badge + 1) / 2)
        draw.text(center, mark, style.PAPER, _font(mark, _CAPTION + 5), anchor="mm")
    return square


def _scaled(pixels: np.ndarray, edge: int) -> Image.Image:
    """The image at the largest whole factor that fits, or scaled down to the edge."""
    from PIL import Image, ImageOps

    image = Image.fromarray(pixels).convert("RGB")
    factor = edge // max(image.size)
    if factor >= 1:
        return ImageOps.scale(image, factor, Image.Resampling.NEAREST)
    size = [max(1, round(side * edge / max(image.size))) for side in image.size]
    return image.resize((size[0], size[1]), Image.Resampling.LANCZOS)


def _heading(text: str, columns: int) -> list[Image.Image]:
    from PIL import Image, ImageDraw

    if not text:
        return []
    width = columns * (_SIDE + _GAP) + _GAP
    block = Image.new("RGB", (width, round(_HEADING * _LINE) + _GAP), style.PAPER)
    _write_line(ImageDraw.Draw(block), (_GAP, 0), text, _HEADING, width - 2 * _GAP)
    return [block]


def _stack(blocks: Sequence[Image.Image]) -> Image.Image:
    from PIL import Image

    size = max(block.width for block in blocks), _GAP + sum(block.height for block in blocks)
    sheet = Image.new("RGB", size, style.PAPER)
    top = _GAP
    for block in blocks:
        sheet.paste(block, (0, top))
        top += block.height
    return sheet


def _write_line(
    draw: ImageDraw.ImageDraw, corner: tuple[int, int], text: str, size: int, width: int
) -> None:
    """Writes one line of at most `width` pixels; the middle of longer text is cut."""
    text = one_line(text)
    font = _font(text, size)
    line = shorten(text, lambda candidate: draw.textlength(candidate, font) <= width)
    draw.text(corner, line, style.INK, font)


def _font(text: str, size: int) -> ImageFont.FreeTypeFont:
    from PIL import ImageFont

    return ImageFont.truetype(style.font_file(text), size)
