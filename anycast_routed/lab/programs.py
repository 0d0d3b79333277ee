"""Where the daemons are, and which Debian package brings one that is missing."""

from __future__ import annotations

import shutil

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
    "nsd": "nsd",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "unshare": "util-linux",
    "unbound": "unbound",
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
