"""Fault 7 of overload, and 36: a server that is asked too much is slow and loses, and is not down.

`make soak` does the same for longer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from seed_site import Held, seed
from watched import PEER, lay_out

from anycast_routed.lab import Lab, dns
from bench.cases import saturate

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.integration

_SECONDS = 30.0


@pytest.fixture
def own_lab() -> Iterator[Lab]:
    """Lay out a lab for one test: its server ends worn out."""
    with Lab() as made:
        yield made


@pytest.mark.parametrize("name", ["unbound", "nsd"])
def test_a_saturated_server_is_never_withdrawn(own_lab: Lab, announced: Held, name: str) -> None:
    config = seed()
    # Of the seed's own timeout, so that it is as patient; but five times as many checks.
    config["dns"] |= {"interval": "200ms", "half-life": 0}
    config["bgp"]["peers"] = [peer for peer in config["bgp"]["peers"] if peer["ip"] == PEER]
    watched = lay_out(own_lab, "bird", config)
    if name == "nsd":
        watched.server.daemon.kill()
        watched.server = dns.nsd(watched.dns1, zones={"google.com.": ()})
    watched.begin()
    watched.holds(announced, within=15)
    mark = watched.mark()
    result = saturate(watched.dns1, _SECONDS).result()
    assert result.lost  # else its sockets did not overflow
    assert not watched.told(mark)
    assert watched.says().health["dns"].verdict == "up"
    assert watched.server.daemon.alive
