"""A table on a terminal of any width: no number is broken, and a row takes few lines."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, JustifyMethod, RenderResult
from rich.table import Table
from rich.text import Text

from fashion_exp.reporting.formats import one_line

MAX_ROW_LINES = 3
_GAP = 2
"""Columns of the terminal between two columns of a table."""
_NUMBER = re.compile(r"[+\N{MINUS SIGN}-]?\d+([.,]\d+)*( |$)")
"""A number, alone or before its unit; not "0.5x"."""


@dataclass(frozen=True)
class PlainTable:
    """A table of formatted texts; the first column names the rows. Consoles of rich print it."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""
    notes: Sequence[str] = ()
    """Sentences below the table."""
    intro: Sequence[str] = ()
    """Sentences above the table."""
    fixed: Sequence[str] = ()
    """Columns that `extract_shared` leaves in the table."""
    optional: Sequence[str] = ()
    """Columns that are left out, the first one first, where all do not fit side by side."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Columns side by side; where they are too narrow, a list with the first as headings."""
        width = options.max_width
        if self.title:
            yield Text(one_line(self.title), "table.title")
        for sentence in self.intro:
            parts = re.split(r"(?<=;) ", one_line(sentence))
            yield Text("\n".join(_join(parts, width, " ")))
        columns = [
            _Column.of(name, [row[index] for row in self.rows])
            for index, name in enumerate(self.header)
        ]
        shown, gone = columns, list[str]()
        while not (widths := _fit(shown, width)) and len(gone) < len(self.optional):
            gone.append(self.optional[len(gone)])
            shown = [column for column in columns if column.header not in gone]
        if widths:
            yield _grid(shown, widths)
            if gone:
                yield Text(f"too wide for this terminal: {', '.join(gone)}", "table.caption")
        else:
            yield from _list(self.header, self.rows, width)
        if self.notes:
            yield Text("\n".join(self.notes), "table.caption")


@dataclass(frozen=True)
class _Column:
    header: str
    cells: Sequence[str]
    is_number: bool

    @staticmethod
    def of(header: str, texts: Sequence[str]) -> _Column:
        cells = [*map(one_line, texts)]
        return _Column(header, cells, any(map(_NUMBER.match, cells)))

    @property
    def width(self) -> int:
        return max(map(cell_len, (self.header, *self.cells)))

    @property
    def width_below_header(self) -> int:
        """Without a header in several lines."""
        return max(self.min_width, *map(cell_len, ("", *self.cells)))

    @property
    def min_width(self) -> int:
        words = [*_header_words(self.header), *(w for cell in self.cells for w in self.words(cell))]
        return max(map(cell_len, words), default=0)

    def words(self, cell: str) -> list[str]:
        """A number stays with its unit; its limits may be in the next line."""
        return re.split(r" (?=\()", cell) if self.is_number else re.split(r" (?!%)", cell)

    def lines(self, cell: str, width: int) -> list[str]:
        return _join(self.words(cell), width, " ")

    def header_lines(self, width: int) -> list[str]:
        if cell_len(self.header) <= width:
            return [self.header]
        return _header_words(self.header)


def _header_words(header: str) -> list[str]:
    return re.split(r"_| (?=[^\s%])", header)


def _join(words: Sequence[str], width: int, separator: str) -> list[str]:
    """Lines of at most `width`, unless a word is longer."""
    lines = [words[0]]
    for word in words[1:]:
        longer = f"{lines[-1]}{separator}{word}"
        if cell_len(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _fit(columns: Sequence[_Column], width: int) -> list[int] | None:
    """The width of each column; None if words do not fit or rows become too high.

    Headers are wrapped first, then the widest columns are narrowed to a common width.
    """
    available = width - _GAP * (len(columns) - 1)
    widths = [column.width for column in columns]
    if sum(widths) <= available:
        return widths
    least = [column.min_width for column in columns]
    most = [column.width_below_header for column in columns]
    for limit in range(max(widths), 0, -1):
        widths = [max(low, min(high, limit)) for low, high in zip(least, most, strict=True)]
        if sum(widths) <= available:
            break
    else:
        return None
    heights = (
        len(column.lines(cell, width))
        for column, width in zip(columns, widths, strict=True)
        for cell in column.cells
    )
    return widths if max(heights, default=0) <= MAX_ROW_LINES else None


def _grid(columns: Sequence[_Column], widths: Sequence[int]) -> Table:
    layout = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)
    for column, width in zip(columns, widths, strict=True):
        justify: JustifyMethod = "right" if column.is_number else "left"
        header = Text("\n".join(column.header_lines(width)))
        layout.add_column(header, justify=justify, no_wrap=True, min_width=width)
    for row in zip(*(column.cells for column in columns), strict=True):
        cells = zip(columns, row, widths, strict=True)
        # Text, not str: a class may be called "[red]".
        layout.add_row(*(Text("\n".join(c.lines(cell, width))) for c, cell, width in cells))
    return layout


def _list(header: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> Iterator[Text]:
    """Each row as a heading and the named cells below it."""
    for heading, *cells in rows:
        yield Text(one_line(heading), "bold")
        named = zip(header[1:], map(one_line, cells), strict=True)
        items = [f"{name} {cell}".strip() for name, cell in named if cell]
        for line in _join(items, width - 2, "   ") if items else []:
            yield from (Text(f"  {part}") for part in _join(line.split(" "), width - 2, " "))
