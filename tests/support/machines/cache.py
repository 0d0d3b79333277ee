"""Where what takes long to make is kept, for every checkout of this user."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def cache() -> Path:
    """Return the folder: in the user's cache, or among the temporary files where he has none."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111 - never raises
    folder = Path(home, "anycast-routed")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return _temporary()
    return folder if os.access(folder, os.W_OK) else _temporary()


def _temporary() -> Path:
    folder = Path(tempfile.gettempdir(), f"anycast-routed-{os.getuid()}")
    folder.mkdir(mode=0o755, exist_ok=True)
    assert folder.lstat().st_uid == os.getuid(), f"{folder} is somebody else's"
    return folder
