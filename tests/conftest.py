"""What every test shares: the lab, and the seed's own site with either router on dns1."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from anycast_routed.lab import Host, Lab, bird, dns, eventually, frr, gobgp, reports

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from anycast_routed.lab.bird import Bird
    from anycast_routed.lab.dns import Dns
    from anycast_routed.lab.frr import Frr
    from anycast_routed.lab.gobgp import Gobgp
    from anycast_routed.lab.route import Route
    from anycast_routed.process import Completed

SEED = Path(__file__).parent / "anycast-dns.json"
INCLUDE = 'include "/run/anycast-route[d]/bird.conf";\n'
EDGE = """\
router bgp 64512
 bgp router-id 172.17.2.254
 neighbor 172.17.2.1 remote-as 64512
 neighbor 172.17.2.1 timers connect 1
 address-family ipv4 unicast
  neighbor 172.17.2.1 activate
 exit-address-family
 address-family ipv6 unicast
  neighbor 172.17.2.1 activate
 exit-address-family
exit
"""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attach every daemon's log and config to the report of a failed test."""
    report = yield
    if report.failed and (text := reports(getattr(item, "funcargs", {}).values())):
        report.sections.append(("lab", text))
    return report


@pytest.fixture
def lab() -> Iterator[Lab]:
    """Lay out an empty lab; all of it is gone when the test ends."""
    with Lab() as made:
        yield made


@dataclass
class Site:
    """The seed's site: dns1 with its two peers on one LAN, and unbound on dns1."""

    lab: Lab
    dns1: Host
    router: Bird | Frr
    server: Dns
    gobgp: Gobgp
    edge: Frr

    def run(self, *arguments: str, check: bool = True, within: float = 30) -> Completed:
        """Run our program on dns1, as cron would."""
        argv = (sys.executable, "-m", "anycast_routed", *arguments)
        return self.dns1.run(*argv, check=check, within=within)

    def document(self, *arguments: str, check: bool = True) -> Any:  # noqa: ANN401 - JSON
        """Run it with --json and return the document."""
        return json.loads(self.run("--json", *arguments, check=check).out)

    def configure(self, config: dict[str, Any]) -> None:
        """Write the config file."""
        self.dns1.write("/etc/anycast-routed/config.json", json.dumps(config))

    def tables(self) -> list[dict[str, tuple[int | None, str]]]:
        """Return what each of the two peers holds: prefix -> LocalPref, next hop."""
        return [
            {
                prefix: (route.local_pref, route.next_hop)
                for family in ("ipv4", "ipv6")
                for prefix, route in _rib(peer, family).items()
            }
            for peer in (self.gobgp, self.edge)
        ]

    def both_hold(self, wanted: dict[str, tuple[int, str]], within: float = 10) -> None:
        """Wait until both peers hold exactly this."""
        eventually(lambda: self.tables() == [wanted, wanted], within=within, why=str(wanted))


def _rib(peer: Gobgp | Frr, family: str) -> dict[str, Route]:
    return peer.rib(family)


def seed() -> dict[str, Any]:
    """Return the seed's config, to be changed by a test."""
    loaded: dict[str, Any] = json.loads(SEED.read_text())
    return loaded


@pytest.fixture(name="seed")
def _seed() -> dict[str, Any]:
    return seed()


@pytest.fixture
def announced() -> dict[str, tuple[int, str]]:
    """What the seed's config announces while the DNS server is healthy."""
    return {
        "10.10.10.10/32": (200, "172.17.2.1"),
        "10.10.10.11/32": (190, "172.17.2.1"),
        "fd00::10:10:10:10/128": (200, "fd00:17:2::1"),
    }


@pytest.fixture(params=["bird", "frr"])
def router_name(request: pytest.FixtureRequest) -> str:
    """Either router; a test that names one parametrizes this away."""
    name: str = request.param
    return name


@pytest.fixture
def site(lab: Lab, router_name: str) -> Site:
    """Lay out the seed's site with the seed's config unchanged; nothing has been applied yet."""
    dns1, edge, peer = lab.host("dns1"), lab.host("edge"), lab.host("peer")
    lab.lan("lan", dns1, edge, peer)
    dns1.address("eth0", "172.17.2.1/24").address("eth0", "fd00:17:2::1/64")
    edge.address("eth0", "172.17.2.254/24").address("eth0", "fd00:17:2::fe/64")
    peer.address("eth0", "172.17.2.253/24").address("eth0", "fd00:17:2::fd/64")
    dns1.address("lo", "10.10.10.10/32", label="lo:dns1")
    dns1.address("lo", "10.10.10.11/32", label="lo:dns2")
    dns1.write("/etc/anycast-routed/config.json", SEED.read_text())
    router: Bird | Frr
    if router_name == "bird":
        router = bird.start(dns1, bird.STOCK + INCLUDE)
    else:
        router = frr.start(dns1)
    return Site(
        lab=lab,
        dns1=dns1,
        router=router,
        server=dns.unbound(dns1, zones={"google.com.": ()}),
        gobgp=gobgp.start(peer, 64512, "172.17.2.253", peers={"172.17.2.1": 64512}),
        edge=frr.start(edge, EDGE),
    )
