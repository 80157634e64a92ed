"""Real servers for tests, each on loopback and in a folder of its own; skipped where absent."""
