"""Figures of one run: learning curves and the confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from fashion_exp.reporting import style
from fashion_exp.reporting.formats import number, percent, shorten_to_cells
from fashion_exp.reporting.many_classes import MAX_CLASSES, many_classes_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MAX_CLASS_NAME = 26
"""Terminal columns."""


@dataclass(frozen=True)
class _PartStyle:
    label: str
    color: str
    dashes: str | tuple[int, tuple[int, int]]
    marker: str
    shift: float
    """Offset in epochs of the points of a single epoch, so that the parts do not overlap."""


_PART_STYLES = {
    "train": _PartStyle("training", style.VERMILION, (0, (4, 2)), "s", -0.06),
    "validation": _PartStyle("validation", style.BLUE, "solid", "o", 0.06),
}


def learning_curves(
    history: pd.DataFrame, class_counts: Sequence[int], title: str = "", training_loss: str = "",
    chance: tuple[float, float] | None = None, accuracy_name: str = "accuracy",
) -> Figure:  # fmt: skip
    """Loss and accuracy by epoch: thin lines for the trainings, a thick one for their mean.

    `history` has the columns fold, repeat, epoch, part ("train" or "validation"), loss and
    accuracy, and optionally `kept`: true at the epoch whose model was evaluated. `class_counts`
    are the images per class. They give the chance level of a model that knows only the class
    shares: the largest share for accuracy, the entropy of the shares for loss; `chance`, (loss,
    accuracy), takes their place where an image has several classes. `training_loss` says
    what the training loss is, unless it is the cross-entropy, as the validation loss.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    shares = np.asarray([count for count in class_counts if count], float) / sum(class_counts)
    figure = Figure(figsize=(9, 3.3), layout="constrained")
    loss, accuracy = figure.subplots(1, 2)
    chance = chance or (float(-(shares * np.log(shares)).sum()), float(shares.max()))
    _draw_panel(loss, history, "loss", chance[0])
    _draw_panel(accuracy, history, "accuracy", chance[1])
    loss.set_ylabel("loss", **style.text_style(style.LABEL))
    accuracy.set_ylabel(accuracy_name, **style.text_style(style.LABEL))
    accuracy.yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    small = style.text_style(style.SMALL, style.MUTED)
    figure.supxlabel(_explanation(history, training_loss), x=0.01, ha="left", **small)
    if title:
        style.add_title(figure, title)
    return figure


def _draw_panel(axes: Axes, history: pd.DataFrame, metric: str, chance: float) -> None:
    from matplotlib.ticker import MaxNLocator

    style.style_axes(axes)
    for part, part_style in _PART_STYLES.items():
        rows = history[history["part"] == part]
        table = rows.pivot(index="epoch", columns=["repeat", "fold"], values=metric)
        table = table.replace([np.inf, -np.inf], np.nan)
        if table.notna().any(axis=None):
            _draw_part(axes, table, part_style)
    _mark_evaluated_epochs(axes, history, metric)
    label = f"chance {percent(chance) if metric == 'accuracy' else number(chance, 2)}"
    dotted: dict[str, Any] = {"linewidth": 0.8, "linestyle": (0, (1, 2)), "zorder": 1}
    axes.axhline(chance, color=style.MUTED, label=label, **dotted)
    if metric == "loss" and _has_outliers(history["loss"]):
        axes.set_yscale("log")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    first, last = int(history["epoch"].min()), int(history["epoch"].max())
    margin = 0.5 if first == last else 0.02 * (last - first)
    axes.set_xlim(first - margin, last + margin)
    axes.set_xlabel("epoch", **style.text_style(style.LABEL))
    above: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0, 1), "ncols": 3}
    axes.legend(**above, frameon=False, fontsize=style.LABEL, labelcolor="linecolor")


def _draw_part(axes: Axes, table: pd.DataFrame, part_style: _PartStyle) -> None:
    """Draws one part; `table` has one row per epoch and one column per training."""
    single_epoch = len(table) == 1
    common: dict[str, Any] = {"color": part_style.color, "linestyle": part_style.dashes}
    if single_epoch:
        common |= {"linestyle": "none", "marker": part_style.marker}
        table = table.set_axis(table.index + part_style.shift)
    if table.shape[1] > 1:
        faint: dict[str, Any] = {"linewidth": 0.7, "alpha": 0.4, "markersize": 4}
        axes.plot(table.index, table.to_numpy(), **common, **faint)
    # Only epochs that every training reached: the mean would jump when one stops early.
    mean = table.mean(axis=1, skipna=False).dropna()
    mean = mean if len(mean) else table.mean(axis=1)
    axes.plot(
        mean.index, mean.to_numpy(), linewidth=2.0, markersize=8, label=part_style.label, **common
    )


def _mark_evaluated_epochs(axes: Axes, history: pd.DataFrame, metric: str) -> None:
    if "kept" not in history or history["epoch"].nunique() == 1:
        return
    rows = history[(history["part"] == "validation") & history["kept"].astype(bool)]
    color = _PART_STYLES["validation"].color
    ring: dict[str, Any] = {"facecolor": style.PAPER, "edgecolor": color, "linewidth": 1.1}
    axes.scatter(rows["epoch"], rows[metric], s=22, zorder=4, **ring)


def _has_outliers(loss: pd.Series) -> bool:
    """Whether a few large losses would flatten all others on a linear axis."""
    finite = loss[np.isfinite(loss)]
    return bool(len(finite) and finite.min() > 0 and finite.max() > 15 * finite.median())


