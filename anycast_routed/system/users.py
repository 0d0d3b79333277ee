"""Name the users of this host."""

from __future__ import annotations

import pwd
from pathlib import Path


def user_name(number: int) -> str:
    """Return the name of a user, or the number if the user has no name."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def local_name(number: int) -> str:
    """Return the name of a user in /etc/passwd; `another user` if it is not there.

    No other source is asked: that could need the network, and DNS.
    """
    try:
        lines = Path("/etc/passwd").read_text("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    for line in lines:
        name, _, uid, *_ = [*line.split(":"), "", "", ""]
        if uid == str(number):
            return name
    return "another user"
