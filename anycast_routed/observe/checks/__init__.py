"""Checks: one module for each kind of check."""
