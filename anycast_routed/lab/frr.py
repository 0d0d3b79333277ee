"""FRR in a host: its daemons in the foreground, its config loaded as Debian's service does."""

from __future__ import annotations

import json
import shutil
from ipaddress import IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from anycast_routed.lab.bgp_communities import as_numbers
from anycast_routed.lab.bgp_routes import Family, Route, Session
from anycast_routed.lab.failures import LabError
from anycast_routed.lab.programs import find
from anycast_routed.lab.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anycast_routed.lab.daemon import Daemon
    from anycast_routed.lab.host import Host

CONF = "/etc/frr/frr.conf"
_VTYSH_CONF = "/etc/frr/vtysh.conf"
_RUN = "/run/frr"
_VTY_GROUP = "frrvty"
_OURSELVES = (str(IPv4Address(0)), "::", "(unspec)")  # what FRR prints for its own routes

User = Literal["root", "frr"]


class Frr:
    """A running FRR. `daemons` are its processes by name; zebra and vtysh are always at hand."""

    def __init__(self, host: Host, names: Sequence[str], user: User) -> None:
        self.host = host
        self.daemons: dict[str, Daemon] = {}
        self._user = user
        self._names = ("zebra", *(name for name in names if name != "zebra"))
        self._start(self._names)

    def _start(self, names: Sequence[str]) -> None:
        zebra, *others = names
        self._spawn(zebra)
        # A daemon that does not find zebra's socket tries again only after 10 s.
        self._await(zebra, "zserv.api")
        for name in others:
            self._spawn(name)
        for name in names:
            self._await(name, f"{name}.vty")
        self.vtysh_argv("-b")

    def _spawn(self, name: str) -> None:
        for left in (f"{name}.vty", f"{name}.pid", *(["zserv.api"] if name == "zebra" else [])):
            self.host.path(f"{_RUN}/{left}").unlink(missing_ok=True)
        self.daemons[name] = self.host.start(
            *(find(name), "-A", "127.0.0.1", "-u", self._user, "-g", self._user),
            *("--log", "stdout", "--log-level", "informational"),
            configs=(CONF,),
        )

    def _await(self, name: str, socket: str) -> None:
        daemon = self.daemons[name]
        eventually(
            lambda: not daemon.alive or self.host.path(f"{_RUN}/{socket}").exists(),
            within=5.0,
            every=0.002,
            why=f"{daemon.name} opens {_RUN}/{socket}",
        )
        daemon.check()

    def vtysh_argv(self, *argv: str) -> str:
        """Run vtysh with these arguments, and return its output.

        Raises:
            LabError: its exit code is not 0. Beware that 0 does not mean that FRR has obeyed.
        """
        return self.host.run(find("vtysh"), *argv).out

    def vtysh(self, *commands: str) -> str:
        """Run commands one after the other in one vtysh, and return the output of all."""
        return self.vtysh_argv(*(word for command in commands for word in ("-c", command)))

    def json(self, command: str) -> Any:  # noqa: ANN401 - foreign JSON
        """Return what a show command answers as JSON: `frr.json("show bgp summary")`."""
        return json.loads(self.vtysh(f"{command} json"))

    def configure(self, *lines: str) -> str:
        """Run lines in configure mode, one after the other."""
        return self.vtysh("configure terminal", *lines)

    def write_memory(self) -> str:
        """Save the running config to frr.conf, as an operator does."""
        return self.vtysh("write memory")

    def kill(self, name: str = "bgpd") -> None:
        """SIGKILL one daemon. Nothing starts it again, where Debian's watchfrr would."""
        self.daemons[name].kill()

    def restart(self) -> None:
        """Kill all daemons, and start them again from the frr.conf of now."""
        for daemon in reversed(self.daemons.values()):
            daemon.kill()
        self._start(self._names)

    def restart_daemon(self, name: str = "bgpd") -> None:
        """Kill one daemon, and start it as watchfrr does; it is given frr.conf again."""
        self.daemons[name].kill()
        self._spawn(name)
        self._await(name, f"{name}.vty")
        self.vtysh_argv("-b", "-d", name)

    def rib(self, family: Family = "ipv4") -> dict[str, Route]:
        """Return the best path to each prefix that bgpd knows."""
        # The detail form alone has the communities, and takes "json" in the middle only.
        answer = json.loads(self.vtysh(f"show bgp {family} unicast json detail") or "{}")
        table = answer.get("routes", {})
        return {prefix: route for prefix, entry in table.items() if (route := _best(prefix, entry))}

    def sessions(self) -> dict[str, Session]:
        """Return the session with each configured neighbor, by its address."""
        neighbors = self.json("show bgp neighbors")
        return {
            address: _session(neighbor)
            for address, neighbor in neighbors.items()
            if isinstance(neighbor, dict) and "bgpState" in neighbor
        }


