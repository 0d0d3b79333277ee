"""Whether a router runs: whether anyone listens on its Unix socket, which may outlive it."""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_NOBODY = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ECONNREFUSED})


def listens(path: Path) -> bool:
    """Tell whether a router has this socket; one that may not be asked, or is busy, does."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(0)
        return client.connect_ex(str(path)) not in _NOBODY
