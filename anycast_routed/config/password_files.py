"""Read the password files that a config names, and report those that cannot be read.

A password that cannot be read prevents announcements only: the config stays valid, so that a dead
service is still withdrawn. Only a rendering needs all passwords.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from anycast_routed.config import Fault, password_file
from anycast_routed.config.password_file import RefusedFileError, User
from anycast_routed.errors import ConfigError
from anycast_routed.model import Code, Finding
from anycast_routed.password import MASK, Password
from anycast_routed.system.users import user_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from anycast_routed.config import Config

_CREDENTIALS = "CREDENTIALS_DIRECTORY"


class UnreadPasswordsError(ConfigError):
    """Passwords could not be read; one fault for each of them."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = faults


def read(config: Config, environ: Mapping[str, str] = os.environ) -> Config:
    """Return the config with each password, or with the reason why it could not be read."""
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


def imagined(config: Config) -> tuple[Config, tuple[Finding, ...]]:
    """Return the config with the mask for each password that only this process cannot read.

    The second value has a sentence for each of them. This is for verbs that change nothing: an
    operator at a shell does not have the service's credentials.

    Raises:
        UnreadPasswordsError: other passwords cannot be read, by the service either.
    """
    config = read(config)
    faults = _faults(config)
    if wrong := tuple(fault for fault, unreadable_here in faults if not unreadable_here):
        raise UnreadPasswordsError(wrong)
    unknown = tuple(
        Finding(Code.PASSWORD_UNKNOWN_HERE, "", f"{fault}; it is shown as {MASK} here")
        for fault, _ in faults
    )
    return _with(config, lambda one: one or Password(one.file, MASK)), unknown


def files(config: Config, environ: Mapping[str, str] = os.environ) -> tuple[Path, ...]:
    """Return the paths of the password files, except credentials that this process lacks."""
    named = [peer.password_file for peer in config.bgp.peers] if config.bgp else []
    found = (_path(one.file, environ) for one in named if one is not None)
    return tuple(dict.fromkeys(path for path in found if path is not None))


def closed(config: Config) -> Iterator[Finding]:
    """Yield a sentence for each file that root can read and the daemon's user cannot.

    Yields nothing if this user is not root.
    """
    user = _user_of(config)
    for path in files(config) if user.number != 0 == os.geteuid() else ():
        with contextlib.suppress(OSError):
            if not user.reads(path.stat()):
                name = user_name(user.number)
                fix = password_file.fix(path, user)
                detail = f"{path} may not be read by user {name}, which runs the daemon"
                yield Finding(Code.PASSWORD_CLOSED_TO_DAEMON, "", detail, fix)


def _with(config: Config, change: Callable[[Password], Password]) -> Config:
    """Return the config with each password changed."""
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
    """Return the fault of each password that was not read, and whether the service may read it."""
    found = []
    for number, peer in enumerate(config.bgp.peers if config.bgp else ()):
        if (one := peer.password_file) is not None and not one:
            problem = one.problem or f"{one.file} was not read"
            fault = Fault(f"bgp.peers[{number}].password-file", problem, one.hint)
            found.append((fault, one.unreadable_here))
    return found


def _path(file: Path, environ: Mapping[str, str]) -> Path | None:
    """Return the path of a password file: a bare name is a systemd credential (systemd.exec(5))."""
    if file.is_absolute():
        return file
    directory = environ.get(_CREDENTIALS)
    return Path(directory, file) if directory else None


def _user_of(config: Config) -> User:
    """Return the user that must read the files: for root, the owner of the program's directories.

    That owner is the daemon's user.
    """
    user = User(os.geteuid(), os.getegid())
    if user.number != 0:
        return user
    for directory in (config.daemon.state_dir, config.daemon.run_dir):
        with contextlib.suppress(OSError):
            found = directory.stat()
            return User(found.st_uid, found.st_gid)
    return User(user.number, None)


def _read(file: Path, environ: Mapping[str, str], user: User) -> Password:
    path = _path(file, environ)
    if path is None:
        problem = f"{file} is a systemd credential, which only the service can read"
        hint = f"set LoadCredential={file}:PATH in its unit (${_CREDENTIALS} is not set here)"
        return Password(file, problem=problem, hint=hint, unreadable_here=True)
    try:
        return Password(file, password_file.read(path, user))
    except RefusedFileError as error:
        return Password(
            file, problem=error.problem, hint=error.hint, unreadable_here=error.unreadable_here
        )
