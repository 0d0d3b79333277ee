"""The releases of Debian whose routers a lab can run, and where their files are.

`machine_python` brings the machine's Python and this program into their hosts.
"""

from __future__ import annotations

import os
import tempfile
from functools import cache
from pathlib import Path
from typing import Literal

from anycast_routed.lab.failures import LabError
from anycast_routed.system.commands import run

RELEASES = ("bookworm", "trixie", "trixie-bird3", "sid", "sid-bird3")
"""Debian 12, 13 and unstable with BIRD 2; the last two also with BIRD 3."""
_SCRIPT = Path(__file__).with_name("build-root")
_BUILD_TIMEOUT = 3600.0  # seconds; two minutes, or more with a slow mirror


Use = Literal["", "machine", "builder"]
"""What a root can do beyond running daemons: boot with systemd, or build a Debian package."""


@cache
def layers(release: str, use: Use = "") -> str:
    """Return the directories with the files of a release, as overlayfs names them in `lowerdir`.

    Builds them first, with debootstrap, if they are not in the cache; that needs root.

    Raises:
        LabError: the release is unknown, or its packages cannot be installed.
    """
    if release not in RELEASES:
        message = f"{release!r} is not a release that a lab can run"
        raise LabError(message, hint=f"use one of {', '.join(RELEASES)}")
    argv = [str(_SCRIPT), str(cache_directory()), release, use]
    done = run(argv, within=_BUILD_TIMEOUT)
    if done.code != 0:
        message = f"cannot build the files of {release}"
        raise LabError(message, hint=done.err.strip())
    return done.out.strip()


def versions(release: str) -> dict[str, str]:
    """Return the version of each Debian package of a release, by its name."""
    text = Path(layers(release).partition(":")[0], "versions").read_text("ascii")
    return dict(line.split(" ", 1) for line in text.splitlines())


def cache_directory() -> Path:
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
    if directory.lstat().st_uid != os.getuid():
        message = f"{directory} belongs to another user"
        raise LabError(message, hint="delete it, or set XDG_CACHE_HOME")
    return directory
