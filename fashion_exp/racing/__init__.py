"""Trains further repeats of finished runs until they are compared well enough."""
