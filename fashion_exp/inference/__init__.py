"""Uses finished runs: predictions of new photos."""
