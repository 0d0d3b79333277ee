"""The user as whom the units run: that it exists, is in the routers' groups, and gets to its files.

What is missing is returned as files and commands, to be shown or done by `setup`.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
from pathlib import Path

from anycast_routed.cli.units import NAME
from anycast_routed.config import DEFAULTS
from anycast_routed.errors import UsageError

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
        groups = [name for name in _ROUTERS if _group(name) is not None]
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
        group = NAME if user == NAME else grp.getgrgid(pwd.getpwnam(user).pw_gid).gr_name
        commands.append(("install", "-d", "-m", "0750", "-o", "root", "-g", group, str(FOLDER)))
    return files, commands


def lacking(user: str) -> list[str]:
    """Return the routers' groups on this host that an existing user is not in."""
    mine = _groups(user)
    known = ((name, _group(name)) for name in _ROUTERS)
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
    if not path.exists():
        return ""
    for way in dict.fromkeys((path, path.resolve())):
        for hidden in _HIDDEN:
            if way.is_relative_to(hidden):
                return f"{way} is below {hidden}, which the units do not see"
        for folder in reversed(way.parents):
            if not _allowed(user, folder, os.X_OK):
                return f"{way} is in {folder}, which user {user} may not enter"
    if not _allowed(user, path, wanted):
        what = "execute" if wanted == os.X_OK else "read"
        return f"user {user} may not {what} {path}"
    return ""


def _allowed(user: str, path: Path, wanted: int) -> bool:
    found = path.stat()
    if not _exists(user):
        return bool(found.st_mode & wanted)
    account = pwd.getpwnam(user)
    if account.pw_uid == 0:
        return True
    if account.pw_uid == found.st_uid:
        return bool(found.st_mode >> 6 & wanted)
    if found.st_gid in _groups(user):
        return bool(found.st_mode >> 3 & wanted)
    return bool(stat.S_IMODE(found.st_mode) & wanted)


def _exists(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True


def _groups(user: str) -> set[int]:
    return set(os.getgrouplist(user, pwd.getpwnam(user).pw_gid))


def _group(name: str) -> int | None:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return None
