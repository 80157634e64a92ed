"""Sweeps: many jobs that are planned, launched, resumed and summarized together."""
