"""Reading the files of BGP passwords. What is said of them gives nothing of their content away.

A password that cannot be read stops nothing but an announcement: the config stays whole, so that
a dead service is withdrawn all the same, and only a rendering needs them all.
"""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from anycast_routed.config import Fault
from anycast_routed.errors import ConfigError
from anycast_routed.password import MASK, Password

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from anycast_routed.config import Config

SHORTEST = 6
"""Octets; a shorter one may well be a part of any sentence that it is to be masked in."""
LONGEST = 80
"""TCP_MD5SIG_MAXKEYLEN of Linux, in octets; FRR refuses longer ones, BIRD finds out too late."""
_CREDENTIALS = "CREDENTIALS_DIRECTORY"
_FORBIDDEN = stat.S_IWGRP | stat.S_IRWXO
# Printable ASCII without what one of the two routers cannot quote: neither knows an escape.
_ALPHABET = re.compile(r"[^\"\\|;{}$#`\s\x00-\x20\x7f-\xff]+")


class UnreadPasswordsError(ConfigError):
    """Passwords cannot be had; one fault for each of them."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = faults


class _User(NamedTuple):
    """Whom the files are for: us, or where we are root the daemon's user."""

    number: int
    group: int | None
    """Not known where we are root, and the daemon has never run."""

    def reads(self, found: os.stat_result) -> bool:
        """Tell whether the mode of a file lets him read it."""
        if found.st_uid == self.number:
            return bool(found.st_mode & stat.S_IRUSR)
        return bool(found.st_mode & stat.S_IRGRP) and found.st_gid in self._groups()

    def _groups(self) -> set[int]:
        group = self.group or 0
        with contextlib.suppress(KeyError):
            return {group, *os.getgrouplist(pwd.getpwuid(self.number).pw_name, group)}
        return {group}


class _RefusedError(Exception):
    """Why a file is no password's: message and hint."""

    def __init__(self, problem: str, hint: str, *, elsewhere: bool = False) -> None:
        super().__init__(problem)
        self.problem, self.hint, self.elsewhere = problem, hint, elsewhere


def read(config: Config, environ: Mapping[str, str] = os.environ) -> Config:
    """Return the config with the content of each password file, or with why there is none."""
    user = _user_of(config)
    return _with(config, lambda one: _read(one.file, environ, user))


def needed(config: Config) -> None:
    """Refuse a config whose passwords were not all read.

    Raises:
        UnreadPasswordsError: with all faults.
    """
    if faults := unread(config):
        raise UnreadPasswordsError(faults)


def unread(config: Config) -> tuple[Fault, ...]:
    """Return the fault of each password that was not read."""
    return tuple(fault for fault, _ in _faults(config))


def imagined(config: Config) -> tuple[Config, tuple[str, ...]]:
    """Have a stand-in for each password that only this process cannot have, and say so of each.

    For who changes nothing: an operator at a shell has none of the service's credentials.

    Raises:
        UnreadPasswordsError: others cannot be had by anyone.
    """
    config = read(config)
    faults = _faults(config)
    if wrong := tuple(fault for fault, elsewhere in faults if not elsewhere):
        raise UnreadPasswordsError(wrong)
    unknown = tuple(f"{fault}; {MASK} stands for it here" for fault, _ in faults)
    return _with(config, lambda one: one or Password(one.file, MASK)), unknown


def files(config: Config, environ: Mapping[str, str] = os.environ) -> tuple[Path, ...]:
    """Return where the passwords are, as far as that can be known here."""
    named = [peer.password_file for peer in config.bgp.peers] if config.bgp else []
    found = (_place(one.file, environ) for one in named if one is not None)
    return tuple(dict.fromkeys(place for place in found if place is not None))


def closed(config: Config) -> Iterator[str]:
    """Say which files root, who asks, can read, and the daemon's user cannot."""
    user = _user_of(config)
    for place in files(config) if user.number != 0 == os.geteuid() else ():
        with contextlib.suppress(OSError):
            if not user.reads(place.stat()):
                who = f"user {_name(user.number)}, as whom the daemon runs"
                yield f"{place} may not be read by {who}: {_mend(place, user)}"


def _with(config: Config, change: Callable[[Password], Password]) -> Config:
    if config.bgp is None:
        return config
    peers = tuple(
        peer.model_copy(update={"password_file": change(peer.password_file)})
        if peer.password_file is not None
        else peer
        for peer in config.bgp.peers
    )
    return config.model_copy(update={"bgp": config.bgp.model_copy(update={"peers": peers})})


