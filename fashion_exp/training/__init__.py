"""Fit and evaluate: torch and nothing else."""
