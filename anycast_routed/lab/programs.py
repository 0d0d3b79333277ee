"""Where the daemons are, and which Debian package brings one that is missing."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from anycast_routed.lab.failures import LabUnavailableError

# An ordinary user's PATH has no sbin, and no PATH has FRR's daemons.
_SEARCH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin:/usr/lib/frr"

_PACKAGES = {
    "bird": "bird2",
    "birdc": "bird2",
    "bgpd": "frr",
    "staticd": "frr",
    "vtysh": "frr",
    "zebra": "frr",
    "dig": "bind9-dnsutils",
    "gobgp": "gobgpd",
    "gobgpd": "gobgpd",
    "ip": "iproute2",
    "knotd": "knot",
    "nsd": "nsd",
    "nsd-control": "nsd",
    "nsenter": "util-linux",
    "env": "coreutils",
    "setpriv": "util-linux",
    "unshare": "util-linux",
    "unbound": "unbound",
    "unbound-control": "unbound",
}


def find(program: str) -> str:
    """Return the path of `program`.

    Raises:
        LabUnavailableError: it is not installed; the hint names the Debian package.
    """
    path = shutil.which(program, path=_SEARCH)
    if path is None:
        message = f"{program} is not installed, and the lab needs it"
        package = _PACKAGES.get(program, program)
        raise LabUnavailableError(message, hint=f"on Debian: apt-get install {package}")
    return path


def module(name: str) -> tuple[list[str], dict[str, str]]:
    """Return the command and the environment that run a module of this package anywhere."""
    # The package may be importable here by the current folder only, which counts for nothing there.
    package = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join([package, *filter(None, [os.environ.get("PYTHONPATH")])])
    return [sys.executable, "-m", name], {**os.environ, "PYTHONPATH": path}
