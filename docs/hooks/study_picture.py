"""Draws the picture of the README: the runs of a sweep with intervals, and the verdict on each.

    .venv/bin/python docs/hooks/study_picture.py SWEEP

writes docs/images/study-light.svg and study-dark.svg. SWEEP is the folder or name of the sweep of
docs/tutorials/best-model.md.
"""

from __future__ import annotations

import sys
from html import escape
from pathlib import Path
from typing import Any

import fashion_exp as fx
from fashion_exp.reporting.formats import difference_range, difference_text

IMAGES = Path(__file__).resolve().parents[1] / "images"
SCHEMES = {
    "light": {"ink": "#1f2328", "muted": "#59636e", "rule": "#d1d9e0", "best": "#0072B2"},
    "dark": {"ink": "#f0f6fc", "muted": "#9198a1", "rule": "#3d444d", "best": "#56B4E9"},
}
WIDTH, ROW, TOP = 960, 30, 58
LEFT, RIGHT = 270, 500  # of the intervals


def main(sweep: str) -> None:
    comparison = fx.compare(sweep)
    for scheme, colors in SCHEMES.items():
        text = picture(comparison, colors)
        (IMAGES / f"study-{scheme}.svg").write_text(text, encoding="utf-8")
    print("\n".join(comparison.conclusions))


def picture(comparison: fx.Comparison, colors: dict[str, str]) -> str:
    """One row per run, best first."""
    table, verdicts = comparison.table, comparison.verdicts
    verdict_on = {row.b: row for row in verdicts.itertuples()}
    low, high = 100 * table.val_lo.min(), 100 * table.val_hi.max()
    start, end = 5 * int(low / 5), 5 * (int(high / 5) + 1)

    def x(percent: float) -> float:
        return LEFT + (RIGHT - LEFT) * (percent - start) / (end - start)

    bottom = TOP + ROW * len(table)
    parts = [text(20, 34, "model", "muted"), text(RIGHT + 20, 34, "validation (95 %)", "muted")]
    parts.append(text(RIGHT + 170, 34, "the best model against this one", "muted"))
    for percent in range(start, end + 1, 5):
        parts.append(f'<path class="rule" d="M{x(percent):.1f} {TOP - 12}V{bottom}"/>')
        parts.append(text(x(percent), bottom + 18, f"{percent} %", "muted", "middle"))
    for index, row in enumerate(table.itertuples()):
        y = TOP + ROW * index + ROW / 2 - 5
        kind = "best" if index == 0 else "ink"
        estimate, limits = 100 * row.val_acc, (100 * row.val_lo, 100 * row.val_hi)
        parts += [
            text(20, y + 5, name_of(row.run), kind),
            f'<path class="line {kind}" d="M{x(limits[0]):.1f} {y}H{x(limits[1]):.1f}"/>',
            f'<circle class="{kind}" cx="{x(estimate):.1f}" cy="{y}" r="5"/>',
            text(RIGHT + 20, y + 5, f"{estimate:.1f} % ({limits[0]:.1f}–{limits[1]:.1f})", kind),
            text(RIGHT + 170, y + 5, verdict_text(row, verdict_on.get(row.run)), kind),
        ]
    style = "".join(f".{name} {{fill: {color}; stroke: {color}}}" for name, color in colors.items())
    size = f'viewBox="0 0 {WIDTH} {bottom + 34}" width="{WIDTH}" height="{bottom + 34}"'
    rules = "text[x] {stroke: none; font: 14px system-ui, 'Segoe UI', Helvetica, Arial, sans-serif}"
    rules += " .line {stroke-width: 2.5; fill: none} .rule {stroke-width: 1; fill: none}"
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n<style>{style} {rules}</style>\n'
        f"{body}\n</svg>\n"
    )


def text(x: float, y: float, content: str, kind: str, anchor: str = "start") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text class="{kind}" {place}>{escape(content)}</text>'


def name_of(run: str) -> str:
    """The options of a run as a person would say them."""
    words = dict(word.partition("=")[::2] for word in run.split())
    network = next(name for name, value in words.items() if not value)
    return f"{network.replace('tf_efficientnet_lite', 'EfficientNet-Lite')}, {words['head']}"


def verdict_text(row: Any, pair: Any) -> str:
    """What the test says of the best run against this one; of the best one, its test accuracy."""
    if pair is None:
        low, high = 100 * row.test_lo, 100 * row.test_hi
        return f"test: {100 * row.test_acc:.1f} % ({low:.1f}–{high:.1f})"
    limits = difference_range(pair.low, pair.high)
    return f"{pair.verdict}: {difference_text(pair.difference)} points ({limits})"


if __name__ == "__main__":
    main(sys.argv[1])
