"""Which run directory owns the router: two instances on one router would undo each other's work.

Each text that is loaded names the run directory of its instance, and the router's running config
then does too. Another run directory may not change that router while the lock of the first one is
held. If it is free, or the mark is missing (an older version, an operator's own template), the
router is taken over.

A lock counts only if no other user can hold it: see `_may_own`.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from anycast_routed.announce import router_file
from anycast_routed.errors import AnycastRoutedError, LockedError
from anycast_routed.model import Code, Finding
from anycast_routed.system import directories, lock
from anycast_routed.system.process_stat import credentials

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anycast_routed.announce.speaker import Speaker
    from anycast_routed.model import Readback
    from anycast_routed.system.lock_holder import Holder

_MARK = re.compile(r"/[A-Za-z0-9._@+=:,~%/-]*")
_SPACE = "%20"  # no path of the config has a "%", and a mark is one word in every language
_SHARED = stat.S_IWGRP | stat.S_IWOTH


class OtherOwnerError(LockedError):
    """Another instance, with another run directory, owns the router."""


@dataclass(frozen=True, slots=True)
class _Other:
    """Another instance at work on the same router."""

    run_dir: Path
    holder: Holder


def mark(run_dir: Path) -> str:
    """Return the mark of a run directory, for the router's config."""
    return str(run_dir).replace(" ", _SPACE)


def refuse(speaker: Speaker) -> None:
    """Ask the router, and refuse to change it if another instance owns it, and is at work.

    Raises:
        OtherOwnerError: another instance does.
        RouterUnavailableError, AccessDeniedError: the router cannot be asked.
    """
    _refuse(speaker, _other(speaker, speaker.owner()))


def read(speaker: Speaker) -> Readback:
    """Read the router, before it is changed; raises as `refuse`."""
    found = speaker.read()
    refuse(speaker)
    return found


def refuse_file(speaker: Speaker) -> None:
    """Refuse to change the file that the router reads at its start; the router is not asked.

    Raises:
        OtherOwnerError: another instance has written it, and is at work.
    """
    text = None
    with contextlib.suppress(AnycastRoutedError):
        text = router_file.read(speaker)
    _refuse(speaker, _other(speaker, speaker.layout.owner(text or "")))


def finding(speaker: Speaker) -> Iterator[Finding]:
    """Yield a finding if another instance owns the router; none if the router does not answer."""
    with contextlib.suppress(AnycastRoutedError):
        if (other := _other(speaker, speaker.owner())) is not None:
            yield Finding(Code.OTHER_OWNER, "", _sentence(speaker, other), _fix(other))


def _refuse(speaker: Speaker, other: _Other | None) -> None:
    if other is not None:
        raise OtherOwnerError(_sentence(speaker, other), hint=_fix(other))


def _sentence(speaker: Speaker, other: _Other) -> str:
    return (
        f"another anycast-routed owns the config of {speaker.name}: {other.holder.verb}, "
        f"PID {other.holder.pid}, with run directory {other.run_dir}, not {speaker.run_dir}"
    )


def _fix(other: _Other) -> str:
    return f"stop one of the two, PID {other.holder.pid}: only one can announce through a router"


def _other(speaker: Speaker, found: str) -> _Other | None:
    theirs = Path(found.replace(_SPACE, " "))
    if not _MARK.fullmatch(found) or theirs == speaker.run_dir:
        return None
    # A directory that cannot be opened, or is reached by another user's link, holds no lock.
    with contextlib.suppress(OSError, AnycastRoutedError), directories.opened(theirs) as handle:
        directory = os.fstat(handle)
        if _is_same(directory, speaker.run_dir):
            return None
        # By the handle, so that the same directory is meant as above.
        holder = lock.holder(Path(f"/proc/self/fd/{handle}"))
        if holder is not None and _may_own(holder, directory, speaker.socket):
            return _Other(theirs, holder)
    return None


def _is_same(directory: os.stat_result, path: Path) -> bool:
    try:
        return os.path.samestat(directory, path.stat())
    except OSError:
        return False


def _may_own(holder: Holder, directory: os.stat_result, socket: Path) -> bool:
    """Return whether a process that holds the lock of a directory may keep others from the router.

    Nobody but the directory's owner may be able to write to it. The owner is root, this process's
    user, or the user of the process, which then must be able to use the router's socket: a user
    who can tell the router to withdraw everything gains nothing by a lock.
    """
    if directory.st_mode & _SHARED:
        return False
    if directory.st_uid in {0, os.geteuid()}:
        return True
    process, of_socket = credentials(holder.pid), socket.stat()
    return (
        process is not None
        and process.user == directory.st_uid
        and (process.user == of_socket.st_uid or of_socket.st_gid in process.groups)
    )
