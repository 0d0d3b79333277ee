"""Name the users of this host."""

from __future__ import annotations

import pwd


def user_name(number: int) -> str:
    """Return the name of a user, or the number if the user has no name."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
