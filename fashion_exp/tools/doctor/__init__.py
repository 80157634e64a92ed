"""Finds and repairs what crashes and older versions leave in `outputs`."""
