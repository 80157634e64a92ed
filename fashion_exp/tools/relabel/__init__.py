"""Finds labels that look wrong, lets a person review them, and applies the decisions."""
