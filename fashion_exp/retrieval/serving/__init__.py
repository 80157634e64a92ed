"""The page to search an index with."""
