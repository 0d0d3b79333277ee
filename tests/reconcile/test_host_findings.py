"""Two users on the address and port of one DNS server: who answers, and what is reported."""

from __future__ import annotations

import dataclasses
import socket
from ipaddress import IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from anycast_routed.lab import dns, dns_config
from anycast_routed.lab.programs import find
from anycast_routed.model import Observed, Verdict
from anycast_routed.observe.sock_diag import Listener
from anycast_routed.reconcile.host_findings import of_sockets, strangers
from tests.support.configs import anycast_dns, config_of
from tests.support.users import needs_users
from tests.support.waiting import PATIENCE, eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from anycast_routed.lab import Daemon, Host, Lab
    from anycast_routed.lab.dns import Dns
    from tests.support.dns_site import Site

PORT: Final = 5353
SERVER, THIEF = 51236, 51237
"""Users without a name."""
ANSWERS: Final = "192.0.2.53"
"""What the thief answers to `who.`; the server does not know this name."""
SOCKET = Listener(
    IPv4Address("127.0.0.1"), PORT, inode=1, v6only=False, cgroup=7, drops=0, user=0, device=0
)

integration = pytest.mark.integration


@pytest.fixture
def router_name() -> str:
    """Run each test on BIRD only: no router takes part."""
    return "bird"


@pytest.fixture
def high(site: Site, dns_config: dict[str, Any]) -> Site:
    """Return the site with its check at a port that any user can open; no server runs there."""
    dns_config["dns"]["port"] = PORT
    site.configure(dns_config)
    site.server.daemon.kill()
    return site


def unbound_as(host: Host, user: int, *, address: str = "127.0.0.1", identity: str = "") -> Daemon:
    """Start an unbound of this user, over UDP only: nobody can share a TCP port."""
    zones = {"google.com.": ()}
    text = dns_config.unbound(
        zones, [address], port=PORT, threads=1, identity=identity, control="/run/none"
    )
    text = text.replace("control-enable: yes", "control-enable: no")
    text = text.replace("server:", "server:\n  do-tcp: no\n  ip-transparent: no", 1)
    conf = f"/etc/unbound/{user}.conf"
    host.write(conf, text.replace("ip-freebind: yes", "ip-freebind: no"))
    become = ("setpriv", "--reuid", str(user), "--regid", str(user), "--clear-groups")
    return host.start(*become, find("unbound"), "-d", "-p", "-c", conf, name=f"unbound-{user}")


def who_answers(site: Site) -> str:
    """Ask for the name that only the thief knows."""
    return site.dns1.dig("@127.0.0.1", "-p", str(PORT), "who.", "A")


def users_of(daemon: Daemon) -> set[str]:
    """Return the effective UIDs of a server's processes."""
    files = [Path(f"/proc/{pid}/status") for pid in (daemon.pid, *daemon.descendants())]
    return {file.read_text().split("Uid:")[1].split()[1] for file in files}


def found(site: Site) -> list[str]:
    """Return what `status` says about two users."""
    shown = site.document("status", check=False)["findings"]
    return [one["detail"] for one in shown if one["code"] == "AR034"]


def served(site: Site, user: int = SERVER) -> None:
    """Start the server as this user, and wait until it listens."""
    unbound_as(site.dns1, user)
    eventually(lambda: site.dns1.listens(PORT, protocol="udp"), why="the server listens")


@integration
@needs_users
@pytest.mark.fault(49)
@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])  # noqa: S104 - a listener of the lab
def test_a_second_user_on_the_port_takes_the_queries_and_is_reported(
    high: Site, address: str
) -> None:
    """The server sets SO_REUSEADDR, as most do: then any user can open its UDP port too."""
    unbound_as(high.dns1, SERVER, address=address)
    eventually(lambda: high.dns1.listens(PORT, protocol="udp"), why="the server listens")
    daemon = high.daemon()
    high.status_has(Verdict.UP)
    assert found(high) == []
    assert who_answers(high) == ""
    thief = unbound_as(high.dns1, THIEF, identity=ANSWERS)
    eventually(lambda: who_answers(high) == ANSWERS, why="the thief answers")
    (detail,) = eventually(lambda: found(high))
    named = f"(UID {SERVER}) and of another user (UID {THIEF})"
    assert named in detail, detail
    assert f"are bound to 127.0.0.1 port {PORT}" in detail
    eventually(
        lambda: any(one.code == "AR034" for one in high.status().findings),
        why="the status file has it",
    )
    eventually(lambda: "AR034" in daemon.log(), why="it is logged")
    thief.terminate(PATIENCE)
    assert found(high) == []
    eventually(lambda: "finding is over" in daemon.log(), why="the log says that it is over")


