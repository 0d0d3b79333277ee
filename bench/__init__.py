"""Benchmarks: figures beside a bare baseline, each as one program."""
