"""Turn facts into decisions: pure functions, no I/O and no clock."""