def start(
    host: Host,
    conf: str = "",
    daemons: Sequence[str] = ("zebra", "staticd", "bgpd"),
    *,
    user: User | None = None,
) -> Frr:
    """Start FRR with `conf` as its integrated /etc/frr/frr.conf, and return when it is loaded.

    The daemons run as `user`, by default as "frr", which is Debian's choice, or as "root" where
    the lab is an ordinary user's, who has no other user in there.
    A session comes up in 1 s with `neighbor X timers connect 1` in its router's block. A route-map
    in `conf` holds it back for another 3 s, unless `bgp route-map delay-timer 1` is the first line.

    Raises:
        LabError: a daemon ended, or vtysh refused a line of `conf`.
        LabUnavailableError: FRR is not installed.
    """
    limited = rootless()
    user = user or ("root" if limited else "frr")
    if user == "frr" and limited:
        message = "FRR can run as user frr only in a lab of root's"
        raise LabError(message, hint='use user="root", which is the user who made the lab')
    if user == "root":
        _let_root_use_vty(host, own_group=limited)
    host.write(_VTYSH_CONF, "service integrated-vtysh-config\n", mode=0o640)
    host.write(CONF, conf, mode=0o640)
    if user == "frr":
        for path in ("/etc/frr", _VTYSH_CONF, CONF, _RUN):
            shutil.chown(host.path(path), "frr", "frr")
    return Frr(host, daemons, user)


def rootless() -> bool:
    """Return whether we are root of a user namespace only, where there is no other user."""
    return int(Path("/proc/self/uid_map").read_text("ascii").split()[2]) != 2**32 - 1


def _let_root_use_vty(host: Host, *, own_group: bool) -> None:
    # FRR refuses to run as a user who is not listed in this group, root included. And in a user
    # namespace there is one group only, so that one has to bear the name.
    lines = []
    for line in host.read("/etc/group").splitlines():
        name, password, number, members = line.split(":")
        if name == _VTY_GROUP:
            number = "0" if own_group else number
            members = ",".join([*members.split(","), "root"]).lstrip(",")
        lines.append(f"{name}:{password}:{number}:{members}\n")
    host.write("/etc/group", "".join(lines))


def _best(prefix: str, entry: Any) -> Route | None:  # noqa: ANN401 - foreign JSON
    # FRR 8 gives a list of a header and the paths, later ones an object.
    paths = entry["paths"] if isinstance(entry, dict) else entry
    best = [path for path in paths if path.get("bestpath", {}).get("overall")]
    if not best:
        return None
    path = best[0]
    # A neighbor on the same link may send its link-local address too (RFC 2545 section 3), which
    # FRR then uses; the global one is the route's next hop.
    hops = sorted(path.get("nexthops", ()), key=lambda hop: hop.get("scope") == "link-local")
    sender = path.get("peer", {}).get("peerId", "")
    return Route(
        prefix=prefix,
        next_hop=hops[0]["ip"] if hops else "",
        local_pref=path.get("locPrf"),
        med=path.get("metric"),
        as_path=tuple(
            asn for segment in path.get("aspath", {}).get("segments", ()) for asn in segment["list"]
        ),
        communities=tuple(as_numbers(one) for one in path.get("community", {}).get("list", ())),
        peer="" if sender in _OURSELVES else sender,
    )


def _session(neighbor: dict[str, Any]) -> Session:
    state = neighbor["bgpState"].lower()
    up = neighbor.get("bgpTimerUpEstablishedEpoch") if state == "established" else None
    return Session(state, up, int(neighbor.get("connectionsDropped", 0)))
