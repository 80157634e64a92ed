"""A folder of photos looked through: what is wrong with them, which are one, what they are."""
