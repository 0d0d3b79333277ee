"""The user as whom the units run: that it exists, is in the routers' groups, and gets to its files.

What is missing is returned as files and commands, to be shown or done by `setup`.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
from pathlib import Path

from anycast_routed.config import DEFAULTS
from anycast_routed.errors import UsageError
from anycast_routed.setup.units import NAME

SYSUSERS = Path("/etc/sysusers.d/anycast-routed.conf")
FOLDER = DEFAULTS[0].parent
_ROUTERS = ("bird", "frrvty")
# What the sandbox of the units hides (systemd.exec(5), ProtectHome= and PrivateTmp=).
_HIDDEN = tuple(Path("/", name) for name in ("home", "root", "run/user", "tmp", "var/tmp"))

Missing = tuple[dict[Path, str], list[tuple[str, ...]]]
"""Files to write, and the commands to run after that."""


def missing(user: str) -> Missing:
    """Return what `user` lacks. Only the user of our own name is made and changed."""
    files: dict[Path, str] = {}
    commands: list[tuple[str, ...]] = []
    if user == NAME and (not _exists(user) or lacking(user)):
        groups = [name for name in _ROUTERS if _number(name) is not None]
        lines = [
            f'u {NAME} - "anycast-routed" /nonexistent',
            *(f"m {NAME} {one}" for one in groups),
        ]
        files[SYSUSERS] = (
            "# Whom anycast-routed runs as, and the groups that open the routers' sockets.\n"
            + "".join(f"{line}\n" for line in lines)
        )
        commands.append(("systemd-sysusers", str(SYSUSERS)))
    if not FOLDER.exists():
        # Files with passwords will lie in it.
        options = ("-d", "-m", "0750", "-o", "root", "-g", group(user))
        commands.append(("install", *options, str(FOLDER)))
    return files, commands


def group(user: str) -> str:
    """Return the first group of `user`; the one of our own name need not exist yet."""
    return NAME if user == NAME else grp.getgrgid(pwd.getpwnam(user).pw_gid).gr_name


def lacking(user: str) -> list[str]:
    """Return the routers' groups on this host that an existing user is not in."""
    mine = _groups(user)
    known = ((name, _number(name)) for name in _ROUTERS)
    return [name for name, group in known if group is not None and group not in mine]


def must_exist(user: str) -> None:
    """Refuse a user that does not exist.

    Raises:
        UsageError: there is none.
    """
    if not _exists(user):
        message = f"there is no user {user}"
        raise UsageError(message, hint="without --user, one is made: anycast-routed")


def out_of_reach(user: str, path: Path, wanted: int) -> str:
    """Say why `user` cannot use an existing file within the units; empty when he can.

    `wanted` is os.R_OK or os.X_OK. A user that does not exist yet has what all have.
    """
    if fault := hidden(path):
        return fault
    if not os.path.exists(path):  # noqa: PTH110 - false too where we ourselves may not look
        return ""
    for way in dict.fromkeys((path, Path(os.path.realpath(path)))):
        for folder in reversed(way.parents):
            if not may(user, folder, os.X_OK):
                return f"{way} is in {folder}, which user {user} may not enter"
    if not may(user, path, wanted):
        what = "execute" if wanted == os.X_OK else "read"
        return f"user {user} may not {what} {path}"
    return ""


def hidden(path: Path) -> str:
    """Say what hides a path from the units, whether it exists or not; empty when nothing does."""
    for way in dict.fromkeys((path, Path(os.path.realpath(path)))):
        for folder in _HIDDEN:
            if way.is_relative_to(folder):
                return f"{way} is below {folder}, which the units do not see"
    return ""


def may(user: str, path: Path, wanted: int) -> bool:
    """Tell whether `user` may use an existing file so, by its own mode."""
    found = path.stat()
    mode = stat.S_IMODE(found.st_mode)
    if _exists(user):
        number = pwd.getpwnam(user).pw_uid
        if number == 0:
            return True
        if number == found.st_uid:
            mode >>= 6
        elif found.st_gid in _groups(user):
            mode >>= 3
    return mode & wanted == wanted


def owns(user: str, path: Path) -> bool:
    """Tell whether an existing file belongs to `user`."""
    return _exists(user) and pwd.getpwnam(user).pw_uid == path.stat().st_uid


def _exists(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True


def _groups(user: str) -> set[int]:
    return set(os.getgrouplist(user, pwd.getpwnam(user).pw_gid))


def _number(name: str) -> int | None:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return None
