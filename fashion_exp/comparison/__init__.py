"""Compares finished runs by their stored predictions, without training."""
