"""Many distinct LocalPrefs on a real FRR: a route-map for each, which bgpd takes in portions."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

import pytest

from anycast_routed.announce import transaction, withdraw
from anycast_routed.announce.confirm import PATIENT, Patience
from anycast_routed.announce.render import Renderer
from anycast_routed.errors import RouterUnavailableError
from anycast_routed.lab import bgp_receiver, frr
from tests.support.desired import announcement, plan
from tests.support.frr_speaker import frr_speaker
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from anycast_routed.announce.frr.speaker import FrrSpeaker
    from anycast_routed.lab import Lab
    from anycast_routed.lab.bgp_receiver import Receiver
    from anycast_routed.lab.frr import Frr
    from anycast_routed.model import Plan

pytestmark = [pytest.mark.integration, pytest.mark.fault(71)]

US, UP = "172.17.2.1", "172.17.2.254"
MANY, COUNT, PORTION = 600, 150, 50
WANTED = {f"{IPv4Address('10.20.0.1') + number}/32": 100 + number for number in range(MANY)}


def desired(count: int) -> Plan:
    """Return a plan with so many prefixes."""
    wanted = list(WANTED.items())[:count]
    return plan(*(announcement(prefix, one, on_host=False) for prefix, one in wanted))


@dataclass
class Site:
    """A host with FRR that is to announce them all, and its peer."""

    listener: Receiver
    router: Frr
    speaker: FrrSpeaker

    def bring(self, patience: Patience = PATIENT, count: int = COUNT) -> transaction.Outcome:
        """Render and bring the plan."""
        wanted = desired(count)
        text = Renderer("frr").render(self.speaker.variables(wanted))
        return transaction.bring(self.speaker, wanted, text, self.speaker.read(), patience)

    def table(self) -> dict[str, int | None]:
        """Return the LocalPref of each prefix at the peer."""
        return {prefix: one.local_pref for prefix, one in self.listener.table().items()}

    def hears(self, count: int = COUNT) -> None:
        """Wait until the peer holds exactly the first prefixes, with their LocalPrefs."""
        wanted = dict(list(WANTED.items())[:count])
        eventually(lambda: self.table() == wanted, why=f"the peer holds {count} prefixes")


@dataclass
class After:
    """Does something at the first look whether a load is enough by now, and then says so or not."""

    act: Callable[[], object]
    enough: bool
    calls: list[None] = field(default_factory=list)

    def __call__(self) -> bool:
        """Answer one look."""
        self.calls.append(None)
        if len(self.calls) == 1:
            self.act()
        return self.enough


@pytest.fixture
def site(lab: Lab) -> Site:
    """Lay out the host and its peer."""
    dns1, peer = lab.host("dns1"), lab.host("peer")
    lab.lan("lan", dns1, peer)
    dns1.address("eth0", f"{US}/24")
    peer.address("eth0", f"{UP}/24")
    listener = bgp_receiver.start(peer, asn=64512, router_id=UP, peers={US: 64512})
    router = frr.start(dns1)
    return Site(listener, router, frr_speaker(dns1, dns1.path("/run/anycast-routed/frr.conf")))


def test_hundreds_of_local_prefs_come_up(site: Site) -> None:
    outcome = site.bring(count=MANY)
    assert (outcome.confirmed, outcome.faults) == (True, ())
    site.hears(MANY)
    assert not site.bring(count=MANY).changed


def test_a_newer_plan_does_not_wait_for_the_other_portions(site: Site) -> None:
    outcome = site.bring(Patience(lambda: True))
    assert not outcome.confirmed
    site.hears(PORTION)
    mark = site.listener.mark()
    first = desired(1).announcements[0].prefix
    withdraw.withdraw(site.speaker, frozenset({first}))
    eventually(lambda: str(first) not in site.table(), why="one is withdrawn")
    assert {(one.kind, one.prefix) for one in site.listener.changes(mark)} == {
        ("withdraw", str(first))
    }
    assert site.bring().confirmed
    site.hears()


def test_a_load_that_takes_too_long_goes_on_at_the_next_step(site: Site) -> None:
    steps = 0
    while not (outcome := site.bring(Patience(load_within=0.0))).confirmed:
        steps += 1
        assert outcome.faults == ()
        site.hears(PORTION * steps)
    assert steps == COUNT // PORTION - 1
    site.hears()
    counted = Counter(one.prefix for one in site.listener.changes(0) if one.kind == "announce")
    assert counted == dict.fromkeys(list(WANTED)[:COUNT], 1)


def test_after_a_portion_that_fails_the_next_load_goes_on(site: Site) -> None:
    bgpd = site.router.daemons["bgpd"]
    text = Renderer("frr").render(site.speaker.variables(desired(COUNT)))
    site.speaker.check(text)
    with pytest.raises(RouterUnavailableError):
        site.speaker.load(text, None, After(bgpd.pause, enough=False))
    bgpd.resume()
    eventually(lambda: len(site.table()) >= PORTION, why="the first portion stays")
    site.speaker.check(text)
    site.speaker.load(text)
    assert site.speaker.is_loaded(text)
    site.hears()
