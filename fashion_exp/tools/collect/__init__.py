"""Photos gathered by a plan: asked for, fetched with care, kept with where each came from."""
