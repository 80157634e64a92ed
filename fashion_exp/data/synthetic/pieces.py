"""What is laid down, whoever made it: layers with an outline, the lines on them, the folds."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fashion_exp.data.synthetic.curves import Points

Material = str | tuple[int, int, int]
"""`tile` (the patterned cloth), `trim`, `thread`, or a colour of its own (RGB)."""


@dataclass(frozen=True)
class Seam:
    """Lines sewn or pressed in: `tone` below 1 darkens what is under them, above 1 lightens it."""

    lines: list[Points]
    width: float = 0.012
    tone: float = 0.8


@dataclass(frozen=True)
class Piece:
    """One layer of cloth (or wood, or card): `lift` is how far its top stands above what is below.

    `grain` turns the pattern (degrees); `soft` says whether folds run through it.
    """

    outline: Points
    material: Material = "tile"
    tone: float = 1.0
    lift: float = 0.02
    grain: float = 0.0
    seams: tuple[Seam, ...] = ()
    buttons: Points | None = None
    soft: bool = True


@dataclass(frozen=True)
class Fold:
    """A ridge (or, with a negative height, a furrow) along a line; only heights' ratios count."""

    line: Points
    width: float
    height: float


def flipped(piece: Piece) -> Piece:
    """The same piece on the other side of x = 0."""
    flip = (-1.0, 1.0)
    return replace(
        piece,
        outline=piece.outline * flip,
        grain=-piece.grain,
        seams=tuple(replace(s, lines=[x * flip for x in s.lines]) for s in piece.seams),
        buttons=None if piece.buttons is None else piece.buttons * flip,
    )
