"""The command line: the only place that prints and that sets exit codes."""

from anycast_routed.cli.main import main

__all__ = ["main"]
