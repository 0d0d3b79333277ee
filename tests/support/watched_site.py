"""dns1 of the seed's site with our daemon at work, and one peer that writes down every message."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from anycast_routed.lab import LateError, bgp_receiver, eventually
from anycast_routed.lab.dns import Unbound
from anycast_routed.state import journal, status_file
from tests.support.dns_site import Held, Node, seed, settle, start

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from anycast_routed.lab import Daemon, Lab
    from anycast_routed.lab.bgp_receiver import Receiver

CONFIG = "/etc/anycast-routed/config.json"
RUN_DIR = "/run/anycast-routed"
STATE_DIR = "/var/lib/anycast-routed"
PEER = "172.17.2.253"
DNS = "meta l4proto { tcp, udp } th dport 53"
"""Every question, in the words of nft."""
QUICK = {"timeout": "400ms", "interval": "200ms", "fast-interval": "50ms", "half-life": 0}
"""A check of the seed's with its times cut short, whose service returns at once."""

Told = Counter[tuple[str, str]]
"""How often the peer was told what: (`announce` or `withdraw`, prefix)."""


def quick() -> dict[str, Any]:
    """Return the seed's config with short times, and the recording peer alone."""
    config = seed()
    config["dns"] |= QUICK
    config["anycast"]["drain-time"] = "1s"
    config["bgp"]["peers"] = [peer for peer in config["bgp"]["peers"] if peer["ip"] == PEER]
    return config


def each(kind: str, prefixes: Iterable[str]) -> Told:
    """Return what the peer was told if it was told this of each prefix, once."""
    return Counter((kind, prefix) for prefix in prefixes)


class Judge:
    """Who judges by the peer: by its table, and by what it was told."""

    router_name: str
    peer: Receiver

    def table(self) -> Held:
        """Return what the peer holds."""
        routes = self.peer.table()
        return {prefix: (one.local_pref, one.next_hop) for prefix, one in routes.items()}

    def holds(self, wanted: Held, within: float = 10) -> None:
        """Wait until the peer holds just this."""
        eventually(lambda: self.table() == wanted, within=within, why=f"the peer holds {wanted}")

    def mark(self) -> int:
        """Return a mark of this moment for `told`."""
        return self.peer.mark()

    def told(self, mark: int) -> Told:
        """Return what the peer was told since the mark; its session has been up all the time."""
        events = self.peer.without_end_of_rib(mark)
        assert {event.kind for event in events} <= {"announce", "withdraw"}, events
        return Counter((event.kind, event.prefix) for event in events)

    def nothing_is_told(self, seconds: float) -> None:
        """Watch the peer for so long: no message comes, whatever it says."""
        mark = self.mark()
        with pytest.raises(LateError):
            eventually(lambda: self.peer.without_end_of_rib(mark), within=seconds, every=0.05)


@dataclass
class Watched(Judge, Node):
    """One DNS host whose daemon is watched by its only peer."""

    peer: Receiver
    ours: Daemon | None = None

    def begin(self) -> None:
        """Start our daemon."""
        self.ours = self.daemon()

    def end(self) -> None:
        """Stop our daemon by SIGTERM."""
        assert self.at_work().terminate(within=10) == 0

    def at_work(self) -> Daemon:
        """Return our daemon's process."""
        assert self.ours is not None
        return self.ours

    def says(self) -> status_file.Live:
        """Return the daemon's status file."""
        found = status_file.load(self.dns1.path(RUN_DIR))
        assert found is not None
        return found

    def reason(self, service: str = "dns") -> str:
        """Return the latest reason of a service's verdict."""
        return self.says().health[service].reason

    def agrees(self) -> None:
        """Check that `status` and the peer's table say the same."""
        said = self.document("status")
        routes = said["exported"].get(PEER, [])
        shown = {one["prefix"]: (one["local-pref"], one["next-hop"]) for one in routes}
        assert shown == self.table()

    def history(self) -> list[journal.Entry]:
        """Return the journal."""
        return list(journal.load(self.dns1.path(STATE_DIR)))

    def replace_config(self, text: str) -> None:
        """Put another content in the config file's place by rename."""
        file = self.dns1.write(f"{CONFIG}.new", text)
        file.replace(self.dns1.path(CONFIG))

    def reconfigure(self, config: dict[str, Any]) -> None:
        """Have the daemon take this config."""
        self.replace_config(json.dumps(config))

    def nft(self, rule: str, *, hook: str = "input") -> None:
        """Add a rule to the host's packet filter."""
        chain = f"type filter hook {hook} priority 0\n{rule}\n"
        self.dns1.run("nft", "-f", "-", stdin=f"table inet t {{\nchain {hook} {{\n{chain}}}\n}}\n")

    def heal(self) -> None:
        """End every fault of the DNS server, the packet filter and our process, and every drain."""
        (self.file(STATE_DIR) / "drains.json").unlink(missing_ok=True)
        self.dns1.run("nft", "flush", "ruleset")
        self.server.daemon.resume()
        self.at_work().resume()
        if not self.server.daemon.alive:
            self.server.restart()
        elif isinstance(self.server, Unbound):
            self.server.heal("google.com.")

    def file(self, path: str) -> Path:
        """Return where a file of the host is seen from outside."""
        return self.dns1.path(path)


def lay_out(lab: Lab, router_name: str, config: dict[str, Any]) -> Watched:
    """Lay out the host and its peer; our daemon does not run yet."""
    dns1, peer = lab.host("dns1"), lab.host("peer")
    lab.lan("lan", dns1, peer)
    peer.address("eth0", f"{PEER}/24").address("eth0", "fd00:17:2::fd/64")
    settle(dns1)
    dns1.write(CONFIG, json.dumps(config))
    router, server = start(dns1, router_name)
    recording = bgp_receiver.start(peer, asn=64512, router_id=PEER, peers={"172.17.2.1": 64512})
    return Watched(lab, router_name, dns1, router, server, recording)
