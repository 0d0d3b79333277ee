"""Commands that run another command as an ordinary user, or without user namespaces."""

from __future__ import annotations

import os

from anycast_routed.lab import frr
from tests.support.paths import ROOT

USER = "48512"  # no name, no groups, no home directory
ENV = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}
_EXEC = ("sh", "-c", 'exec "$@"', "sh")
# setpriv keeps root's right to execute any file; the shell after it does not.
AS_REAL_USER = ("setpriv", "--reuid", USER, "--regid", USER, "--clear-groups", "--", *_EXEC)
_NEW_NAMESPACE = ("unshare", "--user", "--map-user", USER, "--map-group", USER)
AS_NAMESPACE_USER = (*_NEW_NAMESPACE, "--", *_EXEC)
"""The user of a user namespace: owns the files of the user of the tests, and has no privileges."""

# The limit is set in a new user namespace, so it does not apply to the machine.
_FORBID = "echo 0 > /proc/sys/user/max_user_namespaces"
_DROP_PRIVILEGES = 'exec setpriv --inh-caps=-all --bounding-set=-all -- "$@"'
WITHOUT_USER_NAMESPACES = (
    *(*_NEW_NAMESPACE, "--keep-caps", "--"),
    *("sh", "-c", f"{_FORBID} && {_DROP_PRIVILEGES}", "sh"),
)


def can_change_user() -> bool:
    """Return whether the tests run as root of the machine, and so can become another user."""
    return os.geteuid() == 0 and not frr.rootless()
