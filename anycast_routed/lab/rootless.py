"""Run a lab as an ordinary user, in a user namespace where that user is root."""

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

# The init process of a PID namespace must reap orphans: zombies of a host would keep the namespaces
# of that host. A shell reaps orphans. The second command stops the shell from replacing itself with
# the first command.
_INIT = ("/bin/sh", "-c", '"$@"; exit $?', "sh")

_HINT = """\
run as root, or allow user namespaces: as root, set each of these that this kernel has:
  sysctl user.max_user_namespaces=10000
  sysctl kernel.unprivileged_userns_clone=1
  sysctl kernel.apparmor_restrict_unprivileged_userns=0"""


def enter(argv: Sequence[str]) -> None:
    """Replace this process by `argv`, in new user namespaces unless this process is root's.

    A `Lab` works in these namespaces. Outside of them the command has only the rights of the user.
    The call does not return.

    Raises:
        LabUnavailableError: the machine does not allow user namespaces, or the program is not
            installed.
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
            message = f"this machine does not allow user namespaces: {refused}"
            raise LabUnavailableError(message, hint=_HINT)
        command = [*unshare, *_INIT, *command]
    try:
        os.execvp(command[0], command)  # nosec B606  # noqa: S606 - deliberately without a shell
    except OSError as error:
        message = f"cannot run {command[0]}: {error.strerror}"
        raise LabUnavailableError(message) from error
