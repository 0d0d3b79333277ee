"""Whether our file survives a boot: BIRD would then announce what it held, before any check."""

from __future__ import annotations

import contextlib
import fnmatch
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from anycast_routed.errors import AnycastRoutedError
from anycast_routed.system import files

if TYPE_CHECKING:
    from collections.abc import Iterator

TMPFILES = Path("/etc/tmpfiles.d/anycast-routed.conf")
"""Written by `setup`; see tmpfiles.d(5)."""
_DIRECTORIES = (
    "/etc/tmpfiles.d",
    "/run/tmpfiles.d",
    "/usr/local/lib/tmpfiles.d",
    "/usr/lib/tmpfiles.d",
)
_MOUNTS = Path("/proc/self/mountinfo")
_OCTAL = re.compile(rb"\\([0-7]{3})")  # proc_pid_mountinfo(5)
_IN_MEMORY = frozenset({"tmpfs", "ramfs"})
_REMOVING = frozenset({"r", "R"})


def survives(file: Path) -> bool:
    """Return whether the file is on a disk, and systemd-tmpfiles does not remove it at boot."""
    return _file_system(file) not in _IN_MEMORY and not any(
        fnmatch.fnmatch(str(file), pattern) for pattern in _removed_at_boot()
    )


def tmpfiles_text(file: Path) -> str:
    """Return the text of `TMPFILES`, which removes the file at boot, and only then."""
    return f"# BIRD must announce nothing at boot before the first check.\nr! {file}\n"


def _removed_at_boot() -> Iterator[str]:
    for directory in _DIRECTORIES:
        for path in sorted(Path(directory).glob("*.conf")):
            with contextlib.suppress(AnycastRoutedError):
                for line in (files.read(path) or "").splitlines():
                    kind, _, rest = line.partition(" ")
                    if kind.rstrip("!-") in _REMOVING and rest.split():
                        yield rest.split()[0]


def _file_system(file: Path) -> str:
    """Return the type of the file system that has the file, or would have it."""
    place = file.resolve()
    above = (place, *place.parents)
    found, nearest = "", len(above)
    for line in _MOUNTS.read_bytes().splitlines():
        before, _, after = line.partition(b" - ")
        written = _OCTAL.sub(lambda one: bytes([int(one[1], 8)]), before.split()[4])
        point = Path(os.fsdecode(written))
        # A later mount at the same place hides the one before.
        if point in above and above.index(point) <= nearest:
            found, nearest = os.fsdecode(after.split()[0]), above.index(point)
    return found
