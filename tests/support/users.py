"""Other users of the host, for tests of what they can and cannot do to us."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = os.geteuid() == 0 and Path("/proc/self/uid_map").read_text("ascii").split()[2] != "1"
DAEMON, OTHER = 51234, 51235
"""As whom the daemon runs, and somebody else: users that no host has."""

needs_users = pytest.mark.skipif(not ROOT, reason="this user cannot be another one")


@contextmanager
def acting_as(user: int) -> Iterator[None]:
    """Do what follows as this user, without any privilege."""
    os.setegid(user)
    os.seteuid(user)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


@contextmanager
def folder_for_all() -> Iterator[Path]:
    """Give a folder that every user can reach.

    Each run of pytest that begins closes pytest's own folders to others, those of a run at work
    as well.
    """
    with tempfile.TemporaryDirectory() as made:
        path = Path(made)
        path.chmod(0o755)
        yield path
