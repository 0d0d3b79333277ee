"""A proxy on this host loses one of its two backends: it is silent for a while, and not hung."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from anycast_routed.lab import dns, eventually
from anycast_routed.lab.programs import find
from anycast_routed.model import Verdict
from tests.support.watched_site import Watched, quick

if TYPE_CHECKING:
    from tests.support.dns_site import Held

# Only the machine has dnsdist, and the files of the releases do not.
pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.fault(61)]

FIRST, SECOND = "127.0.0.2", "127.0.0.3"
CONFIG = f"""\
setLocal("127.0.0.1:53")
newServer{{address="{FIRST}:53", order=1, checkInterval=1, maxCheckFailures=2}}
newServer{{address="{SECOND}:53", order=2}}
setServerPolicy(firstAvailable)
"""


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    """Return a config whose check waits longer than the proxy keeps a silent backend."""
    config = quick()
    config["dns"] |= {"timeout": "5s"}
    return config


@pytest.fixture(scope="module")
def running(laid_out: Watched) -> Watched:
    """Start the backends, the proxy and the daemon."""
    host = laid_out.dns1
    laid_out.server.daemon.kill()
    laid_out.server = dns.unbound(host, zones={"google.com.": ()}, address=(FIRST,))
    dns.nsd(host, address=(SECOND,))
    host.write("/etc/dnsdist.conf", CONFIG)
    host.start(find("dnsdist"), "--supervised", "--disable-syslog", "-C", "/etc/dnsdist.conf")
    eventually(lambda: host.dig("@127.0.0.1", "google.com", "SOA"), within=20)
    laid_out.start_daemon()
    return laid_out


def test_a_proxy_whose_first_backend_hangs_stays_announced(
    watched: Watched, announced: Held
) -> None:
    mark = watched.mark()
    watched.server.daemon.pause()
    watched.no_update_for(5.0)
    watched.server.daemon.resume()
    watched.holds(announced)
    assert not watched.updates(mark)
    watched.status_has(Verdict.UP)
