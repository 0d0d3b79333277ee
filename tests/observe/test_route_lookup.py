"""Ask the kernel of a real namespace which addresses it delivers there."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from tests.support.paths import ROOT

if TYPE_CHECKING:
    from anycast_routed.lab import Host

_LOOKUP = """
import json, sys
from ipaddress import ip_address
from anycast_routed.observe.route_lookup import local
asked = [ip_address(one) for one in sys.argv[2:]]
print(json.dumps(sorted(map(str, local(asked, by_host_route=sys.argv[1] == "exact")))))
"""


def local(host: Host, how: str, *addresses: str) -> list[str]:
    env = {"PYTHONPATH": str(ROOT)}
    done = host.run(sys.executable, "-c", _LOOKUP, how, *addresses, env=env)
    found: list[str] = json.loads(done.out)
    return found


def test_an_address_of_an_interface_is_local_and_a_route_elsewhere_is_not(host: Host) -> None:
    host.address("lo", "10.1.1.1/32").address("lo", "fd00::1/128")
    host.ip("route", "add", "blackhole", "10.3.3.3/32")
    asked = ("10.1.1.1", "10.3.3.3", "10.4.4.4", "fd00::1", "fd00::2")
    for how in ("exact", "any"):
        assert local(host, how, *asked) == ["10.1.1.1", "fd00::1"]


def test_a_wide_local_route_delivers_and_is_no_host_route(host: Host) -> None:
    host.address("lo", "10.2.0.1/24")
    host.ip("route", "add", "local", "10.5.0.0/16", "dev", "lo")
    host.ip("-6", "route", "add", "local", "fd05::/64", "dev", "lo")
    host.ip("route", "add", "local", "10.6.6.6/32", "dev", "lo")
    asked = ("10.2.0.1", "10.2.0.9", "10.5.0.1", "10.6.6.6", "fd05::5")
    assert local(host, "any", *asked) == sorted(asked)
    assert local(host, "exact", *asked) == ["10.2.0.1", "10.6.6.6"]
