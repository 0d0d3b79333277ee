"""Read one password file: check its owner, its mode and its content.

No error message contains any part of the file's content.
"""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import re
import stat
from typing import TYPE_CHECKING, NamedTuple

from anycast_routed.system.users import user_name

if TYPE_CHECKING:
    from pathlib import Path

SHORTEST = 6
"""In octets. A shorter password could occur by chance in a sentence that it must be masked in."""
LONGEST = 80
"""In octets: TCP_MD5SIG_MAXKEYLEN of Linux. FRR refuses longer ones; BIRD fails at the socket."""
_FORBIDDEN = stat.S_IWGRP | stat.S_IRWXO
# Printable ASCII, without the characters that BIRD or FRR cannot quote: neither has an escape.
_ALPHABET = re.compile(r"[^\"\\|;{}$#`\s\x00-\x20\x7f-\xff]+")


class User(NamedTuple):
    """The user that must be able to read the files: this process's, or for root the daemon's."""

    number: int
    group: int | None
    """None if it is not known: for root, while the daemon has never run."""

    def reads(self, found: os.stat_result) -> bool:
        """Return whether the mode of a file lets this user read the file."""
        if found.st_uid == self.number:
            return bool(found.st_mode & stat.S_IRUSR)
        return bool(found.st_mode & stat.S_IRGRP) and found.st_gid in self._groups()

    def _groups(self) -> set[int]:
        group = self.group or 0
        with contextlib.suppress(KeyError):
            return {group, *os.getgrouplist(pwd.getpwuid(self.number).pw_name, group)}
        return {group}


class RefusedFileError(Exception):
    """A file is refused as a password file: the problem and a hint."""

    def __init__(self, problem: str, hint: str, *, unreadable_here: bool = False) -> None:
        super().__init__(problem)
        self.problem, self.hint, self.unreadable_here = problem, hint, unreadable_here


def read(path: Path, user: User) -> str:
    """Return the password in a file.

    Raises:
        RefusedFileError: the file cannot be read, other users can read or change it, or its
            content is no password.
    """
    text = _content(path, user).decode("latin-1").removesuffix("\n")
    if not text:
        problem = f"{path} is empty"
        raise RefusedFileError(problem, "write the password into it, on one line")
    if "\n" in text or len(text) > LONGEST:
        problem = f"{path} must have one line of at most {LONGEST} characters"
        raise RefusedFileError(problem, "the kernel accepts no longer key (TCP_MD5SIG_MAXKEYLEN)")
    if len(text) < SHORTEST:
        problem = f"{path} must have at least {SHORTEST} characters"
        raise RefusedFileError(problem, "use 12 or more (RFC 3562)")
    if not _ALPHABET.fullmatch(text):
        problem = f'{path} must be printable ASCII without blanks and without "\\|;{{}}$#`'
        raise RefusedFileError(problem, "a router cannot quote these; choose another password")
    return text


def fix(path: Path, user: User) -> str:
    """Return the shell commands that give a file the owner and mode that it needs."""
    if user.group is None:
        return f"chown root:GROUP {path}; chmod 640 {path} (GROUP: the group of the daemon's user)"
    try:
        group = grp.getgrgid(user.group).gr_name
    except KeyError:
        group = str(user.group)
    return f"chown root:{group} {path}; chmod 640 {path}"


def _content(path: Path, user: User) -> bytes:
    """Return the content of a file that other users can neither read nor write.

    Never blocks on a FIFO. A symbolic link is followed, as into a directory of secrets that is
    replaced as a whole: the checks are on the descriptor that is read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        with open(descriptor, "rb") as stream:  # noqa: PTH123 - a descriptor has no path
            _refuse_shared(path, os.fstat(descriptor), user)
            return stream.read(2 * LONGEST)
    except FileNotFoundError as error:
        problem = f"{path} does not exist"
        raise RefusedFileError(problem, "write the password into it, on one line") from error
    except PermissionError as error:
        problem = f"{path} may not be read by user {user_name(os.geteuid())}"
        raise RefusedFileError(problem, fix(path, user), unreadable_here=True) from error
    except OSError as error:
        problem = f"{path} cannot be read: {error.strerror}"
        raise RefusedFileError(problem, "") from error


def _refuse_shared(path: Path, found: os.stat_result, user: User) -> None:
    if not stat.S_ISREG(found.st_mode):
        problem = f"{path} is not a regular file"
        raise RefusedFileError(problem, "name a file")
    if found.st_uid not in {0, user.number}:
        problem = f"{path} belongs to user {user_name(found.st_uid)}, who can change it"
        raise RefusedFileError(problem, fix(path, user))
    if (mode := stat.S_IMODE(found.st_mode)) & _FORBIDDEN:
        problem = f"{path} has mode {mode:04o}, which lets its group or other users do too much"
        raise RefusedFileError(problem, fix(path, user))
