"""Checks a folder of photos: damaged files, duplicates, and a summary of its contents."""
