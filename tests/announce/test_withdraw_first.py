"""`withdraw.withdraw` on real routers, judged by every UPDATE that a peer receives.

The module is long because all tests share one site, with either router.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, ip_address, ip_network
from typing import TYPE_CHECKING

import pytest

from anycast_routed.announce import router_file, transaction, withdraw
from anycast_routed.announce.bird.speaker import BirdSpeaker
from anycast_routed.announce.confirm import Patience
from anycast_routed.announce.render import Renderer
from anycast_routed.errors import CannotWriteError, RejectedError, RouterUnavailableError
from anycast_routed.lab import bgp_receiver, bird, frr
from anycast_routed.lab.bird import Bird
from anycast_routed.lab.frr import Frr
from tests.support.desired import announcement, plan, sessions
from tests.support.dns_site import INCLUDE
from tests.support.frr_speaker import frr_speaker
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from anycast_routed.announce.speaker import Speaker
    from anycast_routed.lab import Host, Lab
    from anycast_routed.lab.bgp_receiver import Receiver
    from anycast_routed.model import Plan, Prefix

pytestmark = pytest.mark.integration

US, UP = "172.17.2.1", "172.17.2.254"
WEB1, WEB2, WEB6 = "10.10.10.10/32", "10.10.10.11/32", "fd00:10::10/128"
DNS = "10.20.0.1/32"
ALL = {WEB1: "web", WEB2: "web", WEB6: "web", DNS: "dns"}
CONF = "/etc/bird/bird.conf"


def announcing(*prefixes: str, peers: tuple[str, ...] = (UP,)) -> Plan:
    """Return a plan that announces these prefixes; none of their addresses is on the host."""
    announced = (announcement(one, service=ALL[one], on_host=False) for one in prefixes)
    in_order = sorted(announced, key=lambda one: one.prefix.version)
    return plan(*in_order, services=("dns", "web"), ours=sessions(*peers))


def held_by(site: Site) -> set[str]:
    """Return the prefixes that our file announces."""
    text = router_file.read(site.speaker) or ""
    return {str(prefix) for prefix in site.speaker.layout.held(text)}


@dataclass
class Site:
    """dns1 with a router, and a listener at UP that received all prefixes."""

    dns1: Host
    listener: Receiver
    router: Bird | Frr
    speaker: Speaker

    def bring(self, desired: Plan, *, superseded: bool = False) -> transaction.Outcome:
        """Do what a daemon does with a new plan, except for its withdrawals."""
        current, speaker = router_file.read(self.speaker), self.speaker
        renderer = Renderer(speaker.name, structure=speaker.layout.structure)
        text = renderer.render(speaker.variables(desired, current), current)
        before = self.speaker.read()
        return transaction.bring(self.speaker, desired, text, before, Patience(lambda: superseded))

    def withdraw(self, *prefixes: str) -> None:
        """Withdraw exactly these prefixes."""
        withdraw.withdraw(self.speaker, gone(*prefixes))

    def received(self, mark: int) -> list[tuple[str, str]]:
        """Return what the listener received since, without messages that change nothing.

        FRR announces all once more when its route-map timer comes round, 5 s after the first load.
        """
        events = self.listener.since(mark)
        kept = {"end-of-rib", "announce"} if self.speaker.name == "frr" else {"end-of-rib"}
        return sorted((one.kind, one.prefix) for one in events if one.kind not in kept)

    def hears(self, *prefixes: str) -> None:
        """Wait until the listener holds exactly these."""
        eventually(lambda: self.listener.table().keys() == set(prefixes), why=str(prefixes))

    def bird(self) -> Bird:
        """Return the router, which is a BIRD."""
        assert isinstance(self.router, Bird)
        return self.router


def gone(*prefixes: str) -> frozenset[Prefix]:
    return frozenset(ip_network(prefix) for prefix in prefixes)


@pytest.fixture
def site(lab: Lab, router_name: str) -> Site:
    """Announce everything to the listener."""
    dns1, peer = lab.host("dns1"), lab.host("peer")
    lab.lan("lan", dns1, peer)
    dns1.address("eth0", f"{US}/24").address("eth0", "fd00:17:2::1/64")
    peer.address("eth0", f"{UP}/24").address("eth0", "fd00:17:2::fe/64")
    listener = bgp_receiver.start(peer, asn=64512, router_id=UP, peers={US: 64512})
    folder = dns1.path("/run/anycast-routed")
    folder.mkdir()
    router: Bird | Frr
    speaker: Speaker
    if router_name == "bird":
        router = bird.start(dns1, bird.STOCK + INCLUDE)
        speaker = BirdSpeaker(dns1.path("/run/bird/bird.ctl"), folder / "bird.conf")
    else:
        # The operator has a line in the instance: its import check stays, and statics are needed.
        router = frr.start(dns1, "router bgp 64512\n bgp always-compare-med\nexit\n")
        speaker = frr_speaker(dns1, folder / "frr.conf")
    made = Site(dns1, listener, router, speaker)
    made.bring(announcing(*ALL))
    made.hears(*ALL)
    if router_name == "bird":
        # The End-of-RIB comes last, so the first announcement is complete.
        eventually(lambda: [e for e in listener.events() if e.text == "ipv6"])
    return made


only_bird = pytest.mark.parametrize("router_name", ["bird"])
only_frr = pytest.mark.parametrize("router_name", ["frr"])


def test_exactly_these_prefixes_are_withdrawn_once_and_the_new_plan_sends_nothing_more(
    site: Site,
) -> None:
    mark = site.listener.mark()
    site.withdraw(WEB1, WEB6)
    wanted = [("withdraw", WEB1), ("withdraw", WEB6)]
    eventually(lambda: len(site.received(mark)) >= 2, why="two withdrawals")
    outcome = site.bring(announcing(WEB2, DNS))
    assert (outcome.confirmed, outcome.faults) == (True, ())
    site.withdraw(WEB1, WEB6)
    assert not site.bring(announcing(WEB2, DNS)).changed
    # A fence: every earlier message has arrived when this one has.
    site.withdraw(DNS)
    eventually(lambda: ("withdraw", DNS) in site.received(mark))
    assert site.received(mark) == sorted([*wanted, ("withdraw", DNS)])
    assert site.listener.table().keys() == {WEB2}
    assert site.listener.sessions() == {US}


@pytest.mark.fault(20)
def test_a_restart_before_the_new_plan_brings_nothing_back(site: Site) -> None:
    site.withdraw(WEB1, WEB2, WEB6)
    site.hears(DNS)
    mark = site.listener.mark()
    site.router.restart()
    if site.speaker.name == "bird":
        eventually(lambda: ("up", "") in site.received(mark))
        site.hears(DNS)
    assert all(one.prefix in {"", DNS} for one in site.listener.since(mark))


@pytest.mark.fault(23)
@only_bird
def test_withdrawn_although_bird_conf_is_broken_and_still_after_its_repair(site: Site) -> None:
    good = site.dns1.read(CONF)
    site.dns1.write(CONF, good + "this is not BIRD's language\n")
    mark = site.listener.mark()
    site.withdraw(WEB1, WEB6)
    eventually(lambda: WEB1 not in site.listener.table())
    assert DNS in site.listener.table(), "another service"
    with pytest.raises(RejectedError):
        site.bring(announcing(WEB2, DNS))
    site.dns1.write(CONF, good)
    site.bird().configure()
    site.hears(WEB2, DNS)
    messages = [(event.kind, event.prefix) for event in site.listener.since(mark)]
    assert ("announce", WEB1) not in messages
    assert ("announce", WEB6) not in messages
    assert site.bring(announcing(WEB2, DNS)).faults == ()


@pytest.mark.fault(33)
@only_bird
@pytest.mark.parametrize("trouble", ["full disk", "deleted", "emptied", "of another", "no route"])
def test_without_a_file_that_can_be_loaded_the_service_goes_and_nothing_else(
    site: Site, trouble: str
) -> None:
    file = site.speaker.file
    match trouble:
        case "full disk":
            text = file.read_text()
            site.dns1.run("mount", "-t", "tmpfs", "-o", "size=64k", "none", "/run/anycast-routed")
            file.write_text(text)
            site.dns1.run("sh", "-c", "cat /dev/zero > /run/anycast-routed/filler", check=False)
        case "deleted":
            file.unlink()
        case "emptied":
            file.write_text("")
        case "of another":
            file.write_text('define anycast_routed_loaded = "00";\n')
        case _:
            # A route line of an own template may have a form that we cannot remove.
            file.write_text(file.read_text().replace(" blackhole {", " blackhole  {"))
    site.withdraw(WEB1, WEB2, WEB6)
    site.hears(DNS)
    assert site.listener.sessions() == {US}
    assert WEB1 not in held_by(site)


@pytest.mark.fault(33)
@only_bird
def test_on_a_read_only_file_system_it_is_withdrawn_and_said(site: Site) -> None:
    text = site.speaker.file.read_text()
    site.dns1.run("mount", "-t", "tmpfs", "none", "/run/anycast-routed")
    site.speaker.file.write_text(text)
    site.dns1.run("mount", "-o", "remount,ro", "/run/anycast-routed")
    with pytest.raises(CannotWriteError, match="Read-only"):
        site.withdraw(WEB1, WEB2, WEB6)
    site.hears(DNS)
    assert site.speaker.file.read_text() == text
    assert site.listener.sessions() == {US}


@pytest.mark.fault(28)
def test_an_operator_at_work_all_the_time_loses_and_brings_back_nothing(site: Site) -> None:
    edit = "vtysh -c 'configure terminal' -c 'route-map THEIRS permit 10' -c 'set metric 7'"
    command = "birdc configure" if site.speaker.name == "bird" else edit
    loop = f"while :; do {command} >/dev/null; done"
    busy = site.dns1.start("sh", "-c", loop, name="busy")
    for _ in range(3):
        mark = site.listener.mark()
        site.withdraw(WEB1, WEB6)
        site.hears(WEB2, DNS)
        site.bring(announcing(WEB2, DNS))
        assert site.received(mark) == [("withdraw", WEB1), ("withdraw", WEB6)]
        site.bring(announcing(*ALL))
        site.hears(*ALL)
    busy.kill()


@only_bird
def test_a_reload_that_has_to_wait_for_another_one_is_waited_for(site: Site) -> None:
    routes = "".join(f"route {IPv4Address('20.0.0.0') + i}/32 blackhole;\n" for i in range(100_000))
    big = "ipv4 table big;\nprotocol static theirs { ipv4 { table big; };\n" + routes + "}\n"
    small = site.dns1.read(CONF)
    site.bird().configure(small + big)
    mark = site.listener.mark()
    assert "in progress" in site.bird().configure(small), "its 100,000 routes are taken out"
    site.withdraw(WEB1)
    site.hears(WEB2, WEB6, DNS)
    assert site.received(mark) == [("withdraw", WEB1)]
    site.bring(announcing(WEB2, WEB6, DNS))


@pytest.mark.fault(22)
@only_bird
def test_a_hung_bird_costs_one_deadline_and_comes_back_without_them(site: Site) -> None:
    site.bird().daemon.pause()
    with pytest.raises(RouterUnavailableError, match="did not answer"):
        site.withdraw(WEB1)
    assert WEB1 not in held_by(site)
    site.bird().daemon.resume()
    site.bird().configure()
    site.hears(WEB2, WEB6, DNS)


@only_frr
@pytest.mark.parametrize("trouble", ["one is gone", "no record", "of another AS"])
def test_if_frr_refuses_the_withdrawal_its_running_config_is_read(site: Site, trouble: str) -> None:
    assert isinstance(site.router, Frr)
    file = site.speaker.file
    match trouble:
        case "one is gone":
            family = "router bgp 64512\naddress-family ipv4 unicast"
            site.router.configure(*family.split("\n"), f"no network {WEB1}")
        case "no record":
            file.unlink()
        case _:
            file.write_text(file.read_text().replace("router bgp 64512", "router bgp 64999"))
    site.withdraw(WEB1, WEB2)
    site.hears(WEB6, DNS)
    config = site.router.vtysh("show running-config")
    assert f"ip route {WEB2}" not in config
    assert f"ip route {DNS}" in config
    assert site.listener.sessions() == {US}
    site.bring(announcing(WEB6, DNS))


@only_frr
def test_a_dead_bgpd_is_an_error_and_the_record_is_shortened(site: Site) -> None:
    assert isinstance(site.router, Frr)
    site.router.kill("bgpd")
    with pytest.raises(RouterUnavailableError, match="bgpd is not running"):
        site.withdraw(WEB1)
    assert WEB1 not in held_by(site)


def test_a_newer_plan_ends_the_wait_and_nothing_is_put_back(site: Site) -> None:
    desired = announcing(WEB2, DNS, peers=(UP, "172.17.2.99"))
    outcome = site.bring(desired, superseded=True)
    assert (outcome.changed, outcome.confirmed) == (True, False)
    assert {session.address for session in outcome.readback.sessions} == {
        ip_address(UP),
        ip_address("172.17.2.99"),
    }
    site.hears(WEB2, DNS)


def test_a_router_creates_its_socket_anew_at_each_start(site: Site) -> None:
    before = site.speaker.socket.stat()
    site.router.restart()
    after = site.speaker.socket.stat()
    assert (before.st_ino, before.st_mtime_ns) != (after.st_ino, after.st_mtime_ns)
