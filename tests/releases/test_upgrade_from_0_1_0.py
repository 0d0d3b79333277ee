"""The upgrade from 0.1.0, and the way back: the peer receives no message."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from anycast_routed.lab import Lab, bgp_receiver, bird, dns, frr
from anycast_routed.lab.releases import RELEASES
from tests.support import older_program
from tests.support.dns_site import CONFIG, INCLUDE, RUN_DIR, Held, prepare
from tests.support.older_program import NEW, Program
from tests.support.operators import OPEN4, OPEN6, bird_session, frr_sessions
from tests.support.waiting import PATIENCE, eventually, never
from tests.support.watched_site import PEER, QUICK, quick

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anycast_routed.lab import Daemon, Host
    from anycast_routed.lab.bgp_receiver import Event, Receiver
    from anycast_routed.lab.dns import Dns

pytestmark = [pytest.mark.integration, pytest.mark.releases, pytest.mark.matrix]

PAIRS = [
    *((release, "bird") for release in RELEASES),
    # The releases with BIRD 3 have the same FRR.
    *((release, "frr") for release in RELEASES if not release.endswith("bird3")),
]
OTHER_PORT = 5353
MANY = tuple(f"10.20.0.{number}/32" for number in range(1, 21))
"""Prefixes of one service: so many that they share a protocol of BIRD, with a name as in 0.1.0."""
LABELS = ("10.10.10.10/32", "10.10.10.11/32")
V4, V6 = "10.10.10.30/32", "fd00::10:10:10:10/128"
HOP, HOP6 = "172.17.2.1", "fd00:17:2::1"
QUIET = 4.0
"""Seconds that the peer is watched: the daemon runs a cycle every three."""
AGAIN = 6.0
"""Seconds after which FRR 8.4.4 has sent its routes again: it does so 5 s after a new route-map."""


def config(*, sessions: bool, drain_time: str = "0s") -> dict[str, Any]:
    """Return a config with two services; without `sessions` the operator has the session."""
    made = quick()
    service = {"name": "dns", "dns": made.pop("dns"), "anycast": made.pop("anycast")}
    service["dns"]["half-life"] = 0
    service["anycast"]["routes"].append({"label": "v4", "ip": V4, "localpref": 150})
    service["anycast"]["drain-time"] = drain_time
    routes = [{"label": f"many{number}", "ip": one} for number, one in enumerate(MANY)]
    many = {
        "name": "many",
        "dns": {"ip": "127.0.0.1", "port": OTHER_PORT, "query": "google.com.", **QUICK},
        "anycast": {
            "localpref": 120,
            "next-hop-ipv4": HOP,
            "drain-time": drain_time,
            "routes": routes,
        },
    }
    if not sessions:
        del made["bgp"]
    return {"services": [service, many], **made}


OWN = {
    "bird": bird_session("edge", PEER, OPEN4, OPEN6),
    "frr": frr_sessions(ipv4=f"neighbor {PEER} activate", ipv6=f"neighbor {PEER} activate").replace(
        " neighbor 172.17.2.254 remote-as 64512\n neighbor 172.17.2.254 timers connect 1\n", ""
    ),
}


@dataclass
class Upgraded:
    """A host whose program is replaced while it announces, and its peer."""

    host: Host
    peer: Receiver
    server: Dns
    daemon: Daemon | None = None

    def begin(self, program: Program) -> None:
        """Start the first daemon of the host."""
        self.daemon = program.start(self.host, "daemon")

    def hand_over(self, program: Program) -> None:
        """Replace the daemon by one of this program, as the scripts of the package do.

        The files are replaced first, so the new program's verbs meet the old daemon.
        """
        assert self.daemon is not None
        program.run(self.host, "validate")
        program.run(self.host, "status")
        waiting = program.start(self.host, "handover", "--within", "10m")
        mark = self.host.path(f"{RUN_DIR}/handover")
        eventually(lambda: waiting.check() and mark.exists(), why="the handover mark exists")
        assert self.daemon.terminate(PATIENCE) == 0
        self.daemon = program.start(self.host, "daemon")
        assert waiting.wait(PATIENCE) == 0, waiting.log()

    def holds(self, wanted: Held) -> None:
        """Wait until the peer holds exactly these routes."""

        def differing() -> bool:
            wrong = self.table().items() ^ wanted.items()
            assert not wrong, wrong
            return True

        eventually(differing, why="the peer holds the plan")

    def table(self) -> Held:
        """Return what the peer holds."""
        routes = self.peer.table()
        return {prefix: (one.local_pref, one.next_hop) for prefix, one in routes.items()}

    def received(self, mark: int) -> list[Event]:
        """Return every message since the mark, also one that repeats a route."""
        return self.peer.without_end_of_rib(mark)

    def is_quiet(self, mark: int) -> None:
        """Watch the peer through some cycles: it has received nothing since the mark."""
        self.receives_nothing(mark, seconds=QUIET)
        self.is_well()

    def receives_nothing(self, mark: int, *, seconds: float) -> None:
        """Watch the peer for so many seconds: it has received nothing since the mark."""
        never(lambda: self.received(mark), seconds=seconds, why="the peer received a message")

    def settles(self, mark: int, wanted: Held, *, gap: bool = False) -> None:
        """Watch the peer through some cycles: it may only receive the same routes again.

        With `gap` they may be withdrawn before that.
        """
        time.sleep(QUIET)
        found = [(one.kind, one.prefix) for one in self.received(mark)]
        allowed = {"announce", "withdraw"} if gap else {"announce"}
        assert {kind for kind, _ in found} <= allowed, found
        assert self.table() == wanted
        self.is_well()

    def is_well(self) -> None:
        """Check that the daemon runs and has no bug."""
        assert self.daemon is not None
        self.daemon.check()
        assert "Traceback" not in self.daemon.log()


@pytest.fixture(params=PAIRS, ids="-".join)
def pair(request: pytest.FixtureRequest) -> tuple[str, str]:
    """Return a release and its router."""
    release, router_name = request.param
    return release, router_name


@pytest.fixture(params=["own sessions", "bgp in the config"])
def sessions(request: pytest.FixtureRequest) -> bool:
    """Return whether the sessions are those of anycast-routed."""
    return bool(request.param != "own sessions")


@pytest.fixture
def upgraded(pair: tuple[str, str], *, sessions: bool) -> Iterator[Upgraded]:
    """Lay out the host, its router, its two servers and the peer; no program runs yet."""
    release, router_name = pair
    with Lab(release=release) as lab:
        host, peer = lab.host("dns1"), lab.host("peer")
        lab.lan("lan", host, peer)
        peer.address("eth0", f"{PEER}/24").address("eth0", "fd00:17:2::fd/64")
        prepare(host)
        host.write(CONFIG, json.dumps(config(sessions=sessions)))
        own = "" if sessions else OWN[router_name]
        if router_name == "bird":
            bird.start(host, bird.STOCK + INCLUDE + own)
        else:
            frr.start(host, own)
        server = dns.unbound(host, zones={"google.com.": ()})
        dns.nsd(host, zones={"google.com.": ()}, port=OTHER_PORT)
        recording = bgp_receiver.start(peer, asn=64512, router_id=PEER, peers={"172.17.2.1": 64512})
        yield Upgraded(host, recording, server)


def everything() -> Held:
    """Return the peer's table while every service is up."""
    held: Held = dict.fromkeys(MANY, (120, HOP))
    held |= {LABELS[0]: (200, HOP), LABELS[1]: (190, HOP), V4: (150, HOP), V6: (200, HOP6)}
    return held


