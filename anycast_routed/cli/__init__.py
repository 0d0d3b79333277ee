"""The command line: the only package that prints and that sets exit codes."""

from __future__ import annotations

import gc
import os
import sys

from anycast_routed.cli import signals


def run() -> int:
    """Run the program for one command line and return its exit code.

    Garbage collection is off, while modules load and at exit: the kernel frees the memory of a
    short run as a whole. This halves the processor time of a run that changes nothing (the
    daemon is the exception; it turns collection on again). Pydantic does not search the
    installed distributions for plugins, which would run in this process.
    """
    signals.record_stop_signals(sys.argv[1:])
    gc.disable()
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    from anycast_routed.cli.main import main  # noqa: PLC0415 - after the lines above

    code = main()
    gc.freeze()
    return code
