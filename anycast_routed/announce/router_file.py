"""Read and write our file for the router, with a password in it or without.

A file with a password is readable by us and by the group that may use the router's control socket:
BIRD reads our file as a member of that group, and members of FRR's group can read the passwords in
FRR anyway. A user may give a file to any group of that user without
privilege.
"""

from __future__ import annotations

import contextlib
import grp
import os
import re
import stat
from typing import TYPE_CHECKING

from anycast_routed.announce.masking import masked, passwords_in
from anycast_routed.errors import AccessDeniedError, AnycastRoutedError
from anycast_routed.system import files

if TYPE_CHECKING:
    from anycast_routed.announce.speaker import Speaker

_PRIVATE = 0o640
_OTHERS = 0o007
_LARGEST = 8 << 20  # octets; 10,000 routes are 2 MiB
_UNFINISHED = "[0-9a-f]{8}"  # how `system.files` ends the name of an unfinished file


def read(speaker: Speaker) -> str | None:
    """Return our file's text; None if it is missing, no regular file, or too large to be ours.

    The daemon's user may write the file, and root withdraws: no file may keep root waiting.
    """
    return files.read(speaker.file, most=_LARGEST)


def remove_unusable(speaker: Speaker) -> None:
    """Delete what stands in the place of our file and is none: a router could hang on a FIFO.

    A directory stays.

    Raises:
        CannotWriteError, AccessDeniedError: it is still there.
    """
    with contextlib.suppress(OSError):
        found = speaker.file.lstat()
        is_file = stat.S_ISREG(found.st_mode)
        if (is_file and found.st_size > _LARGEST) or not (is_file or stat.S_ISDIR(found.st_mode)):
            files.remove(speaker.file)


def sweep(speaker: Speaker) -> None:
    """Delete unfinished files of a process that was killed: they may hold passwords."""
    unfinished = re.compile(rf"\.{re.escape(speaker.file.name)}\.{_UNFINISHED}")
    with contextlib.suppress(OSError, AnycastRoutedError):
        for one in speaker.file.parent.iterdir():
            if unfinished.fullmatch(one.name):
                files.remove(one)


def write(speaker: Speaker, text: str) -> None:
    """Replace our file.

    Raises:
        AccessDeniedError: also if it holds a password and the router could not read it.
        CannotWriteError: as `files.write`.
    """
    if passwords_in(text):
        files.write(speaker.file, text, mode=_PRIVATE, owner=_owner(speaker))
    else:
        files.write(speaker.file, text)


def is_private(speaker: Speaker, text: str) -> bool:
    """Return whether our file, with this text, is closed to other users if it must be."""
    if not passwords_in(text):
        return True
    try:
        return not speaker.file.lstat().st_mode & _OTHERS
    except OSError:
        return False


def keep_rejected(speaker: Speaker, text: str) -> None:
    """Store a refused text beside our file, for people: without passwords."""
    file = speaker.file
    with contextlib.suppress(AnycastRoutedError):
        files.write(file.with_name(f"{file.name}.rejected"), masked(text))


def _owner(speaker: Speaker) -> tuple[int, int]:
    """Return the user and the group that a file with a password must belong to.

    If the router does not run, the group of the file that we replace is used.
    """
    for known in (speaker.socket, speaker.file):
        with contextlib.suppress(OSError):
            group = known.stat().st_gid
            break
    else:
        message = f"no group is known that may read {speaker.file}, which holds a password"
        raise AccessDeniedError(message, hint=f"start {speaker.name} first")
    if os.geteuid() == 0:
        # Root writes for the owner of the directory: the daemon runs as that user.
        return speaker.file.parent.stat().st_uid, group
    if group not in {os.getegid(), *os.getgroups()}:
        name = _name(group)
        message = f"{speaker.file} holds a password, and is for group {name}: we are not in it"
        raise AccessDeniedError(message, hint=f"add the user to it: adduser USER {name}")
    return -1, group


def _name(group: int) -> str:
    try:
        return grp.getgrgid(group).gr_name
    except KeyError:
        return str(group)
