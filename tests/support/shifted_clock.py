"""A daemon whose time of day a test sets; the clock of the machine stays as it is."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tests.support.paths import SUPPORT

if TYPE_CHECKING:
    from anycast_routed.lab import Daemon
    from tests.support.dns_site import DnsHost

_FILE = "/run/clock"


def set_clock(host: DnsHost, offset: str) -> None:
    """Set the daemon's clock to this many seconds from the machine's: `+3600`, or `-3600`."""
    new = host.dns1.write(f"{_FILE}.new", f"{offset}\n")
    new.replace(host.file(_FILE))


def start_daemon(host: DnsHost) -> Daemon:
    """Start the daemon under the clock that was set for this host."""
    argv = (sys.executable, str(SUPPORT / "clock_at.py"), _FILE, "daemon")
    return host.dns1.start(*argv, name="anycast-routed")