@integration
@needs_users
@pytest.mark.fault(49)
def test_a_user_beside_a_server_of_root_is_reported(high: Site, cgroup: Path) -> None:
    """A process of another cgroup is no part of the server."""
    served(high, user=0)
    assert found(high) == []
    thief = unbound_as(high.dns1, THIEF, identity=ANSWERS)
    eventually(lambda: who_answers(high) == ANSWERS, why="the thief answers")
    assert found(high) == [], "of the same cgroup, it may be a part of the server"
    thief.terminate(PATIENCE)
    # The cgroup of a socket is that of the process that opens it, at that time.
    enter = f"echo $$ >{cgroup}/cgroup.procs; exec setpriv --reuid {THIEF} --clear-groups"
    again = f"{enter} {find('unbound')} -d -p -c /etc/unbound/{THIEF}.conf"
    high.dns1.start("/bin/sh", "-c", again, name="thief")
    eventually(lambda: who_answers(high) == ANSWERS, why="the thief answers again")
    (detail,) = found(high)
    assert f"sockets of root (UID 0) and of another user (UID {THIEF})" in detail


@integration
@needs_users
@pytest.mark.parametrize("server", ["unbound", "nsd", "several workers of nsd"])
def test_a_server_that_drops_its_privileges_is_one_server(high: Site, server: str) -> None:
    if server == "unbound":
        made: Dns = dns.unbound(high.dns1, port=PORT, extra='server:\n  username: "nobody"')
    else:
        made = dns.nsd(high.dns1, port=PORT, workers=1 if server == "nsd" else 3)
        conf = high.dns1.read("/etc/nsd/nsd.conf")
        high.dns1.write("/etc/nsd/nsd.conf", conf.replace('username: ""', 'username: "nobody"'))
        high.dns1.run("chown", "-R", "nobody", "/run/nsd")
        made.restart()
    # The server listens first, and then becomes the other user.
    eventually(lambda: "65534" in users_of(made.daemon), why="it has dropped its privileges")
    high.run("apply")
    assert found(high) == []


@integration
@pytest.mark.fault(48)
def test_a_server_that_listens_in_a_vrf_only_is_named(
    lab: Lab, inside: Callable[[Host, Callable[[], Any]], Any]
) -> None:
    """Interface red stands for the device of a VRF: `ip vrf exec` binds each socket to it."""
    host, config = lab.host("dns1"), config_of(anycast_dns())
    host.ip("link", "add", "red", "type", "veth", "peer", "name", "other")
    observed = Observed({}, frozenset({"lo", "red"}), (), vrfs={"red": "red"})

    def look() -> list[list[str]]:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"red")
            server.bind(("127.0.0.1", 53))
            in_vrf = of_sockets(config, observed)
            server.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"")
            return [[str(one) for one in found] for found in (in_vrf, of_sockets(config, observed))]

    (named,), nothing = inside(host, look)
    assert "the sockets on port 53 are bound to red in VRF red" in named
    assert not nothing


def sockets(*owners: tuple[int, int]) -> list[Listener]:
    """Return a socket for each user and cgroup."""
    return [dataclasses.replace(SOCKET, user=user, cgroup=cgroup) for user, cgroup in owners]


@pytest.mark.parametrize(
    ("owners", "privileged", "reported"),
    [
        ([], False, ()),
        ([(0, 7), (0, 7)], False, ()),
        ([(100, 7), (100, 8)], False, ()),
        ([(0, 7), (100, 7)], False, ()),  # BIND: root first, and then the user bind
        ([(0, 7), (100, 8)], False, (0, 100)),
        ([(0, 7), (100, 7), (100, 8)], False, (0, 100)),
        ([(0, 7), (100, 8)], True, ()),
        ([(100, 7), (101, 7)], False, (100, 101)),
        ([(100, 7), (101, 7)], True, (100, 101)),
        ([(0, 7), (100, 7), (101, 7)], True, (0, 100, 101)),
    ],
)
def test_root_and_one_other_user_are_usual_within_a_service(
    owners: list[tuple[int, int]],
    privileged: bool,  # noqa: FBT001 - a value of the case
    reported: tuple[int, ...],
) -> None:
    assert strangers(sockets(*owners), privileged=privileged) == reported
