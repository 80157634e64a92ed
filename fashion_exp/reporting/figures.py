"""Drawn figures: learning curves and the confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from rich.cells import cell_len

from fashion_exp.reporting import style
from fashion_exp.reporting.formats import number, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class _Look:
    name: str
    colour: str
    dashes: str | tuple[int, tuple[int, int]]
    marker: str
    shift: float
    """Epochs by which lone points stand aside, so that the two parts do not hide each other."""


_LOOKS = {
    "train": _Look("training", style.VERMILION, (0, (4, 2)), "s", -0.06),
    "validation": _Look("validation", style.BLUE, "solid", "o", 0.06),
}


def curves(history: pd.DataFrame, class_counts: Sequence[int], title: str = "") -> Figure:
    """Loss and accuracy over the epochs, a thin line a training and a thick one their mean.

    `history` has the columns fold, repeat, epoch, part ("train" or "validation"), loss and
    accuracy, and may have `kept`, true at the epoch whose model was evaluated. `class_counts`,
    images per class, give the level of a model that knows nothing but them: always the largest
    class for accuracy, the entropy of the shares for loss.
    """
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine
    from matplotlib.ticker import PercentFormatter

    shares = np.asarray([count for count in class_counts if count], float) / sum(class_counts)
    figure = Figure(figsize=(9, 3.3), layout=ConstrainedLayoutEngine(wspace=0.06))
    loss, accuracy = figure.subplots(1, 2)
    accuracy.yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    _panel(loss, history, "loss", float(-(shares * np.log(shares)).sum()))
    _panel(accuracy, history, "accuracy", float(shares.max()))
    loss.set_title("Cross-entropy loss", loc="left", fontsize=style.TITLE, color=style.INK)
    accuracy.set_title("Accuracy", loc="left", fontsize=style.TITLE, color=style.INK)
    if title:
        common: dict[str, Any] = {"fontweight": "bold", "color": style.INK, **style.any_text()}
        figure.suptitle(title, x=0.008, ha="left", fontsize=style.TITLE, **common)
    small = {"fontsize": style.SMALL, "color": style.MUTED}
    figure.supxlabel(_explanation(history), x=0.008, ha="left", **small)
    return figure


def _panel(axes: Axes, history: pd.DataFrame, value: str, chance: float) -> None:
    from matplotlib.ticker import MaxNLocator

    style.tidy(axes)
    chance_text = percent(chance) if value == "accuracy" else number(chance, 2)
    labels = {f"chance {chance_text}": (chance, style.MUTED)}
    for part, look in _LOOKS.items():
        table = _by_training(history[history["part"] == part], value)
        if table.notna().any(axis=None):
            labels[look.name] = (_draw_part(axes, table, look), look.colour)
    _draw_kept(axes, history, value)
    axes.axhline(chance, color=style.MUTED, linewidth=0.8, linestyle=(0, (1, 2)), zorder=1)
    if value == "loss" and _spans_decades(history["loss"]):
        axes.set_yscale("log")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    first, last = int(history["epoch"].min()), int(history["epoch"].max())
    margin = 0.5 if first == last else 0.02 * (last - first)
    axes.set_xlim(first - margin, last + margin)
    axes.set_xlabel("epoch", fontsize=style.LABEL, color=style.INK)
    _label_at_right(axes, labels)


def _by_training(part: pd.DataFrame, value: str) -> pd.DataFrame:
    """One row an epoch, one column a training."""
    table = part.pivot(index="epoch", columns=["repeat", "fold"], values=value)
    return table.replace([np.inf, -np.inf], np.nan)


def _draw_part(axes: Axes, table: pd.DataFrame, look: _Look) -> float:
    """Draw all trainings of one part. Returns the height at which its curve ends."""
    # Only epochs that every training reached: after one stops early, the mean of the others
    # would jump without anything having been learnt.
    mean = table.mean(axis=1, skipna=False).dropna()
    lone = len(table) == 1
    x = table.index.to_numpy(float) + (look.shift if lone else 0.0)
    several = table.shape[1] > 1
    common: dict[str, Any] = {"color": look.colour, "marker": look.marker if lone else ""}
    dashes = "none" if lone else look.dashes
    if several:
        faint: dict[str, Any] = {"linewidth": 0.7, "alpha": 0.4, "markersize": 4}
        axes.plot(x, table.to_numpy(), linestyle=dashes, **common, **faint)
    shown = mean if len(mean) else table.mean(axis=1)
    x = shown.index.to_numpy(float) + (look.shift if lone else 0.0)
    axes.plot(x, shown.to_numpy(), linestyle=dashes, linewidth=2.0, markersize=8, **common)
    return float(shown.iloc[-1])


def _draw_kept(axes: Axes, history: pd.DataFrame, value: str) -> None:
    if "kept" not in history or history["epoch"].nunique() == 1:
        return
    kept = history[(history["part"] == "validation") & history["kept"].astype(bool)]
    axes.scatter(
        kept["epoch"],
        kept[value],
        s=22,
        facecolor=style.PAPER,
        edgecolor=_LOOKS["validation"].colour,
        linewidth=1.1,
        zorder=4,
    )


def _spans_decades(loss: pd.Series) -> bool:
    """Whether a few large losses would press all the others onto the axis."""
    finite = loss[np.isfinite(loss)]
    return bool(len(finite) and finite.min() > 0 and finite.max() > 15 * finite.median())


def _label_at_right(axes: Axes, labels: dict[str, tuple[float, str]]) -> None:
    """Write each name beside the end of its line, moved apart where they would overlap."""
    to_axes = axes.transScale + axes.transLimits
    heights = [float(to_axes.transform((1.0, value))[1]) for value, _ in labels.values()]
    for (name, (_, colour)), height in zip(labels.items(), apart(heights, 0.075), strict=True):
        axes.text(
            1.015,
            height,
            name,
            transform=axes.transAxes,
            color=colour,
            fontsize=style.LABEL,
            verticalalignment="center",
        )


def apart(heights: Sequence[float], gap: float) -> list[float]:
    """The heights, in their order, moved as little as it takes to keep `gap` between neighbours."""
    order = np.argsort(heights, kind="stable")
    lifted = np.asarray(heights, float)[order] - gap * np.arange(len(heights))
    # Without the gaps this is isotonic regression: pool neighbours that stand the wrong way round.
    blocks: list[list[float]] = []
    for height in lifted:
        blocks.append([height])
        while len(blocks) > 1 and np.mean(blocks[-2]) > np.mean(blocks[-1]):
            last = blocks.pop()
            blocks[-1].extend(last)
    level = np.concatenate([np.full(len(block), np.mean(block)) for block in blocks])
    placed = np.empty(len(heights))
    placed[order] = level + gap * np.arange(len(heights))
    return [float(height) for height in placed]


def _explanation(history: pd.DataFrame) -> str:
    trainings = len(history[["repeat", "fold"]].drop_duplicates())
    lone = history["epoch"].nunique() == 1
    words = ["dotted: chance, knowing only the class shares"]
    if trainings > 1:
        one, all_of_them = ("small", "large") if lone else ("thin", "thick")
        ends = history.groupby(["repeat", "fold"])["epoch"].max()
        mean = "their mean" if ends.nunique() == 1 else "their mean until the first one stops"
        words = [f"{one}: each of {trainings} trainings", f"{all_of_them}: {mean}", *words]
    if "kept" in history and not lone:
        words.append("ring: epoch kept")
    return ";  ".join(words)


def confusion(matrix: np.ndarray, classes: Sequence[str], title: str = "") -> Figure:
    """Counts and, as share of the true class, rates; rows are true classes, columns predicted.

    `matrix` is (C, C) integer counts. At the right stand each class's recall and count.
    """
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

    counts = np.asarray(matrix)
    size = len(classes)
    assert counts.shape == (size, size), (counts.shape, size)
    rates = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    cell = float(np.clip(7.5 / size, 0.44, 0.85))
    figure = Figure(figsize=(cell * size, cell * size))
    # The axes are all of the figure, so that a cell has a known size; `save` adds what is outside.
    axes = figure.add_axes((0, 0, 1, 1))
    colours = LinearSegmentedColormap.from_list("rate", style.SEQUENTIAL)
    axes.imshow(np.ma.masked_equal(rates, 0), cmap=colours, vmin=0, vmax=1, aspect="auto")
    _draw_grid(axes, size)
    _write_cells(axes, counts, rates, cell)
    _write_names(axes, [style.class_name(name) for name in classes], cell)
    _write_recall(axes, counts, cell)
    _write_title(axes, counts, title, cell)
    return figure


def _draw_grid(axes: Axes, size: int) -> None:
    between = np.arange(1, size) - 0.5
    axes.hlines(between, -0.5, size - 0.5, color=style.PAPER, linewidth=1.5)
    axes.vlines(between, -0.5, size - 0.5, color=style.PAPER, linewidth=1.5)
    axes.spines[:].set_color(style.RULE)
    axes.tick_params(length=0)


def _write_cells(axes: Axes, counts: np.ndarray, rates: np.ndarray, cell: float) -> None:
    large = float(np.clip(13 * cell, 7.5, 9.5))
    common: dict[str, Any] = {"ha": "center", "va": "center"}
    for (row, column), count in np.ndenumerate(counts):
        rate = float(rates[row, column])
        colour = style.PAPER if rate > 0.5 else style.INK
        if count == 0:
            axes.text(column, row, "0", color=style.RULE, fontsize=large, **common)
            continue
        axes.text(column, row - 0.15, f"{count:,}", color=colour, fontsize=large, **common)
        share = _rate(rate)
        axes.text(column, row + 0.2, share, color=colour, fontsize=0.84 * large, **common)


def _rate(rate: float) -> str:
    """Whole percent, without rounding something to nothing or not all to all."""
    text = percent(rate, 0)
    if text == "0 %":
        return "<1 %"
    return ">99 %" if text == "100 %" and rate < 1 else text


def _write_names(axes: Axes, names: Sequence[str], cell: float) -> None:
    places = range(len(names))
    inches = max(cell_len(name) for name in names) * style.LABEL * 0.62 / 72
    turned: dict[str, Any] = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
    common: dict[str, Any] = {"fontsize": style.LABEL, "color": style.INK, **style.any_text()}
    axes.set_yticks(places, names, va="center", **common)
    axes.set_xticks(places, names, **common, **(turned if inches > cell else {}))
    axes.set_ylabel("true class", fontsize=style.LABEL, color=style.MUTED)
    axes.set_xlabel("predicted class", fontsize=style.LABEL, color=style.MUTED)


def _write_recall(axes: Axes, counts: np.ndarray, cell: float) -> None:
    """Two columns of text right of the matrix."""
    totals = counts.sum(axis=1)
    right = len(counts) - 0.5
    # In data coordinates a cell is one; the columns' ends are meant in inches.
    columns = {right + 0.65 / cell: ["recall"], right + 1.2 / cell: ["count"]}
    for row, total in enumerate(totals):
        recall = counts[row, row] / total if total else None
        for texts, text in zip(columns.values(), (percent(recall), f"{total:,}"), strict=True):
            texts.append(text)
    for x, texts in columns.items():
        for row, text in enumerate(texts):
            header = row == 0
            y = -0.5 - 0.08 / cell if header else row - 1
            axes.text(
                x,
                y,
                text,
                fontsize=style.LABEL,
                color=style.MUTED if header else style.INK,
                horizontalalignment="right",
                verticalalignment="bottom" if header else "center",
            )


def _write_title(axes: Axes, counts: np.ndarray, title: str, cell: float) -> None:
    total = int(counts.sum())
    accuracy = percent(np.trace(counts) / total if total else None)
    # Over a narrow matrix the words would run into the header of the recall column.
    lift = 6 if cell * len(counts) > 3.5 else 18
    above: dict[str, Any] = {
        "xycoords": "axes fraction",
        "textcoords": "offset points",
        "xy": (0, 1),
    }
    words = f"accuracy {accuracy}, {total:,} predictions"
    small: dict[str, Any] = {"fontsize": style.LABEL, "color": style.MUTED}
    axes.annotate(words, xytext=(0, lift), **small, **above)
    common: dict[str, Any] = {"fontweight": "bold", "color": style.INK, **style.any_text()}
    axes.annotate(title, xytext=(0, lift + 13), fontsize=style.TITLE, **common, **above)
