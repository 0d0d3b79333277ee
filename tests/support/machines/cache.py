"""The cache directory for the Debian image and the built packages, shared by all checkouts."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def cache() -> Path:
    """Return the cache directory of the user, or a temporary one if the user has no cache."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111 - never raises
    directory = Path(home, "anycast-routed")
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError:
        return _temporary()
    return directory if os.access(directory, os.W_OK) else _temporary()


def _temporary() -> Path:
    directory = Path(tempfile.gettempdir(), f"anycast-routed-{os.getuid()}")
    directory.mkdir(mode=0o755, exist_ok=True)
    assert directory.lstat().st_uid == os.getuid(), f"{directory} belongs to another user"
    return directory
