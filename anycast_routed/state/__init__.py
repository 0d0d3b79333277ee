"""What outlives a process: files that one process leaves for the next, or for its operator."""
