"""Bring decisions to the router, and prove them by its read-back."""
