"""Finds, names, describes and deletes runs and sweeps, with what was tracked of them."""