def _explanation(history: pd.DataFrame, training_loss: str) -> str:
    trainings = history.groupby(["repeat", "fold"])["epoch"].max()
    single_epoch = history["epoch"].nunique() == 1
    parts = []
    if len(trainings) > 1:
        each, mean = ("small", "large") if single_epoch else ("thin", "thick")
        until = "" if trainings.nunique() == 1 else " until the first one stops"
        parts = [f"{each}: each of {len(trainings)} trainings", f"{mean}: their mean{until}"]
    parts.append("chance: a model that knows only the class shares")
    if "kept" in history and not single_epoch:
        parts.append("ring: evaluated epoch")
    if training_loss:
        parts.append(f"training loss: {training_loss};  validation loss: cross-entropy")
    return ";  ".join(parts)


def confusion_matrix(
    matrix: np.ndarray, classes: Sequence[str], title: str = "",
    class_counts: Sequence[int] | np.ndarray | None = None,
) -> Figure:  # fmt: skip
    """Counts and row shares, with recall and count of each class on the right.

    `matrix` is (C, C) integer counts; rows are true classes, columns predicted ones. Of very many
    classes a coarse map and the most confused pairs are shown. If an image has several classes, and
    is counted for each pair of one of them and a predicted one, `class_counts` (C,) are the images
    of each class.
    """
    from matplotlib.colors import LinearSegmentedColormap

    counts = np.asarray(matrix)
    size = len(classes)
    assert counts.shape == (size, size), (counts.shape, size)
    total = int(counts.sum())
    right = percent(np.trace(counts) / total if total else None)
    text = f"{right} of {total:,} predictions right"
    totals = counts.sum(axis=1) if class_counts is None else np.asarray(class_counts)
    if class_counts is not None:
        text = "photos that have the class of the row and the predicted class of the column"
    if size > MAX_CLASSES:
        return many_classes_figure(counts, classes, (title, text))
    rates = counts / np.maximum(totals, 1)[:, None]
    cell = float(np.clip(7.5 / size, 0.44, 0.85))
    colormap = LinearSegmentedColormap.from_list("rates", style.SEQUENTIAL)
    colors = colormap(rates)
    colors[counts == 0] = 1.0
    figure, axes = style.cell_figure(colors, cell, cell)
    _write_cells(axes, counts, rates, cell)
    _write_names(axes, [shorten_to_cells(name, _MAX_CLASS_NAME) for name in classes], cell)
    _write_recall(axes, counts, totals)
    above: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points"}
    axes.annotate(text, (0, 1), (0, 18), **above, **style.text_style(style.LABEL, style.MUTED))
    lines = style.wrap_text(title, style.TITLE, max(cell * size, 5.0), bold=True)
    bold = style.text_style(style.TITLE, bold=True)
    axes.annotate("\n".join(lines), (0, 1), (0, 32), va="bottom", **above, **bold)
    return figure


def _write_cells(axes: Axes, counts: np.ndarray, rates: np.ndarray, cell: float) -> None:
    size = float(np.clip(13 * cell, 7.5, 9.5))
    middle: dict[str, Any] = {"ha": "center", "va": "center"}
    for (row, column), count in np.ndenumerate(counts):
        rate = float(rates[row, column])
        if count == 0:
            axes.text(column, row, "0", fontsize=size, color=style.RULE, **middle)
            continue
        color = style.PAPER if rate > 0.5 else style.INK
        axes.text(column, row - 0.15, f"{count:,}", fontsize=size, color=color, **middle)
        share = _rate_text(rate)
        axes.text(column, row + 0.2, share, fontsize=0.84 * size, color=color, **middle)


def _rate_text(rate: float) -> str:
    """Whole percent; only exact rates are shown as 0 % and 100 %."""
    text = percent(rate, 0)
    if text == "0 %":
        return "<1 %"
    return ">99 %" if text == "100 %" and rate < 1 else text


def _write_names(axes: Axes, names: Sequence[str], cell: float) -> None:
    inches = max(style.text_width(name, style.LABEL) for name in names) + 0.08
    turned: dict[str, Any] = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
    text = style.text_style(style.LABEL)
    axes.set_yticks(range(len(names)), names, va="center", **text)
    axes.set_xticks(range(len(names)), names, **text, **(turned if inches > cell else {}))
    axes.set_ylabel("true class", fontsize=style.LABEL, color=style.MUTED)
    axes.set_xlabel("predicted class", fontsize=style.LABEL, color=style.MUTED)


def _write_recall(axes: Axes, counts: np.ndarray, totals: np.ndarray) -> None:
    """Two columns of text to the right of the matrix."""
    recalls = [percent(counts[i, i] / n if n else None) for i, n in enumerate(totals)]
    right: dict[str, Any] = {"ha": "right", "textcoords": "offset points"}
    for x, header, texts in (
        (47, "recall", recalls),
        (87, "count", [f"{total:,}" for total in totals]),
    ):
        muted = style.text_style(style.LABEL, style.MUTED)
        axes.annotate(header, (1, 1), (x, 6), xycoords="axes fraction", **right, **muted)
        for row, text in enumerate(texts):
            at: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "va": "center"}
            axes.annotate(text, (1, row), (x, 0), **at, **right, **style.text_style(style.LABEL))
