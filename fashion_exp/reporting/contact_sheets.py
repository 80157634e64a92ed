"""Contact sheets of images with captions, and the gallery of a run's predictions.

They are composed with Pillow, because matplotlib would resample small images.
"""

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
"""Height of a line of text in font sizes."""


@dataclass(frozen=True)
class _Tile:
    image: np.ndarray
    caption: Sequence[str]
    """Lines of text."""
    mark: str = ""
    """One character on a badge in the corner."""
    color: str = ""
    """Of the frame and the badge, if there is a mark."""


def contact_sheet(
    images: Sequence[np.ndarray], captions: Sequence[str], columns: int, title: str = ""
) -> Image.Image:
    """Arranges images in rows, each above its caption, which may have several lines.

    An image is uint8, (height, width, 3) or (height, width). Small ones are enlarged by a whole
    factor, which preserves their pixels; large ones are scaled down, never cropped.
    """
    tiles = [
        _Tile(image, caption.splitlines()) for image, caption in zip(images, captions, strict=True)
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
    and part. Probabilities are averaged over the trainings of an image; only the first image of a
    group is shown. `read` returns the image of an image id, as for `contact_sheet`. Ties are
    ordered by image id.
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
    by_image = rows.assign(wrong=wrong).groupby("image_id", sort=True)
    images = by_image[["path", "group_id", "label"]].first()
    mean = by_image[probabilities].mean().to_numpy()
    images["predicted"] = classes[mean.argmax(axis=1)]
    images["confidence"] = mean.max(axis=1)
    images["correct"] = images["predicted"] == images["label"]
    images["wrong"] = by_image["wrong"].sum()
    images["trainings"] = by_image.size()
    return images.reset_index().sort_values("confidence", ascending=False, kind="stable")


def _prediction_tile(row: Any, image: np.ndarray) -> _Tile:
    file = row.path if len(row.path) <= 22 else PurePath(row.path).name
    lines = [file, f"true: {row.label}", f"predicted: {row.predicted}"]
    lines.append(f"confidence {percent(row.confidence)}")
    if row.trainings > 1:
        lines.append(f"wrong in {row.wrong} of {row.trainings}")
    if row.correct:
        return _Tile(image, lines, "\N{CHECK MARK}", style.GREEN)
    return _Tile(image, lines, "\N{BALLOT X}", style.VERMILION)


def _grid(tiles: Sequence[_Tile], columns: int) -> Image.Image:
    from PIL import Image, ImageDraw

    assert tiles, "a sheet needs at least one image"
    line = round(_CAPTION * _LINE)
    width = _EDGE + _GAP
    height = _EDGE + _GAP + line * max(len(tile.caption) for tile in tiles)
    rows = -(-len(tiles) // columns)
    sheet = Image.new("RGB", (columns * width + _GAP, rows * height + _GAP // 2), style.PAPER)
    draw = ImageDraw.Draw(sheet)
    for index, tile in enumerate(tiles):
        row, column = divmod(index, columns)
        x, y = _GAP + column * width, row * height
        sheet.paste(_framed(tile), (x, y))
        for number, text in enumerate(tile.caption):
            _write_line(draw, (x, y + _EDGE + 3 + number * line), text, _CAPTION, _EDGE)
    return sheet


def _framed(tile: _Tile) -> Image.Image:
    from PIL import Image, ImageDraw

    square = Image.new("RGB", (_EDGE, _EDGE), style.EMPTY)
    image = _scaled(tile.image, _EDGE - 2 * _FRAME if tile.mark else _EDGE)
    square.paste(image, ((_EDGE - image.width) // 2, (_EDGE - image.height) // 2))
    if tile.mark:
        draw = ImageDraw.Draw(square)
        draw.rectangle((0, 0, _EDGE - 1, _EDGE - 1), outline=tile.color, width=_FRAME)
        badge = 2 * _FRAME + _CAPTION + 5
        draw.rectangle((0, 0, badge, badge), fill=tile.color)
        center = ((badge + 1) / 2, (badge + 1) / 2)
        font = _font(tile.mark, _CAPTION + 5)
        draw.text(center, tile.mark, style.PAPER, font, anchor="mm")
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
    width = columns * (_EDGE + _GAP) + _GAP
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
    font = _font(text, size)
    line = shorten(text, lambda candidate: draw.textlength(candidate, font) <= width)
    draw.text(corner, line, style.INK, font)


def _font(text: str, size: int) -> ImageFont.FreeTypeFont:
    from PIL import ImageFont

    return ImageFont.truetype(style.font_file(text), size)
