"""Find the programs that the lab runs; name the Debian package of a missing one."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from anycast_routed.lab.failures import LabUnavailableError

# The PATH of an ordinary user lacks sbin, and no PATH has the directory of the FRR daemons.
_SEARCH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin:/usr/lib/frr"

_PACKAGES = {
    "bird": "bird2",
    "birdc": "bird2",
    "bgpd": "frr",
    "staticd": "frr",
    "vtysh": "frr",
    "zebra": "frr",
    "dig": "bind9-dnsutils",
    "dnsmasq": "dnsmasq-base",
    "gobgp": "gobgpd",
    "gobgpd": "gobgpd",
    "ip": "iproute2",
    "knotc": "knot",
    "knotd": "knot",
    "kresd": "knot-resolver",
    "named": "bind9",
    "nsd": "nsd",
    "nsd-control": "nsd",
    "nsenter": "util-linux",
    "pdns_recursor": "pdns-recursor",
    "rec_control": "pdns-recursor",
    "rndc": "bind9",
    "env": "coreutils",
    "setpriv": "util-linux",
    "unshare": "util-linux",
    "unbound": "unbound",
    "unbound-control": "unbound",
}


def find(program: str) -> str:
    """Return the path of `program`.

    Raises:
        LabUnavailableError: the program is not installed; the hint names the Debian package.
    """
    path = shutil.which(program, path=_SEARCH)
    if path is None:
        message = f"{program} is not installed, and the lab needs it"
        package = _PACKAGES.get(program, program)
        raise LabUnavailableError(message, hint=f"on Debian: apt-get install {package}")
    return path


def module(name: str) -> tuple[list[str], dict[str, str]]:
    """Return the argument list and the environment that run a module of this package.

    The result works from any current directory, so also in another mount namespace.
    """
    # This process may find the package only through its current directory.
    package = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join([package, *filter(None, [os.environ.get("PYTHONPATH")])])
    return [sys.executable, "-m", name], {**os.environ, "PYTHONPATH": path}
