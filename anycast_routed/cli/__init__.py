"""The command line: the only place that prints and that sets exit codes."""

from __future__ import annotations

import gc
import os
import sys

from anycast_routed.cli import signals


def run() -> int:
    """Be the program: one short run, whose memory the kernel takes back as a whole.

    So nothing is collected, neither while modules load nor when Python ends; that halves the
    processor time of a run which changes nothing. And pydantic is not to search every installed
    distribution for plugins, which would run in here.
    """
    signals.take_signals(sys.argv[1:])
    gc.disable()
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    from anycast_routed.cli.main import main  # noqa: PLC0415 - after the lines above

    code = main()
    gc.freeze()
    return code
