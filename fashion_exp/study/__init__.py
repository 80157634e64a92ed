"""Several runs in one file, to be opened, merged and compared elsewhere."""
