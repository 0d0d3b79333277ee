"""Facts become decisions: pure functions, no I/O and no clock."""