def _faults(config: Config) -> list[tuple[Fault, bool]]:
    """Give the fault of each password that was not read, and whether another may read it."""
    found = []
    for number, peer in enumerate(config.bgp.peers if config.bgp else ()):
        if (one := peer.password_file) is not None and not one:
            problem = one.problem or f"{one.file} was not read"
            fault = Fault(f"bgp.peers[{number}].password-file", problem, one.hint)
            found.append((fault, one.elsewhere))
    return found


def _place(file: Path, environ: Mapping[str, str]) -> Path | None:
    """Give where a password is: a bare name is a systemd credential's (systemd.exec(5))."""
    if file.is_absolute():
        return file
    folder = environ.get(_CREDENTIALS)
    return Path(folder, file) if folder else None


def _user_of(config: Config) -> _User:
    """Give whom the files are for: the daemon runs as the user whose our folders are."""
    us = _User(os.geteuid(), os.getegid())
    if us.number != 0:
        return us
    for folder in (config.daemon.state_dir, config.daemon.run_dir):
        with contextlib.suppress(OSError):
            found = folder.stat()
            return _User(found.st_uid, found.st_gid)
    return _User(us.number, None)


def _read(file: Path, environ: Mapping[str, str], user: _User) -> Password:
    place = _place(file, environ)
    if place is None:
        problem = f"{file} is a systemd credential, which only the service can read"
        hint = f"LoadCredential={file}:/path/of/it in its unit (here there is no ${_CREDENTIALS})"
        return Password(file, problem=problem, hint=hint, elsewhere=True)
    try:
        return Password(file, _password(_content(place, user), place))
    except _RefusedError as error:
        return Password(file, problem=error.problem, hint=error.hint, elsewhere=error.elsewhere)


def _content(place: Path, user: _User) -> bytes:
    """Read a file that others can neither read nor write. Never waits for the end of a FIFO.

    A symbolic link is followed, as into a folder of secrets that is replaced at once: judged is
    what it leads to, by the very descriptor that is read.
    """
    try:
        descriptor = os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        with open(descriptor, "rb") as stream:  # noqa: PTH123 - a descriptor has no path
            _refuse_open_to_others(place, os.fstat(descriptor), user)
            return stream.read(2 * LONGEST)
    except FileNotFoundError as error:
        problem = f"{place} does not exist"
        raise _RefusedError(problem, "write the password into it, on one line") from error
    except PermissionError as error:
        problem = f"{place} may not be read by user {_name(os.geteuid())}"
        raise _RefusedError(problem, _mend(place, user), elsewhere=True) from error
    except OSError as error:
        problem = f"{place} cannot be read: {error.strerror}"
        raise _RefusedError(problem, "") from error


def _refuse_open_to_others(place: Path, found: os.stat_result, user: _User) -> None:
    if not stat.S_ISREG(found.st_mode):
        problem = f"{place} is not a regular file"
        raise _RefusedError(problem, "name a file")
    if found.st_uid not in {0, user.number}:
        problem = f"{place} belongs to user {_name(found.st_uid)}, who can change it"
        raise _RefusedError(problem, _mend(place, user))
    if (mode := stat.S_IMODE(found.st_mode)) & _FORBIDDEN:
        problem = f"{place} has mode {mode:04o}, which gives too much to its group or to others"
        raise _RefusedError(problem, _mend(place, user))


def _password(content: bytes, place: Path) -> str:
    text = content.decode("latin-1").removesuffix("\n")
    if not text:
        problem = f"{place} is empty"
        raise _RefusedError(problem, "write the password into it, on one line")
    if "\n" in text or len(text) > LONGEST:
        problem = f"{place} must have one line of at most {LONGEST} characters"
        raise _RefusedError(problem, "the kernel takes no longer key (TCP_MD5SIG_MAXKEYLEN)")
    if len(text) < SHORTEST:
        problem = f"{place} must have at least {SHORTEST} characters"
        raise _RefusedError(problem, "12 or more are good (RFC 3562)")
    if not _ALPHABET.fullmatch(text):
        problem = f'{place} must be printable ASCII without blanks and without "\\|;{{}}$#`'
        raise _RefusedError(problem, "a router cannot quote them; choose another password")
    return text


def _mend(place: Path, user: _User) -> str:
    if user.group is None:
        return f"chown root:GROUP {place}; chmod 640 {place} (GROUP: whom the daemon runs as)"
    try:
        group = grp.getgrgid(user.group).gr_name
    except KeyError:
        group = str(user.group)
    return f"chown root:{group} {place}; chmod 640 {place}"


def _name(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
