"""The operating system: one primitive in each module."""
