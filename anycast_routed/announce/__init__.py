"""Decisions reach the router, and its own word comes back as the proof."""
