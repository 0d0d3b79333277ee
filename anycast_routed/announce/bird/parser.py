"""Let BIRD's own parser read a config in a separate process: `bird -p`."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from anycast_routed.announce import router_program
from anycast_routed.announce.masking import quoted_safely
from anycast_routed.errors import RejectedError

_WITHIN = 5.0  # seconds
_STDIN = Path("/dev/stdin")
_A_PROTOCOL = "\nprotocol device {}\n"  # BIRD refuses a config without any
# BIRD 3 writes the time, a thread and a severity before each line. With them, the same refusal
# would be reported again at each retry.
_STAMP = re.compile(r"^(bird: )?\d{4}-\d\d-\d\d [\d:.]+ \[\d+\] <\w+> ", re.MULTILINE)


def check_text(text: str, path: Path) -> None:
    """Let it parse a text alone, that stands or will stand in this file.

    Raises:
        RejectedError: with BIRD's line and column.
    """
    check_config(_STDIN, path, stdin=f"{text}{_A_PROTOCOL}")


def check_config(config: Path, path: Path, *, stdin: str = "") -> None:
    """Let `bird -p` parse a whole config; a fault is reported against `path`.

    Raises:
        RejectedError: with BIRD's line and column.
    """
    done = router_program.run([_program(), "-p", "-c", str(config)], within=_WITHIN, stdin=stdin)
    if done.code != 0:
        said = (
            quoted_safely(_STAMP.sub(r"\1", done.err).strip(), stdin)
            or f"`bird -p` ended with {done.code}"
        )
        raise RejectedError(said.replace(str(config), str(path)), hint="nothing was loaded")


def _program() -> str:
    # cron's PATH has no sbin, where Debian keeps BIRD.
    path = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/usr/local/sbin"
    return shutil.which("bird", path=path) or "bird"
