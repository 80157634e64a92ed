"""Serves a run over HTTP: an exported file behind micro-batches, and a page to drop a photo on."""
