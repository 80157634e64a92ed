"""Pieces of a garment: layers with an outline and lines, and folds."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fashion_exp.data.synthetic.curves import Points

Material = str | tuple[int, int, int]
""""tile" (the patterned fabric), "trim", "thread", or an RGB color."""


@dataclass(frozen=True)
class Seam:
    """Sewn or pressed lines; a `tone` below 1 darkens the fabric, above 1 lightens it."""

    lines: list[Points]
    width: float = 0.012
    tone: float = 0.8


@dataclass(frozen=True)
class Piece:
    """One layer of fabric, wood or card; `lift` is its height above the layer below.

    `grain` rotates the pattern (degrees); `soft` says whether folds run through the piece.
    """

    outline: Points
    material: Material = "tile"
    tone: float = 1.0
    lift: float = 0.02
    grain: float = 0.0
    seams: tuple[Seam, ...] = ()
    buttons: Points | None = None
    soft: bool = True

    def mirrored(self) -> Piece:
        """The same piece on the other side of x = 0."""
        flip = (-1.0, 1.0)
        return replace(
            self,
            outline=self.outline * flip,
            grain=-self.grain,
            seams=tuple(replace(s, lines=[x * flip for x in s.lines]) for s in self.seams),
            buttons=None if self.buttons is None else self.buttons * flip,
        )


@dataclass(frozen=True)
class Fold:
    """A ridge, or with a negative height a furrow, along a line; heights are relative."""

    line: Points
    width: float
    height: float
