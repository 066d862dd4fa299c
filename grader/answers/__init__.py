"""What an answer out of the sandbox may look like: which fields and types, never which values."""
