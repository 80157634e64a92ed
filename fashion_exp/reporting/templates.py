"""Renders the HTML templates of this package."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fashion_exp.reporting.formats import difference_text, percent, shorten_to_cells
from fashion_exp.reporting.tables import PlainTable

if TYPE_CHECKING:
    from PIL import Image

_NUMBER = re.compile(r"[+\N{MINUS SIGN}-]?\d[\d.,]*(e[+-]?\d+)?\b(?!/)|[<>] ?\d|\N{EN DASH}$|$")


def render(template: str, **values: Any) -> str:
    """The page as text. Values are escaped; a name that the template lacks is an error."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= FILTERS
    return environment.get_template(template).render(**values)


def right_aligned(table: PlainTable) -> list[bool]:
    """Whether each column but the first holds only numbers, dashes and empty cells."""
    columns = list(zip(*table.rows, strict=True)) or [()] * len(table.header)
    return [
        index > 0 and any(column) and all(map(_NUMBER.match, column))
        for index, column in enumerate(columns)
    ]


def keep_units(text: str) -> str:
    """Puts no-break spaces between numbers and their signs: "5 %", "n = 5", "< 5"."""
    return re.sub(r"(?<=\d) (?=%)|(?<=\bn) (?==)|(?<=[<>=]) (?=\d)", "\N{NO-BREAK SPACE}", text)


def jpeg_uri(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


def png_uri(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "png", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def web_url(url: str) -> str:
    """The URL if it is http or https, else an empty text: untrusted links must not run scripts."""
    return url if url.startswith(("https://", "http://")) else ""


FILTERS: dict[str, Callable[..., Any]] = {
    "right_aligned": right_aligned,
    "jpeg_uri": jpeg_uri,
    "percent": percent,
    "difference": difference_text,
    "keep_units": keep_units,
    "split_words": re.compile(r"(\s+)").split,
    "web_url": web_url,
    "short": lambda file: shorten_to_cells(file, 24),
}
