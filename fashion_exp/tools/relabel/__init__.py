"""Labels that look wrong found, looked at by a person, and the decisions applied to the data."""
