"""The user that the units run as: its account, its groups, and its access to files.

What is missing is returned as files and commands, which `setup` shows or installs.
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
CONFIG_DIRECTORY = DEFAULTS[0].parent
_ROUTER_GROUPS = ("bird", "frrvty")
# Hidden by the sandbox of the units (systemd.exec(5), ProtectHome= and PrivateTmp=).
_HIDDEN_DIRECTORIES = tuple(
    Path("/", name) for name in ("home", "root", "run/user", "tmp", "var/tmp")
)

Missing = tuple[dict[Path, str], list[tuple[str, ...]]]
"""Files to write, and the commands to run after that."""


def missing(user: str) -> Missing:
    """Return what `user` lacks. Only the user anycast-routed is created or changed."""
    files: dict[Path, str] = {}
    commands: list[tuple[str, ...]] = []
    if user == NAME and (not _exists(user) or missing_groups(user)):
        groups = [name for name in _ROUTER_GROUPS if _gid(name) is not None]
        lines = [
            f'u {NAME} - "anycast-routed" /nonexistent',
            *(f"m {NAME} {one}" for one in groups),
        ]
        files[SYSUSERS] = (
            "# The user of anycast-routed, in the groups that may open the routers' sockets.\n"
            + "".join(f"{line}\n" for line in lines)
        )
        commands.append(("systemd-sysusers", str(SYSUSERS)))
    if not CONFIG_DIRECTORY.exists():
        # The directory will hold files with passwords.
        options = ("-d", "-m", "0750", "-o", "root", "-g", group(user))
        commands.append(("install", *options, str(CONFIG_DIRECTORY)))
    return files, commands


def group(user: str) -> str:
    """Return the primary group of `user`; the user anycast-routed need not exist yet."""
    return NAME if user == NAME else grp.getgrgid(pwd.getpwnam(user).pw_gid).gr_name


def missing_groups(user: str) -> list[str]:
    """Return the routers' groups on this host that an existing user is not in."""
    own = _groups(user)
    known = ((name, _gid(name)) for name in _ROUTER_GROUPS)
    return [name for name, group in known if group is not None and group not in own]


def must_exist(user: str) -> None:
    """Check that a user exists.

    Raises:
        UsageError: the user does not exist.
    """
    if not _exists(user):
        message = f"user {user} does not exist"
        raise UsageError(message, hint="without --user, setup creates the user anycast-routed")


def access_problem(user: str, path: Path, wanted: int) -> str:
    """Return why `user` cannot access an existing file in the units; empty if the user can.

    `wanted` is os.R_OK or os.X_OK. A user that does not exist yet has the access of all others.
    """
    if fault := hiding_problem(path):
        return fault
    if not os.path.exists(path):  # noqa: PTH110 - False also without access
        return ""
    for name in dict.fromkeys((path, Path(os.path.realpath(path)))):
        for directory in reversed(name.parents):
            if not has_access(user, directory, os.X_OK):
                return f"{name} is in {directory}, which user {user} may not enter"
    if not has_access(user, path, wanted):
        action = "execute" if wanted == os.X_OK else "read"
        return f"user {user} may not {action} {path}"
    return ""


def hiding_problem(path: Path) -> str:
    """Return what hides a path, existing or not, from the units; empty if nothing does."""
    for name in dict.fromkeys((path, Path(os.path.realpath(path)))):
        for directory in _HIDDEN_DIRECTORIES:
            if name.is_relative_to(directory):
                return f"{name} is below {directory}, which is hidden from the units"
    return ""


def has_access(user: str, path: Path, wanted: int) -> bool:
    """Return whether an existing file's mode gives `user` the access `wanted` (os.access())."""
    status = path.stat()
    mode = stat.S_IMODE(status.st_mode)
    if _exists(user):
        uid = pwd.getpwnam(user).pw_uid
        if uid == 0:
            return True
        if uid == status.st_uid:
            mode >>= 6
        elif status.st_gid in _groups(user):
            mode >>= 3
    return mode & wanted == wanted


def owns(user: str, path: Path) -> bool:
    """Return whether an existing file belongs to `user`."""
    return _exists(user) and pwd.getpwnam(user).pw_uid == path.stat().st_uid


def _exists(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True


def _groups(user: str) -> set[int]:
    return set(os.getgrouplist(user, pwd.getpwnam(user).pw_gid))


def _gid(name: str) -> int | None:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return None
