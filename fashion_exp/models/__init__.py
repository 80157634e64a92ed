"""Name + weights + head → a `Classifier`."""
