"""Predictions of any tool, judged by the tests of `comparison`: numpy, scipy and pandas suffice."""
