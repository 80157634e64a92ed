"""One experiment: from a typed config and an image table to per-image predictions."""
