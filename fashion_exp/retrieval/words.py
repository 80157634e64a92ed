"""Reads a query in words: classes, colors, patterns and attribute values that an index knows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from fashion_exp.errors import close_matches
from fashion_exp.retrieval.colors import COLORS, PATTERNS, SHADES

MAX_LETTERS = 500
"""Of a query that are read."""
_SHOWN_CLASSES = 3
MODEL_PREFIX = "clip:"
"""Of the name of a text–image model that an index is built by."""
MAX_VALUES = 200
"""Different texts of a column whose values are words of the index."""

FILLER = frozenset({
    "a", "an", "and", "any", "but", "by", "color", "colored", "coloured", "for", "from", "garment",
    "i", "in", "item", "like", "looking", "my", "of", "on", "photo", "photos", "please", "show",
    "some", "something", "that", "the", "this", "to", "want", "which", "with",
})  # fmt: skip
NEGATIONS = frozenset({"no", "not", "without", "never", "non", "except"})
SYNONYMS = {
    "grey": "gray", "navy blue": "navy", "dark blue": "navy", "burgundy": "dark red",
    "maroon": "dark red", "bordeaux": "dark red", "wine": "dark red", "scarlet": "red",
    "crimson": "red", "rose": "pink", "fuchsia": "magenta", "hot pink": "magenta",
    "cyan": "turquoise", "teal": "turquoise", "aqua": "turquoise", "mint": "light green",
    "khaki": "olive", "cream": "beige", "ivory": "beige", "sand": "beige", "tan": "beige",
    "camel": "beige", "mustard": "yellow", "gold": "yellow", "violet": "purple",
    "lilac": "lavender", "mauve": "lavender", "silver": "light gray", "charcoal": "dark gray",
    "anthracite": "dark gray", "sky blue": "light blue", "denim": "blue", "jeans blue": "blue",
    "dark grey": "dark gray", "light grey": "light gray", "dark": "black",
    "stripes": "striped", "stripe": "striped", "stripy": "striped", "checked": "patterned",
    "checkered": "patterned", "plaid": "patterned", "floral": "patterned", "flowers": "patterned",
    "printed": "patterned", "print": "patterned", "dotted": "patterned", "dots": "patterned",
    "solid": "plain", "unicolor": "plain", "pattern": "patterned",
}  # fmt: skip
"""Other words for colors and patterns."""

Kind = Literal["class", "color", "pattern", "attribute", "imagenet"]
Similar = Callable[[str, Sequence[str]], str | None]
"""The known word of similar meaning, if there is one."""
Near = Callable[[str, Sequence[str]], Mapping[int, float]]
"""The positions of the known words that are near in meaning, with their cosines."""


@dataclass(frozen=True)
class Term:
    """A word of a query that the index knows."""

    text: str
    """As typed."""
    kind: Kind
    word: str
    """The class, color, pattern or attribute value that it stands for."""
    column: str
    """With the score, or with the value of an attribute."""
    negated: bool = False
    how: str = ""
    """Why it stands for that: "" for the word itself, "spelling", "similar meaning", "ImageNet"."""
    classes: tuple[tuple[int, float], ...] = ()
    """Classes of ImageNet that it stands for, and how near each is to it, up to 1."""

    @property
    def label(self) -> str:
        shown = self.word if self.text == self.word else f"{self.word} ({self.text})"
        if self.kind == "imagenet":
            shown = f"{self.text} (ImageNet: {self.word})"
        return f"not {shown}" if self.negated else shown


@dataclass(frozen=True)
class Words:
    """A query as it was understood."""

    terms: tuple[Term, ...]
    unknown: tuple[str, ...]
    read_by: str = ""
    """The text–image model that reads the whole text, in place of terms."""

    @property
    def sentence(self) -> str:
        """dress · red · striped; not understood: boho"""
        parts = [" · ".join(term.label for term in self.terms)] if self.terms else []
        parts += [f"read by {self.read_by}"] if self.read_by else []
        parts += [f"not understood: {', '.join(self.unknown)}"] if self.unknown else []
        return "; ".join(parts)


@dataclass(frozen=True)
class Vocabulary:
    """The words of an index: {word in lower case: term}."""

    terms: Mapping[str, Term]
    """By the word in lower case."""
    similar: Similar = lambda word, known: None
    near: Near = lambda word, known: {}
    imagenet: Sequence[str] = ()
    """Names and definition of each class of ImageNet, if the index knows their probabilities."""

    def read(self, text: str) -> Words:
        """Splits a query into terms; the longest known phrase first."""
        tokens = re.findall(r"[^\W_]+(?:[-'][^\W_]+)*", text[:MAX_LETTERS].lower())
        terms, unknown, negated, start = list[Term](), list[str](), False, 0
        while start < len(tokens):
            length, term = self._longest(tokens[start : start + 3])
            word, start = tokens[start], start + length
            if term is None and word in NEGATIONS:
                negated = True
            elif term is not None or word not in FILLER:
                if term is None:
                    length, term = self._guess(tokens[start - length :][:3])
                    start += length - 1
                if term is None:
                    unknown.append(f"not {word}" if negated else word)
                else:
                    terms.append(replace(term, negated=negated))
                negated = False
        return Words(tuple(dict.fromkeys(terms)), tuple(dict.fromkeys(unknown)))

    @cached_property
    def _compact(self) -> dict[str, Term]:
        return {_compact(word): term for word, term in reversed(list(self.terms.items()))}

    def _longest(self, tokens: Sequence[str]) -> tuple[int, Term | None]:
        for length in range(len(tokens), 0, -1):
            phrase = " ".join(tokens[:length])
            for form in _forms(phrase):
                if term := self._compact.get(_compact(form)):
                    return length, replace(term, text=phrase)
        return 1, None

    def _guess(self, tokens: Sequence[str]) -> tuple[int, Term | None]:
        """A name of ImageNet, a typing error, or a word of similar meaning; how many tokens."""
        word = tokens[0]
        for length in range(len(tokens), 0, -1):
            phrase = " ".join(tokens[:length])
            for form in map(_compact, _forms(phrase)):
                if classes := self._imagenet_names.get(form):
                    return length, self._imagenet_term(phrase, classes)
        if len(word) > 3 and (close := close_matches(word, self.terms)[:1]):
            return 1, replace(self.terms[close[0]], text=word, how="spelling")
        if name := self.similar(word, list(self.terms)):
            return 1, replace(self.terms[name], text=word, how="similar meaning")
        if near := self.near(word, self.imagenet):
            return 1, self._imagenet_term(word, near)
        return 1, None

    @cached_property
    def _imagenet_names(self) -> dict[str, dict[int, float]]:
        """{name: {class: 1}}"""
        weights_of: dict[str, dict[int, float]] = {}
        for number, description in enumerate(self.imagenet):
            for name in _names(description):
                weights_of.setdefault(_compact(name.lower()), {})[number] = 1.0
        return weights_of

    def _imagenet_term(self, phrase: str, classes: Mapping[int, float]) -> Term:
        best = sorted(classes, key=lambda i: (-classes[i], i))
        names = ", ".join(_names(self.imagenet[i])[0] for i in best[:_SHOWN_CLASSES])
        if len(best) > _SHOWN_CLASSES:
            names += ", …"
        return Term(
            phrase, "imagenet", names, f"imagenet {phrase}", how="ImageNet",
            classes=tuple((i, classes[i]) for i in best),
        )  # fmt: skip


def _names(description: str) -> list[str]:
    """Of a class of ImageNet: jersey, T-shirt and tee shirt."""
    return description.partition(":")[0].split(", ")


def _compact(phrase: str) -> str:
    """t-shirt, t shirt and tshirt are one word, and so are ankle_boot and ankle boot."""
    return re.sub(r"[\W_]+", "", phrase)


def _forms(phrase: str) -> Iterable[str]:
    """The phrase, its synonym, and its singular and plural."""
    plural = phrase + ("es" if phrase.endswith(("s", "sh", "ch", "x")) else "s")
    singular = [phrase[:-2]] * phrase.endswith("es") + [phrase[:-1]] * phrase.endswith("s")
    for form in (phrase, plural, *singular):
        yield form
        if form in SYNONYMS:
            yield SYNONYMS[form]


def build_vocabulary(
    classes: Sequence[str], values: Mapping[str, Sequence[str]],
    similar: Similar = lambda word, known: None, near: Near = lambda word, known: {},
    imagenet: Sequence[str] = (),
) -> Vocabulary:  # fmt: skip
    """`values` are the different texts of each attribute. Classes come before colors, colors before
    patterns, and these before attributes of the same name."""
    terms: dict[str, Term] = {}

    def add(word: str, kind: Kind, column: str) -> None:
        terms.setdefault(word.lower(), Term(word, kind, word, column))

    for name in classes:
        add(name, "class", f"p_{name}")
    for name in COLORS:
        add(name, "color", f"color_{name}")
    for name in SHADES:
        add(name, "color", f"shade_{name}")
    for name in PATTERNS:
        add(name, "pattern", f"pattern_{name}")
    for column, texts in values.items():
        for text in texts:
            add(text, "attribute", column)
    return Vocabulary(terms, similar, near, imagenet)
