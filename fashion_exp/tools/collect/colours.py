"""Which words name colours, and which of them name the same one."""

from __future__ import annotations

from PIL import ImageColor

_SHADES = ("light", "dark", "pale", "deep", "bright", "medium", "pastel", "neon", "navy", "sky")
_FASHION = frozenset(
    """amber apricot aubergine bordeaux bronze burgundy camel champagne charcoal cobalt copper cream
    emerald fawn jade lilac mauve mint mustard nude ochre peach petrol rose ruby rust sand sapphire
    taupe terracotta wine pastel multicolour multicoloured colourful""".split()  # noqa: SIM905
)
"""Of clothes, beyond the names of CSS."""

_SPELLINGS = (("gray", "grey"), ("color", "colour"), ("coloured", "colour"))


def is_colour(word: str) -> bool:
    """Whether a word names a colour: of CSS, of clothes, or a shade of one."""
    plain = _plain(word)
    if plain in ImageColor.colormap or plain in {_plain(name) for name in _FASHION}:
        return True
    shade = next((shade for shade in _SHADES if plain.startswith(shade)), "")
    return bool(shade) and is_colour(plain.removeprefix(shade))


def meaning(word: str) -> str:
    """The same text for words of one colour: gray and grey, aqua and cyan, "dark blue" joined."""
    plain = _plain(word)
    known = ImageColor.colormap.get(plain)
    return plain if known is None else str(known)


def _plain(word: str) -> str:
    plain = "".join(word.casefold().replace("-", " ").split())
    for there, here in _SPELLINGS:
        plain = plain.replace(there, here)
    return plain
