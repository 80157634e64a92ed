"""Recipes: several experiments in turn, each judged against the best one before it."""
