"""Many jobs as one durable thing: planned, resumed, launched, concluded."""
