"""Construction of a `Classifier` from a name, weights and a head."""
