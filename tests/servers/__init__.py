"""Real servers for tests, on loopback and in their own folders; tests skip if not installed."""
