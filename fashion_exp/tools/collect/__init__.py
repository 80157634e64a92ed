"""Collects images by a plan of search terms, with the source and license of each image."""
