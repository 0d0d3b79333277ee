"""The site that `apply` is measured on: one DNS host with a router, and a peer with timestamps."""

from __future__ import annotations

import json
import resource
import sys
import time
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Literal, Self

from anycast_routed.announce.frr.changes import changes
from anycast_routed.announce.frr.running_config import Running
from anycast_routed.announce.frr.sender import script
from anycast_routed.lab import Lab, bgp_receiver, bird, dns, eventually, frr
from anycast_routed.lab.failures import LabError
from anycast_routed.lab.programs import find

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from anycast_routed.announce.frr.changes import Changes
    from anycast_routed.lab.bgp_receiver import Event
    from anycast_routed.lab.bgp_routes import Route

Router = Literal["bird", "frr"]
Expected = tuple[str, int | None]
"""The prefix of the only UPDATE, and its LocalPref; None for a withdrawal."""

LOCAL_PREF, CHANGED_LOCAL_PREF = 200, 199
_INCLUDE = 'include "/run/anycast-route[d]/bird.conf";\n'
_HOST, _PEER, _AS = "172.17.2.1", "172.17.2.9", 64512
_FIRST = IPv4Address("10.0.0.1")
_WITHIN = 120.0  # seconds; FRR's staticd needs long for the first load of 10,000 blackhole routes
_UPDATE_WITHIN = 10.0
_QUIET = {"bird": 1.0, "frr": 6.0}  # seconds without an UPDATE; FRR's route-map timer is 5 s


def prefix(number: int) -> str:
    """Return the n-th prefix, from 1."""
    return f"{_FIRST + number - 1}/32"


def config(count: int, *, local_pref: int | None = None, without: bool = False) -> str:
    """Return a config with `count` static routes.

    `local_pref` is the LocalPref of the last route; with `without` the last route is left out.
    """
    routes: list[dict[str, object]] = [
        {"label": f"r{number}", "ip": prefix(number)} for number in range(1, count + 1)
    ]
    if local_pref is not None:
        routes[-1]["localpref"] = local_pref
    if without:
        routes.pop()
    anycast = {
        # No address has this label; with it a config without routes is valid.
        "interface": "lo",
        "prefix": "bench",
        "nexthop-interface": "eth0",
        "localpref": LOCAL_PREF,
        "routes": routes,
    }
    peers = [{"ip": _PEER, "as": _AS}]
    return json.dumps(
        {
            "dns": {"ip": "127.0.0.1", "query": "google.com."},
            "anycast": anycast,
            "bgp": {"id": _HOST, "as": _AS, "peers": peers},
        }
    )


@dataclass(frozen=True)
class Timed:
    """One run of a command, in seconds from its start."""

    ended: float
    update: float | None = None
    """When the peer received the UPDATE."""
    cpu: float = 0.0
    """CPU seconds, on which other processes of the machine have little effect."""


@dataclass(frozen=True)
class Configs:
    """One desired state: the config of anycast-routed, and the router config made from it."""

    config: str
    router_config: str


