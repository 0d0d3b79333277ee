"""Detect whether a router runs: its Unix socket may outlive it, a listener does not."""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_NO_LISTENER = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ECONNREFUSED})


def listens(path: Path) -> bool:
    """Return whether a process listens on this socket; a busy or forbidden one counts as yes."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(0)
        return client.connect_ex(str(path)) not in _NO_LISTENER
