"""Sheets of photos, pixel by pixel: the contact sheet and the gallery of a run's predictions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from fashion_exp.reporting import style
from fashion_exp.reporting.formats import percent, shorten

if TYPE_CHECKING:
    from PIL import Image, ImageDraw, ImageFont

# Pixels.
_EDGE = 192
_GAP = 14
_FRAME = 6
_CAPTION = 15
_HEADING = 20
_LINE = 1.3
"""Height of a line of text, in font sizes."""


@dataclass(frozen=True)
class _Tile:
    picture: np.ndarray
    caption: Sequence[str]
    mark: str = ""
    colour: str = ""


def contact_sheet(
    pictures: Sequence[np.ndarray], captions: Sequence[str], columns: int, title: str = ""
) -> Image.Image:
    """The pictures in rows, each over its caption, whose lines end at a newline.

    A picture is uint8, (height, width, 3) or (height, width). A small one is enlarged by a whole
    factor, so that its pixels stay what they are; a large one is made smaller, never cut.
    """
    tiles = [
        _Tile(picture, caption.splitlines())
        for picture, caption in zip(pictures, captions, strict=True)
    ]
    columns = min(columns, len(tiles))
    return _stack([*_heading(title, columns), _grid(tiles, columns)])


def gallery(
    predictions: pd.DataFrame,
    read: Callable[[str], np.ndarray],
    part: str,
    count: int = 12,
    columns: int = 6,
) -> Image.Image:
    """The most confident errors of one part, then the most confident right predictions.

    `predictions` has a row per image and training: image_id, path, group_id, label, p_<class>…
    and part. An image that several trainings predicted stands once, with its mean probabilities;
    of a group, only its first. `read` gives the picture of an image id, as `contact_sheet` takes
    it. Equal confidences are in order of image id.
    """
    images = _per_image(predictions[predictions["part"] == part])
    blocks = []
    for right, name in ((False, "errors"), (True, "right predictions")):
        of_kind = images[images["right"] == right]
        shown = of_kind.drop_duplicates("group_id").head(count)
        tiles = [_prediction_tile(row, read(str(row.image_id))) for row in shown.itertuples()]
        what = f"{part.capitalize()}: {len(of_kind):,} {name} among {len(images):,} images"
        blocks += _heading(f"{what}{', the most confident' if tiles else ''}", columns)
        blocks += [_grid(tiles, columns)] if tiles else []
    return _stack(blocks)


def _per_image(rows: pd.DataFrame) -> pd.DataFrame:
    """One row an image, the most confident first."""
    probabilities = [column for column in rows.columns if column.startswith("p_")]
    choices = rows[probabilities].to_numpy().argmax(axis=1)
    names = np.asarray([column.removeprefix("p_") for column in probabilities], dtype=object)
    wrong = names[choices] != rows["label"].to_numpy(object)
    by_image = rows.assign(wrong=wrong).groupby("image_id", sort=True)
    images = by_image[["path", "group_id", "label"]].first()
    mean = by_image[probabilities].mean().to_numpy()
    images["predicted"] = names[mean.argmax(axis=1)]
    images["confidence"] = mean.max(axis=1)
    images["right"] = images["predicted"] == images["label"]
    images["wrong"] = by_image["wrong"].sum()
    images["trainings"] = by_image.size()
    return images.reset_index().sort_values("confidence", ascending=False, kind="stable")


def _prediction_tile(row: Any, picture: np.ndarray) -> _Tile:
    file = row.path if len(row.path) <= 22 else PurePath(row.path).name
    lines = [file, f"true: {row.label}", f"predicted: {row.predicted}"]
    lines.append(f"confidence {percent(row.confidence)}")
    if row.trainings > 1:
        lines.append(f"wrong in {row.wrong} of {row.trainings}")
    if row.right:
        return _Tile(picture, lines, "\N{CHECK MARK}", style.GREEN)
    return _Tile(picture, lines, "\N{BALLOT X}", style.VERMILION)


def _grid(tiles: Sequence[_Tile], columns: int) -> Image.Image:
    from PIL import Image, ImageDraw

    assert tiles, "a sheet without pictures"
    lines = max(len(tile.caption) for tile in tiles)
    width = _EDGE + _GAP
    height = _EDGE + _GAP + round(_CAPTION * _LINE * lines)
    rows = -(-len(tiles) // columns)
    sheet = Image.new("RGB", (columns * width + _GAP, rows * height + _GAP // 2), style.PAPER)
    draw = ImageDraw.Draw(sheet)
    for place, tile in enumerate(tiles):
        row, column = divmod(place, columns)
        corner = (_GAP + column * width, row * height)
        sheet.paste(_framed(tile), corner)
        for line, text in enumerate(tile.caption):
            top = corner[1] + _EDGE + 3 + round(line * _CAPTION * _LINE)
            _write(draw, (corner[0], top), text, _CAPTION, _EDGE)
    return sheet


def _framed(tile: _Tile) -> Image.Image:
    from PIL import Image, ImageDraw

    square = Image.new("RGB", (_EDGE, _EDGE), style.EMPTY)
    edge = _EDGE - 2 * _FRAME if tile.mark else _EDGE
    picture = _fitted(tile.picture, edge)
    square.paste(picture, ((_EDGE - picture.width) // 2, (_EDGE - picture.height) // 2))
    if tile.mark:
        draw = ImageDraw.Draw(square)
        draw.rectangle((0, 0, _EDGE - 1, _EDGE - 1), outline=tile.colour, width=_FRAME)
        badge = 2 * _FRAME + _CAPTION + 5
        draw.rectangle((0, 0, badge, badge), fill=tile.colour)
        middle = ((badge + 1) / 2, (badge + 1) / 2)
        font = _font(tile.mark, _CAPTION + 5)
        draw.text(middle, tile.mark, style.PAPER, font, anchor="mm")
    return square


def _fitted(picture: np.ndarray, edge: int) -> Image.Image:
    from PIL import Image

    image = Image.fromarray(picture).convert("RGB")
    scale = edge / max(image.size)
    if scale >= 1:
        size = (image.width * int(scale), image.height * int(scale))
        return image.resize(size, Image.Resampling.NEAREST)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.LANCZOS)


def _heading(text: str, columns: int) -> list[Image.Image]:
    from PIL import Image, ImageDraw

    if not text:
        return []
    width = columns * (_EDGE + _GAP) + _GAP
    block = Image.new("RGB", (width, round(_HEADING * _LINE) + _GAP), style.PAPER)
    _write(ImageDraw.Draw(block), (_GAP, 0), text, _HEADING, width - 2 * _GAP)
    return [block]


def _stack(blocks: Sequence[Image.Image]) -> Image.Image:
    from PIL import Image

    width = max(block.width for block in blocks)
    height = _GAP + sum(block.height for block in blocks)
    sheet = Image.new("RGB", (width, height), style.PAPER)
    top = _GAP
    for block in blocks:
        sheet.paste(block, (0, top))
        top += block.height
    return sheet


def _write(
    draw: ImageDraw.ImageDraw, corner: tuple[int, int], text: str, size: int, width: int
) -> None:
    """Write one line, its middle left out where it is wider than `width` pixels."""
    font = _font(text, size)
    line = shorten(text, lambda candidate: draw.textlength(candidate, font) <= width)
    draw.text(corner, line, style.INK, font)


def _font(text: str, size: int) -> ImageFont.FreeTypeFont:
    from PIL import ImageFont

    return ImageFont.truetype(style.font_file(text), size)
