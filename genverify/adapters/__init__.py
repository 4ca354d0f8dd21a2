"""Foreign conventions made subjects, without changing a number."""
