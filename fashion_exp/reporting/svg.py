"""A matplotlib figure as an SVG element of a page that sets its colors and fonts."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from fashion_exp.reporting import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CSS_COLORS = {
    style.BLUE: "--blue",
    style.VERMILION: "--vermilion",
    style.GREEN: "--green",
    style.PURPLE: "--purple",
    style.BROWN: "--brown",
    style.INK: "--ink",
    style.MUTED: "--muted",
    style.RULE: "--rule",
    style.EMPTY: "--shade",
    style.PAPER: "--paper",
}
"""CSS variables of report.css, which defines them for light, dark and print."""

_CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_NO_METADATA = dict.fromkeys(("Date", "Creator", "Format", "Type"))


def inline_svg(figure: Figure, name: str, label: str, description: str) -> str:
    """Returns one `<svg>` element; equal figures give equal text.

    `name` must be unique within the page because it makes the ids unique. `label` and
    `description` are the short and the long alternative text.
    """
    root = ElementTree.fromstring(_render(figure, name))
    for parent in root.iter():
        for child in list(parent):
            # A style element would apply to the whole page.
            if _local_name(child.tag) in ("metadata", "style"):
                parent.remove(child)
    for element in root.iter():
        element.tag = _local_name(element.tag)  # HTML knows the namespaces
        attributes = {_local_name(key): value for key, value in element.attrib.items()}
        if element.tag == "g":
            attributes.pop("id", None)  # unused, and the same in every figure
        if "style" in attributes:
            attributes["style"] = _page_style(attributes["style"])
        element.attrib = {key: " ".join(value.split()) for key, value in attributes.items()}
    width, height = root.attrib["viewBox"].split()[2:]
    root.attrib |= {"class": "drawn", "role": "img", "aria-label": label}
    root.attrib |= {"width": f"{width}pt", "height": f"{height}pt"}
    desc = ElementTree.Element("desc")
    desc.text = description
    root.insert(0, desc)
    return re.sub(r">\s+<", "><", ElementTree.tostring(root, encoding="unicode"))


def _render(figure: Figure, name: str) -> str:
    import matplotlib

    # The salt enters the hash that is the id of each clip path and marker.
    settings: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": name}
    target = io.StringIO()
    with matplotlib.rc_context(settings), style.ignore_missing_glyphs():
        figure.savefig(target, format="svg", transparent=True, metadata=_NO_METADATA)
    return _CONTROL_CHARACTERS.sub(" ", target.getvalue())


def _local_name(name: str) -> str:
    return name.rpartition("}")[2]


def _page_style(declarations: str) -> str:
    """The declarations without the font, and with the page's color variables."""
    parts = (part.strip() for part in declarations.split(";"))
    shown = "; ".join(part for part in parts if not part.startswith("font-family"))
    return re.sub(r"#[0-9a-fA-F]{6}", _css_color, shown)


def _css_color(color: re.Match[str]) -> str:
    variable = CSS_COLORS.get(color[0].upper())
    return f"var({variable})" if variable else color[0]
