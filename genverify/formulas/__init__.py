"""The catalogue: one name for a signature, its dialects, its oracle and its reference."""
