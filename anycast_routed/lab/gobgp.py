"""Start gobgpd in a host of the lab: a BGP peer of the router under test."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from anycast_routed.lab.bgp_communities import as_numbers
from anycast_routed.lab.bgp_routes import Family, Route, Session
from anycast_routed.lab.programs import find

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anycast_routed.lab.daemon import Daemon
    from anycast_routed.lab.host import Host

CONF = "/etc/gobgpd.toml"
_API_PORT, _BGP_PORT = 50051, 179
_AS_PATH, _NEXT_HOP, _MED, _LOCAL_PREF, _COMMUNITIES, _MP_REACH = 2, 3, 4, 5, 8, 14
_SESSION_LOST = '"msg":"Peer Down"'
# gobgp prints the state of a session as the number of api.PeerState.SessionState.
_STATES = ("unknown", "idle", "connect", "active", "opensent", "openconfirm", "established")


class Gobgp:
    """A running gobgpd. It only speaks BGP and installs no routes in the kernel."""

    def __init__(self, host: Host, peers: int) -> None:
        self.host = host
        self._peers = peers
        self.daemon = self._start()

    def _start(self) -> Daemon:
        argv = (
            find("gobgpd"),
            "-f",
            CONF,
            "--api-hosts",
            f"127.0.0.1:{_API_PORT}",
            "--pprof-disable",
        )
        daemon = self.host.start(*argv, configs=(CONF,))
        daemon.wait_ready(
            self._has_loaded_config,
            within=30.0,
            every=0.005,
            why=f"answers and has its {self._peers} peers",
        )
        return daemon

    def _has_loaded_config(self) -> bool:
        # gobgpd answers before it has loaded its config: it loads [global], listens for BGP, and
        # then adds one peer after the other.
        listens = self.host.listens
        return listens(_API_PORT) and listens(_BGP_PORT) and len(self._neighbors()) == self._peers

    def restart(self) -> None:
        """Kill gobgpd and start it again with the same config."""
        self.daemon.kill()
        self.daemon = self._start()

    def gobgp(self, *argv: str) -> str:
        """Run a gobgp command: `gobgp("global", "rib", "add", "10.0.0.0/8")`; return its output."""
        return self.host.run(find("gobgp"), *argv).out

    def paths(self, family: Family) -> dict[str, list[Route]]:
        """Return all paths to each prefix, the best path first."""
        table = json.loads(self.gobgp("-j", "global", "rib", "-a", family) or "{}")
        return {prefix: [_route(prefix, path) for path in paths] for prefix, paths in table.items()}

    def rib(self, family: Family = "ipv4") -> dict[str, Route]:
        """Return the best path to each prefix."""
        return {prefix: paths[0] for prefix, paths in self.paths(family).items() if paths}

    def sessions(self) -> dict[str, Session]:
        """Return the session with each configured peer, by address."""
        # The flap counter of gobgpd 3.10 stays 0, so count the lines in the log.
        log = self.daemon.log().splitlines()
        downs = Counter(json.loads(line).get("Key") for line in log if _SESSION_LOST in line)
        return {
            (address := neighbor["conf"]["neighbor_address"]): _session(neighbor, downs[address])
            for neighbor in self._neighbors()
        }

    def _neighbors(self) -> list[dict[str, Any]]:
        neighbors: list[dict[str, Any]] = json.loads(self.gobgp("-j", "neighbor") or "[]")
        return neighbors


def start(  # noqa: PLR0913 - one value each, all but the first three by name
    host: Host,
    asn: int,
    router_id: str,
    peers: Mapping[str, int],
    *,
    passive: bool = False,
    hold_time: int = 90,
    passwords: Mapping[str, str] | None = None,
) -> Gobgp:
    """Start gobgpd with a session to each of `peers` (address: AS); return when it answers.

    Every session carries IPv4 and IPv6 unicast. With `passive` gobgpd waits for the peer to
    connect, else it also connects itself, every second. `hold_time` is in seconds. `passwords` are
    those of TCP MD5 (RFC 2385), by address.

    Raises:
        LabUnavailableError: gobgpd is not installed.
    """
    lines = ["[global.config]", f"  as = {asn}", f'  router-id = "{router_id}"']
    for address, peer_as in peers.items():
        password = (passwords or {}).get(address, "")
        lines += _neighbor(address, peer_as, password, passive=passive, hold_time=hold_time)
    host.write(CONF, "\n".join(lines) + "\n")
    return Gobgp(host, len(peers))


def _neighbor(address: str, asn: int, password: str, *, passive: bool, hold_time: int) -> list[str]:
    lines = [
        "[[neighbors]]",
        f'  [neighbors.config]\n    neighbor-address = "{address}"\n    peer-as = {asn}',
        f'    auth-password = "{password}"',
        f"  [neighbors.transport.config]\n    passive-mode = {str(passive).lower()}",
        f"  [neighbors.timers.config]\n    hold-time = {hold_time}\n    connect-retry = 1",
        "    idle-hold-time-after-reset = 1",
        f"    keepalive-interval = {max(1, hold_time // 3)}",
    ]
    for family in ("ipv4-unicast", "ipv6-unicast"):
        lines += ["  [[neighbors.afi-safis]]", "    [neighbors.afi-safis.config]"]
        lines += [f'      afi-safi-name = "{family}"']
    return lines


def _route(prefix: str, path: dict[str, Any]) -> Route:
    attributes = {int(attribute["type"]): attribute for attribute in path["attrs"]}

    def value(kind: int, key: str) -> Any:  # noqa: ANN401 - foreign JSON
        return attributes.get(kind, {}).get(key)

    segments = value(_AS_PATH, "as_paths") or ()
    # gobgp 3 and gobgp 4 name the neighbor differently.
    neighbor = path.get("neighbor-ip") or path.get("peer-address", "")
    return Route(
        prefix=prefix,
        next_hop=value(_NEXT_HOP, "nexthop") or value(_MP_REACH, "nexthop") or "",
        local_pref=value(_LOCAL_PREF, "value"),
        med=value(_MED, "metric"),
        as_path=tuple(asn for segment in segments for asn in segment["asns"]),
        communities=tuple(as_numbers(one) for one in value(_COMMUNITIES, "communities") or ()),
        peer=neighbor if neighbor != "<nil>" else "",
    )


def _session(neighbor: dict[str, Any], flaps: int) -> Session:
    state = _STATES[neighbor["state"].get("session_state", 0)]
    uptime = neighbor.get("timers", {}).get("state", {}).get("uptime", {}).get("seconds")
    return Session(
        state=state,
        established_at=int(uptime) if state == "established" and uptime else None,
        flaps=flaps,
    )
