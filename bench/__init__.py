"""Benchmarks: each program measures anycast-routed and prints its figures with a baseline."""