def without(held: Held, *prefixes: str) -> Held:
    """Return a table without these prefixes."""
    return {prefix: one for prefix, one in held.items() if prefix not in prefixes}


@pytest.mark.fault(31)
def test_the_peer_receives_nothing_while_the_daemon_is_upgraded_and_downgraded(
    upgraded: Upgraded, *, sessions: bool
) -> None:
    old = older_program.old()
    host, wanted = upgraded.host, everything()
    assert old.is_itself_in(host)
    assert NEW.is_itself_in(host)
    upgraded.begin(old)
    upgraded.holds(wanted)
    time.sleep(AGAIN)

    def there_and_back() -> None:
        mark = upgraded.peer.mark()
        for program in (NEW, old):
            upgraded.hand_over(program)
            upgraded.is_quiet(mark)

    there_and_back()
    old.run(host, "drain", MANY[2], "--wait")
    host.write(CONFIG, json.dumps(config(sessions=sessions, drain_time="1h")))
    old.run(host, "reload")
    old.run(host, "drain", V6)  # lowered for an hour
    wanted = without(wanted, MANY[2]) | {V6: (0, HOP6)}
    upgraded.holds(wanted)
    there_and_back()
    upgraded.server.daemon.kill()
    wanted = without(wanted, *LABELS, V4, V6)
    upgraded.holds(wanted)
    there_and_back()


@pytest.mark.fault(31)
def test_the_way_back_from_a_new_installation_withdraws_nothing(
    upgraded: Upgraded, pair: tuple[str, str], *, sessions: bool
) -> None:
    """The newer program gives each prefix a protocol of BIRD: BIRD sends the same routes again.

    For the operator's sessions it also uses tables of its own. BIRD 3 withdraws the routes of these
    tables before it announces those of the older text.
    """
    gap = pair[0].endswith("bird3") and not sessions
    old = older_program.old()
    host, wanted = upgraded.host, everything()
    for prefix in (*MANY, V4):
        # A new installation announces no address that is elsewhere; an upgraded one goes on.
        host.address("lo", prefix)
    upgraded.begin(NEW)
    upgraded.holds(wanted)
    time.sleep(AGAIN)
    for _ in range(2):
        mark = upgraded.peer.mark()
        upgraded.hand_over(old)
        upgraded.settles(mark, wanted, gap=gap)
        mark = upgraded.peer.mark()
        upgraded.hand_over(NEW)
        upgraded.is_quiet(mark)
        NEW.run(host, "drain", MANY[2], "--wait")
        upgraded.server.daemon.kill()
        upgraded.holds({one: (120, HOP) for one in MANY if one != MANY[2]})
        NEW.run(host, "undrain", MANY[2])
        upgraded.server.restart()
        upgraded.holds(wanted)


@pytest.mark.fault(31)
def test_the_peer_receives_nothing_while_apply_runs_by_turns(upgraded: Upgraded) -> None:
    """A timer runs `apply`: each version reads the record of the other."""
    old = older_program.old()
    wanted = everything()
    old.run(upgraded.host, "apply")
    upgraded.holds(wanted)
    time.sleep(AGAIN)
    for _ in range(2):
        mark = upgraded.peer.mark()
        for program in (NEW, NEW, old, old):
            program.run(upgraded.host, "apply")
        upgraded.receives_nothing(mark, seconds=1.0)
        upgraded.server.daemon.kill()
        wanted = without(wanted, *LABELS, V4, V6)
        old.run(upgraded.host, "apply")
        upgraded.holds(wanted)
