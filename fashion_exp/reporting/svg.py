"""A matplotlib figure as SVG that is part of a page: its colours and its fonts are the page's."""

from __future__ import annotations

import io
import re
import warnings
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from fashion_exp.reporting import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PURPLE = "#8E5A86"
BROWN = "#8A6D00"
"""Two further line colours: with the style's own, told apart at eight curves, and dark enough."""

THEME = {
    style.BLUE: "--blue",
    style.VERMILION: "--vermilion",
    style.GREEN: "--green",
    style.INK: "--ink",
    style.MUTED: "--muted",
    style.RULE: "--rule",
    style.EMPTY: "--shade",
    style.PAPER: "--paper",
    PURPLE: "--purple",
    BROWN: "--brown",
}
"""What the page calls a colour; its CSS says what each is in light, in dark and on paper."""

_HIDDEN_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_SETTINGS: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "fashion_exp"}
_NO_METADATA = dict.fromkeys(("Date", "Creator", "Format", "Type"))


def inline_svg(figure: Figure, name: str, label: str, description: str) -> str:
    """The figure as one `<svg>` element; the same figure gives the same text.

    `name` must be of this figure alone on its page: it makes the ids within it unique. `label`
    says in a few words what is shown, `description` what it shows.
    """
    root = ElementTree.fromstring(_drawn(figure))
    for parent in root.iter():
        for child in list(parent):
            # A style sheet would be the whole page's.
            if _local(child.tag) in ("metadata", "style"):
                parent.remove(child)
    for element in root.iter():
        _adopt(element)
    _name_ids(root, name)
    width, height = root.attrib["viewBox"].split()[2:]
    root.attrib.update({"class": "drawn", "role": "img", "aria-label": label})
    root.attrib.update({"width": f"{width}pt", "height": f"{height}pt"})
    told = ElementTree.Element("desc")
    told.text = description
    root.insert(0, told)
    return re.sub(r">\s+<", "><", ElementTree.tostring(root, encoding="unicode"))


def _drawn(figure: Figure) -> str:
    import matplotlib

    target = io.StringIO()
    with matplotlib.rc_context(_SETTINGS), warnings.catch_warnings():
        # The browser has more fonts than the drawing machine.
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing from font")
        figure.savefig(target, format="svg", transparent=True, metadata=_NO_METADATA)
    return _HIDDEN_CONTROLS.sub(" ", target.getvalue())


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _adopt(element: ElementTree.Element) -> None:
    """Names without their namespaces, which HTML knows itself, and the page's looks."""
    element.tag = _local(element.tag)
    for key, value in list(element.attrib.items()):
        del element.attrib[key]
        element.attrib[_local(key)] = " ".join(value.split())
    if "style" in element.attrib:
        element.attrib["style"] = _page_style(element.attrib["style"])


def _page_style(declarations: str) -> str:
    parts = (part.strip() for part in declarations.split(";"))
    kept = "; ".join(part for part in parts if not part.startswith("font-family"))
    return re.sub(r"#[0-9a-fA-F]{6}", _themed, kept)


def _themed(colour: re.Match[str]) -> str:
    variable = THEME.get(colour[0].upper())
    return f"var({variable})" if variable else colour[0]


_LINK = re.compile(r"^#(.+)$|url\(#([^)]+)\)")


def _name_ids(root: ElementTree.Element, name: str) -> None:
    """Keep the ids that something points to, each with the figure's name before it."""
    used = {
        link[1] or link[2]
        for element in root.iter()
        for value in element.attrib.values()
        if (link := _LINK.search(value))
    }
    for element in root.iter():
        for key, value in list(element.attrib.items()):
            if key == "id":
                del element.attrib[key]
                if value in used:
                    element.attrib["id"] = f"{name}-{value}"
            elif key in ("href", "clip-path"):
                element.attrib[key] = value.replace("#", f"#{name}-")
