"""A lab for an ordinary user: the same code, as root of a user namespace of its own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from anycast_routed.errors import AnycastRoutedError
from anycast_routed.lab.failures import LabUnavailableError
from anycast_routed.lab.programs import find
from anycast_routed.system.commands import run

if TYPE_CHECKING:
    from collections.abc import Sequence

_NAMESPACES = ("--user", "--map-root-user", "--net", "--mount", "--pid", "--fork")

# The init of a PID namespace must reap what others leave: a host whose processes stay zombies would
# keep its namespaces. A shell does, and the second command keeps it from becoming the first.
_INIT = ("/bin/sh", "-c", '"$@"; exit $?', "sh")

_HINT = """\
run as root, or let users have namespaces, as root, by those of these that the kernel knows:
  sysctl user.max_user_namespaces=10000
  sysctl kernel.unprivileged_userns_clone=1
  sysctl kernel.apparmor_restrict_unprivileged_userns=0"""


def enter(argv: Sequence[str]) -> None:
    """Become `argv`, as root, or as a user who is root in new namespaces: it does not return.

    In there a `Lab` works; outside its namespaces the command has no right that the user has not.

    Raises:
        LabUnavailableError: the machine does not let this user have namespaces.
        LabUnavailableError: the program is not installed.
    """
    command = list(argv)
    if os.geteuid() != 0:
        unshare = [find("unshare"), *_NAMESPACES, "--kill-child", "--mount-proc", "--"]
        try:
            tried = run([*unshare, "/bin/true"], within=10.0)
            refused = tried.err.strip() if tried.code != 0 else ""
        except AnycastRoutedError as error:
            refused = error.message
        if refused:
            message = f"this machine gives an ordinary user no namespaces: {refused}"
            raise LabUnavailableError(message, hint=_HINT)
        command = [*unshare, *_INIT, *command]
    try:
        os.execvp(command[0], command)  # nosec B606  # noqa: S606 - no shell is what we want
    except OSError as error:
        message = f"cannot run {command[0]}: {error.strerror}"
        raise LabUnavailableError(message) from error
