"""Start FRR in a host of the lab as Debian's service does, and talk to it with vtysh."""

from __future__ import annotations

import json
from ipaddress import IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from anycast_routed.lab import vty
from anycast_routed.lab.bgp_communities import as_numbers
from anycast_routed.lab.bgp_routes import Family, Route, Session
from anycast_routed.lab.failures import LabError
from anycast_routed.lab.programs import find

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anycast_routed.lab.daemon import Daemon
    from anycast_routed.lab.host import Host

CONF = "/etc/frr/frr.conf"
_VTYSH_CONF = "/etc/frr/vtysh.conf"
_RUN = "/run/frr"
_PROGRAMS = "/usr/lib/frr"
_NEEDED = {"mgmtd": ("mgmtd_be.sock",), "zebra": ("zserv.api",)}
"""The sockets of a daemon that others look for at their start."""
_VTY_GROUP = "frrvty"
_LOCAL_ROUTE = (
    str(IPv4Address(0)),
    "::",
    "(unspec)",
)  # the peer that FRR prints for its own routes

User = Literal["root", "frr"]


class Frr:
    """A running FRR. `daemons` are its processes by name; zebra is always one of them."""

    def __init__(self, host: Host, names: Sequence[str], user: User) -> None:
        self.host = host
        self.daemons: dict[str, Daemon] = {}
        self._user = user
        # Since FRR 9, mgmtd holds the config of static routes. It must run before the others.
        first = ["mgmtd"] if host.path(f"{_PROGRAMS}/mgmtd").exists() else []
        first.append("zebra")
        self._names = (*first, *(name for name in names if name not in first))
        self._start(self._names)

    def _start(self, names: Sequence[str]) -> None:
        # A daemon that does not find the socket of zebra or mgmtd tries again only after 10 s.
        for name in names:
            self._spawn(name)
            for socket in _NEEDED.get(name, ()):
                self._await_socket(name, socket)
        for name in names:
            self._await_socket(name, f"{name}.vty")
        self.vtysh_argv("-b")

    def _spawn(self, name: str) -> None:
        for stale in (f"{name}.vty", f"{name}.pid", *_NEEDED.get(name, ())):
            self.host.path(f"{_RUN}/{stale}").unlink(missing_ok=True)
        path = f"{_PROGRAMS}/{name}"
        program = path if self.host.path(path).exists() else find(name)
        self.daemons[name] = self.host.start(
            *(program, "-A", "127.0.0.1", "-u", self._user, "-g", self._user),
            *("--log", "stdout", "--log-level", "informational"),
            configs=(CONF,),
        )

    def _await_socket(self, name: str, socket: str) -> None:
        daemon = self.daemons[name]
        daemon.wait_ready(
            lambda: self.host.path(f"{_RUN}/{socket}").exists(),
            within=30.0,
            every=0.002,
            why=f"opens {_RUN}/{socket}",
        )

    def vtysh_argv(self, *argv: str) -> str:
        """Run vtysh with these arguments, and return its output.

        Exit code 0 does not mean that FRR accepted the commands.

        Raises:
            LabError: the exit code is not 0.
        """
        return self.host.run(find("vtysh"), *argv).out

    def vtysh(self, *commands: str) -> str:
        """Run commands one after the other in one vtysh, and return their output."""
        return self.vtysh_argv(*(word for command in commands for word in ("-c", command)))

    def json(self, command: str) -> Any:  # noqa: ANN401 - foreign JSON
        """Return bgpd's JSON answer to a show command: `frr.json("show bgp summary")`."""
        return json.loads(self.bgpd(f"{command} json"))

    def bgpd(self, command: str) -> str:
        """Return the answer of bgpd alone to a show command."""
        return vty.ask(self.host.path(f"{_RUN}/bgpd.vty"), command)

    def configure(self, *lines: str) -> str:
        """Run `lines` one after the other in configure mode."""
        return self.vtysh("configure terminal", *lines)

    def write_memory(self) -> str:
        """Save the running config to frr.conf, as an operator does."""
        return self.vtysh("write memory")

    @property
    def statics_holder(self) -> str:
        """The daemon that holds the config of static routes: staticd, or mgmtd since FRR 9."""
        return "mgmtd" if "mgmtd" in self.daemons else "staticd"

    def kill(self, name: str = "bgpd") -> None:
        """Send SIGKILL to one daemon. Unlike with Debian's watchfrr, nothing starts it again."""
        self.daemons[name].kill()

    def restart(self) -> None:
        """Kill all daemons and start them again with the current frr.conf."""
        for daemon in reversed(self.daemons.values()):
            daemon.kill()
        self._start(self._names)

    def restart_daemon(self, name: str = "bgpd") -> None:
        """Kill one daemon, start it as watchfrr does, and load frr.conf into it."""
        self.daemons[name].kill()
        self._spawn(name)
        self._await_socket(name, f"{name}.vty")
        self.vtysh_argv("-b", "-d", name)

    def rib(self, family: Family = "ipv4") -> dict[str, Route]:
        """Return the best path to each prefix in bgpd's table."""
        # Only the "detail" form prints the communities, and "json" must stand before "detail".
        answer = json.loads(self.bgpd(f"show bgp {family} unicast json detail") or "{}")
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
    """Start FRR with `conf` as its integrated /etc/frr/frr.conf; return when it is loaded.

    The daemons run as `user`. The default is "frr", as on Debian, or "root" in the lab of an
    ordinary user, which has no other user. `neighbor X timers connect 1` brings a session up in
    1 s. A route-map in `conf` delays the session by another 3 s, unless the first line of `conf` is
    `bgp route-map delay-timer 1`.

    Raises:
        LabError: a daemon ended, or vtysh refused a line of `conf`.
        LabUnavailableError: FRR is not installed.
    """
    limited = rootless()
    user = user or ("root" if limited else "frr")
    if user == "frr" and limited:
        message = "FRR can run as user frr only in a lab that root made"
        raise LabError(message, hint='use user="root": this is the user who made the lab')
    if user == "root":
        _let_root_use_vty(host, own_group=limited)
    host.write(_VTYSH_CONF, "service integrated-vtysh-config\n", mode=0o640)
    host.write(CONF, conf, mode=0o640)
    if user == "frr":
        host.run("chown", "frr:frr", "/etc/frr", _VTYSH_CONF, CONF, _RUN)
    return Frr(host, daemons, user)


