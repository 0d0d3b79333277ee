"""dns1 with the daemon running, and one BGP peer that records every message."""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from anycast_routed.lab import bgp_receiver
from anycast_routed.lab import eventually as lab_eventually
from anycast_routed.lab.dns import Unbound
from anycast_routed.state import journal
from tests.support.configs import anycast_dns
from tests.support.dns_site import CONFIG, RUN_DIR, STATE_DIR, DnsHost, Held, prepare, start
from tests.support.waiting import PATIENCE, eventually, never

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anycast_routed.lab import Daemon, Lab
    from anycast_routed.lab.bgp_receiver import Event, Receiver

__all__ = ["CONFIG", "RUN_DIR", "STATE_DIR"]

BOTH_ROUTERS = pytest.mark.parametrize("router_name", ["bird", "frr"], scope="module")
"""Run each test of a file on BIRD and on FRR."""
PEER = "172.17.2.253"
DNS = "meta l4proto { tcp, udp } th dport 53"
"""An nft expression that matches every DNS question."""
QUICK = {"timeout": "400ms", "interval": "200ms", "fast-interval": "50ms", "half-life": 0}
"""Keys of a check with short times, whose service returns at once."""

Updates = Counter[tuple[str, str]]
"""How often the peer received which message: (`announce` or `withdraw`, prefix)."""


def quick() -> dict[str, Any]:
    """Return the anycast-dns config with short times, and the recording peer alone."""
    config = anycast_dns()
    config["dns"] |= QUICK
    config["anycast"]["drain-time"] = "1s"
    config["bgp"]["peers"] = [peer for peer in config["bgp"]["peers"] if peer["ip"] == PEER]
    return config


def each(kind: str, prefixes: Iterable[str]) -> Updates:
    """Return the messages of a peer that received this kind once for each prefix."""
    return Counter((kind, prefix) for prefix in prefixes)


class Judge:
    """Judges the daemon by its BGP peer: by the peer's table, and by the messages it received."""

    router_name: str
    peer: Receiver

    def table(self) -> Held:
        """Return what the peer holds."""
        routes = self.peer.table()
        return {prefix: (one.local_pref, one.next_hop) for prefix, one in routes.items()}

    def holds(self, wanted: Held, within: float = PATIENCE) -> None:
        """Wait until the peer holds exactly these routes."""
        why = f"the peer holds {wanted}"
        lab_eventually(lambda: self.table() == wanted, within=within, why=why)

    def mark(self) -> int:
        """Return a mark of this moment for `updates`."""
        return self.peer.mark()

    def events(self, mark: int) -> list[Event]:
        """Return what the peer received since the mark, without End-of-RIB.

        What FRR only sends again is left out: it announces all routes once more 5 s after it got a
        new route-map.
        """
        if self.router_name == "frr":
            return self.peer.changes(mark)
        return self.peer.without_end_of_rib(mark)

    def updates(self, mark: int) -> Updates:
        """Return the messages since the mark. The session must have stayed up all the time."""
        events = self.events(mark)
        assert {event.kind for event in events} <= {"announce", "withdraw"}, events
        return Counter((event.kind, event.prefix) for event in events)

    def receives(self, mark: int, wanted: Updates) -> None:
        """Wait until these are the messages since the mark."""
        eventually(lambda: self.updates(mark) == wanted, why=f"the peer receives {wanted}")

    def no_update_for(self, seconds: float) -> None:
        """Watch the peer for so many seconds, in which no message of any kind may arrive."""
        mark = self.mark()
        never(
            lambda: self.events(mark),
            seconds=seconds,
            why="the peer received a message",
        )


@dataclass
class Watched(Judge, DnsHost):
    """A DNS host, and the only peer of its daemon."""

    peer: Receiver
    daemon_process: Daemon | None = None

    def start_daemon(self, program: str = "") -> None:
        """Start the daemon, and wait until it has made its first pass.

        `program` is a module that runs in place of anycast-routed.
        """
        if not program:
            self.daemon_process = self.daemon()
            return
        argv = (sys.executable, "-m", program, "daemon")
        self.daemon_process = self.dns1.start(*argv, name="anycast-routed")
        status = self.file(f"{RUN_DIR}/status.json")
        eventually(status.exists, why="the daemon has made a pass")

    def stop_daemon(self) -> None:
        """Stop the daemon by SIGTERM."""
        assert self.process().terminate(PATIENCE) == 0

    def process(self) -> Daemon:
        """Return the process of the daemon."""
        assert self.daemon_process is not None
        return self.daemon_process

    def reason(self, service: str = "dns") -> str:
        """Return the latest reason of a service's verdict."""
        return self.status().health[service].reason

    def status_agrees(self, *, check: bool = True) -> None:
        """Wait until the verb `status` and the peer's table say the same.

        Without `check` it may report an error.
        """

        def agrees() -> bool:
            routes = self.document("status", check=check)["exported"].get(PEER, [])
            shown = {one["prefix"]: (one["local-pref"], one["next-hop"]) for one in routes}
            return shown == self.table()

        eventually(agrees, why="`status` says what the peer holds")

    def history(self) -> list[journal.Entry]:
        """Return the journal."""
        return list(journal.load(self.file(STATE_DIR)))

    def replace_config(self, text: str) -> None:
        """Replace the config file by rename."""
        file = self.dns1.write(f"{CONFIG}.new", text)
        file.replace(self.file(CONFIG))

    def reconfigure(self, config: dict[str, Any]) -> None:
        """Replace the config file by rename, with this config."""
        self.replace_config(json.dumps(config))

    def nft(self, rule: str, *, hook: str = "input") -> None:
        """Add a rule to the host's packet filter."""
        chain = f"type filter hook {hook} priority 0\n{rule}\n"
        self.dns1.run("nft", "-f", "-", stdin=f"table inet t {{\nchain {hook} {{\n{chain}}}\n}}\n")

    def end_faults(self) -> None:
        """End each fault of the DNS server, the packet filter and the daemon, and each drain."""
        (self.file(STATE_DIR) / "drains.json").unlink(missing_ok=True)
        self.dns1.run("nft", "flush", "ruleset")
        self.server.daemon.resume()
        self.process().resume()
        if not self.server.daemon.alive:
            self.server.restart()
        elif isinstance(self.server, Unbound):
            self.server.heal("google.com.")


def lay_out(lab: Lab, router_name: str, config: dict[str, Any], *, own: str = "") -> Watched:
    """Lay out the host and its peer; the daemon does not run yet.

    `own` is what the operator has in the router's config.
    """
    dns1, peer = lab.host("dns1"), lab.host("peer")
    lab.lan("lan", dns1, peer)
    peer.address("eth0", f"{PEER}/24").address("eth0", "fd00:17:2::fd/64")
    prepare(dns1)
    dns1.write(CONFIG, json.dumps(config))
    router, server = start(dns1, router_name, own)
    recording = bgp_receiver.start(peer, asn=64512, router_id=PEER, peers={"172.17.2.1": 64512})
    return Watched(lab, router_name, dns1, router, server, recording)
