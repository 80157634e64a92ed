"""Inspects photos: their pixels, copies of each other, and how sets of photos differ."""
