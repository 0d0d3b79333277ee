"""Reading the files of BGP passwords. What is said of them gives nothing of their content away.

A password that cannot be read stops nothing but an announcement: the config stays whole, so that
a dead service is withdrawn all the same, and only a rendering needs them all.
"""

from __future__ import annotations

import grp
import os
import pwd
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from anycast_routed.config import Fault
from anycast_routed.errors import ConfigError
from anycast_routed.secret import MASK, Password

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from anycast_routed.config import Config

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


class _RefusedError(Exception):
    """Why a file is no password's: message and hint."""

    def __init__(self, problem: str, hint: str, *, elsewhere: bool = False) -> None:
        super().__init__(problem)
        self.problem, self.hint, self.elsewhere = problem, hint, elsewhere


def read(config: Config, environ: Mapping[str, str] = os.environ) -> Config:
    """Return the config with the content of each password file, or with why there is none."""
    return _with(config, lambda one: _read(one.file, environ))


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


def _read(file: Path, environ: Mapping[str, str]) -> Password:
    place = _place(file, environ)
    if place is None:
        problem = f"{file} is a systemd credential, which only the service can read"
        hint = f"LoadCredential={file}:/path/of/it in its unit (here there is no ${_CREDENTIALS})"
        return Password(file, problem=problem, hint=hint, elsewhere=True)
    try:
        return Password(file, _password(_content(place), place))
    except _RefusedError as error:
        return Password(file, problem=error.problem, hint=error.hint, elsewhere=error.elsewhere)


def _content(place: Path) -> bytes:
    """Read a file that others can neither read nor write. Never waits for the end of a FIFO.

    A symbolic link is followed, as into a folder of secrets that is replaced at once: judged is
    what it leads to, by the very descriptor that is read.
    """
    try:
        descriptor = os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        with open(descriptor, "rb") as stream:  # noqa: PTH123 - a descriptor has no path
            _refuse_open_to_others(place, os.fstat(descriptor))
            return stream.read(2 * LONGEST)
    except FileNotFoundError as error:
        problem = f"{place} does not exist"
        raise _RefusedError(problem, "write the password into it, on one line") from error
    except PermissionError as error:
        problem = f"{place} may not be read by user {_user(os.geteuid())}"
        raise _RefusedError(problem, _mend(place), elsewhere=True) from error
    except OSError as error:
        problem = f"{place} cannot be read: {error.strerror}"
        raise _RefusedError(problem, "") from error


def _refuse_open_to_others(place: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        problem = f"{place} is not a regular file"
        raise _RefusedError(problem, "name a file")
    if found.st_uid not in {0, os.geteuid()}:
        problem = f"{place} belongs to user {_user(found.st_uid)}, who can change it"
        raise _RefusedError(problem, _mend(place))
    if (mode := stat.S_IMODE(found.st_mode)) & _FORBIDDEN:
        problem = f"{place} has mode {mode:04o}, which gives too much to its group or to others"
        raise _RefusedError(problem, _mend(place))


def _password(content: bytes, place: Path) -> str:
    text = content.decode("latin-1").removesuffix("\n")
    if not text:
        problem = f"{place} is empty"
        raise _RefusedError(problem, "write the password into it, on one line")
    if "\n" in text or len(text) > LONGEST:
        problem = f"{place} must have one line of at most {LONGEST} characters"
        raise _RefusedError(problem, "the kernel takes no longer key (TCP_MD5SIG_MAXKEYLEN)")
    if not _ALPHABET.fullmatch(text):
        problem = f'{place} must be printable ASCII without blanks and without "\\|;{{}}$#`'
        raise _RefusedError(problem, "a router cannot quote them; choose another password")
    return text


def _mend(place: Path) -> str:
    try:
        group = grp.getgrgid(os.getegid()).gr_name
    except KeyError:
        group = str(os.getegid())
    return f"chown root:{group} {place}; chmod 640 {place}"


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
