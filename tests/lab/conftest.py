"""What the tests of the lab share: a lab, and two hosts on one segment as in the seed's network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from anycast_routed.lab import Host, Lab

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab() as lab:
        yield lab


@pytest.fixture
def dns1(lab: Lab) -> Host:
    """A DNS host at 172.17.2.1 and fd00:17:2::1."""
    host = lab.host("dns1")
    lab.lan("lan", host)
    return host.address("eth0", "172.17.2.1/24").address("eth0", "fd00:17:2::1/64")


@pytest.fixture
def up(lab: Lab, dns1: Host) -> Host:
    """Its upstream at 172.17.2.254 and fd00:17:2::fe, with the default route to dns1."""
    host = lab.host("up")
    lab.lan("lan", host)
    host.address("eth0", "172.17.2.254/24").address("eth0", "fd00:17:2::fe/64")
    assert dns1.name in lab.hosts
    return host.route("default", "via", "172.17.2.1")
