"""Two hosts on the LAN of the test site, for the tests of the lab."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.lan import lan_host

if TYPE_CHECKING:
    from anycast_routed.lab import Host, Lab


@pytest.fixture
def dns1(lab: Lab) -> Host:
    """A DNS host at 172.17.2.1 and fd00:17:2::1."""
    return lan_host(lab, "dns1", 1)


@pytest.fixture
def upstream(lab: Lab, dns1: Host) -> Host:
    """The upstream of dns1, at 172.17.2.254 and fd00:17:2::fe, with a default route to dns1."""
    assert dns1.name in lab.hosts
    return lan_host(lab, "upstream", 254).route("default", "via", "172.17.2.1")
