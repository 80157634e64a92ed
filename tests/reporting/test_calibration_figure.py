"""The figure of a calibration cuts nothing off, and its legends are outside of the data."""

from __future__ import annotations

import numpy as np
import pytest

from fashion_exp.reporting.calibration_figure import CalibrationPlot, Point, calibration_figure

pytestmark = pytest.mark.slow


def test_limits_hold_all_intervals_and_legends_are_below() -> None:
    points = [Point(0.35, 0.2, 0.02, 0.6), Point(0.99, 1.0, 0.8, 1.0)]
    curve = (np.array([0.5, 1.0]), np.array([0.1, 0.2]))
    plot = CalibrationPlot({"as predicted": points}, {"test": curve}, {"test": [3, 1]}, {}, "t")
    figure = calibration_figure(plot)
    figure.canvas.draw()
    low, high = figure.axes[0].get_ylim()
    assert low < 0.02 and high > 1 and figure.axes[0].get_xlim()[0] < 0.35
    for axes in figure.axes:
        legend = axes.get_legend()
        assert legend is not None
        assert legend.get_window_extent().y1 < axes.get_window_extent().y0