def rootless() -> bool:
    """Return whether this process is root of a user namespace only, which has no other user."""
    return int(Path("/proc/self/uid_map").read_text("ascii").split()[2]) != 2**32 - 1


def _let_root_use_vty(host: Host, *, own_group: bool) -> None:
    # FRR refuses to run as a user that is not a member of this group, also as root. A user
    # namespace has only the group 0, so `frrvty` must get that number.
    lines = []
    for line in host.read("/etc/group").splitlines():
        name, password, number, members = line.split(":")
        if name == _VTY_GROUP:
            number = "0" if own_group else number
            members = ",".join([*members.split(","), "root"]).lstrip(",")
        lines.append(f"{name}:{password}:{number}:{members}\n")
    host.write("/etc/group", "".join(lines))


def _best(prefix: str, entry: Any) -> Route | None:  # noqa: ANN401 - foreign JSON
    # FRR 8 prints a list with a header and the paths, later releases print an object.
    paths = entry["paths"] if isinstance(entry, dict) else entry
    best = [path for path in paths if path.get("bestpath", {}).get("overall")]
    if not best:
        return None
    path = best[0]
    # A neighbor on the same link may also send its link-local address (RFC 2545 section 3). FRR
    # then forwards to that address, but the next hop of the route is the global one.
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
        peer="" if sender in _LOCAL_ROUTE else sender,
    )


def _session(neighbor: dict[str, Any]) -> Session:
    state = neighbor["bgpState"].lower()
    up = neighbor.get("bgpTimerUpEstablishedEpoch") if state == "established" else None
    return Session(state, up, int(neighbor.get("connectionsDropped", 0)))
