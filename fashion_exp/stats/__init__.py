"""Statistics: plain numbers in, results out; nothing else is known here."""