class ApplySite:
    """A lab with `router` and anycast-routed on one host. A context manager."""

    def __init__(self, router: Router) -> None:
        self.router = router
        self.repeated = 0
        """Announcements of a route that the peer already had."""
        self._lab = Lab()
        self._table: dict[str, Route] = {}
        self._seen = 0

    def __enter__(self) -> Self:
        lab = self._lab.__enter__()
        self.host, peer = lab.host("dns1"), lab.host("peer")
        lab.lan("lan", self.host, peer)
        self.host.address("eth0", f"{_HOST}/24")
        peer.address("eth0", f"{_PEER}/24")
        if self.router == "bird":
            bird.start(self.host, bird.STOCK + _INCLUDE)
        else:
            frr.start(self.host)
        dns.unbound(self.host, zones={"google.com.": ()})
        self._peer = bgp_receiver.start(peer, asn=_AS, router_id=_PEER, peers={_HOST: _AS})
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lab.__exit__(kind, error, trace)

    @property
    def version(self) -> str:
        """The router's name and version, such as "BIRD 2.0.12"."""
        if self.router == "bird":
            done = self.host.run("bird", "--version")
            return (done.out + done.err).strip().replace(" version", "")
        return "FRR " + self.host.run(find("bgpd"), "--version").out.split()[2]

    def load(self, text: str) -> Configs:
        """Apply a config without timing; return it with the router config made from it."""
        self.write_config(text)
        self._run_apply()
        self._file = f"/run/anycast-routed/{self.router}.conf"
        return Configs(text, self.host.read(self._file))

    def wait_until_quiet(self, count: int) -> None:
        """Wait until the peer has `count` prefixes, and then until no more UPDATE comes."""
        eventually(lambda: len(self._peer.table()) == count, within=30, every=0.2)
        mark = self._peer.mark()
        since = time.monotonic()
        while time.monotonic() - since < _QUIET[self.router]:
            time.sleep(0.5)
            if (now := self._peer.mark()) != mark:
                mark, since = now, time.monotonic()
        self._table, self._seen = self._peer.table(), mark

    def run(self, *argv: str) -> Timed:
        """Time one command in the host, from its start to its end."""
        begun, used = time.monotonic(), _cpu()
        self.host.run(*argv, within=_WITHIN)
        return Timed(time.monotonic() - begun, cpu=_cpu() - used)

    def apply(self, after: Configs, expected: Expected) -> Timed:
        """Time `apply` of a new config, to its end and to the UPDATE."""
        self.write_config(after.config)
        return self._until_update(self._run_apply, expected)

    def use_client(self, before: Configs, after: Configs, expected: Expected) -> Timed:
        """Time the router's own client with the same router config."""
        self.host.write(self._file, after.router_config)
        self.write_config(after.config)
        if self.router == "bird":
            return self._until_update(lambda: self.host.run("birdc", "configure"), expected)
        todo = changes(Running(after.router_config), Running(before.router_config))
        if todo.withdrawals:
            timed = self._until_update(lambda: self._vtysh("bgpd", todo, "withdrawals"), expected)
        else:
            self._vtysh("staticd", todo, "statics")
            timed = self._until_update(lambda: self._vtysh("bgpd", todo, "additions"), expected)
        self._vtysh("bgpd", todo, "unused_maps")
        self._vtysh("staticd", todo, "unused_statics")
        return timed

    def _vtysh(self, daemon: str, todo: Changes, kind: str) -> None:
        if lines := script(getattr(todo, kind)):
            block = "\n".join(("configure terminal", *lines))
            self.host.run("vtysh", "-d", daemon, "-c", block)

    def _run_apply(self) -> None:
        # With a single prefix, its withdrawal by a new config would be refused otherwise.
        argv = (sys.executable, "-m", "anycast_routed", "-q", "apply", "--allow-shrink")
        self.host.run(*argv, within=_WITHIN)

    def write_config(self, text: str) -> None:
        """Write the config file of anycast-routed."""
        self.host.write("/etc/anycast-routed/config.json", text)

    def _until_update(self, action: Callable[[], object], expected: Expected) -> Timed:
        """Run `action`; return when it ended and when the peer received the only UPDATE.

        Raises:
            LabError: the peer received something else.
        """
        self._new_changes()
        begun = time.monotonic()
        action()
        ended = time.monotonic()
        found: list[Event] = []

        def received() -> bool:
            found.extend(self._new_changes())
            return bool(found)

        # The log is not read while the action runs: it has the time of each UPDATE.
        eventually(received, within=_UPDATE_WITHIN, every=0.03, why=f"an UPDATE of {expected}")
        time.sleep(0.03)
        found.extend(self._new_changes())
        seen = [(one.prefix, one.route.local_pref if one.route else None) for one in found]
        if seen != [expected]:
            message = f"the peer received {seen[:5]} ({len(seen)} in all), not {[expected]}"
            raise LabError(message)
        return Timed(ended - begun, found[0].at - begun)

    def _new_changes(self) -> list[Event]:
        """Return the new messages that change the peer's table; count the repeated ones."""
        new = self._peer.since(self._seen)
        self._seen += len(new)
        changed = []
        for event in new:
            if event.route is not None and self._table.get(event.prefix) == event.route:
                self.repeated += 1
            elif event.route is not None:
                self._table[event.prefix] = event.route
                changed.append(event)
            elif event.kind in {"withdraw", "down"}:
                self._table.pop(event.prefix, None)
                changed.append(event)
        return changed


def _cpu() -> float:
    """Return the CPU seconds of all commands that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
