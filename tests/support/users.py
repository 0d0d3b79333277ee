"""Other users of the host, for tests of what those users can and cannot do."""

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
"""The daemon's user, and another user. No host has users with these numbers."""

needs_users = pytest.mark.skipif(not ROOT, reason="only root can become another user")


@contextmanager
def acting_as(user: int) -> Iterator[None]:
    """Run the block as this user, without privileges."""
    os.setegid(user)
    os.seteuid(user)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


@contextmanager
def directory_for_all() -> Iterator[Path]:
    """Yield a temporary directory that every user can enter.

    pytest's own `tmp_path` is not one: each new run of pytest closes those directories to other
    users, even those of a run that has not ended.
    """
    with tempfile.TemporaryDirectory() as made:
        path = Path(made)
        path.chmod(0o755)
        yield path
