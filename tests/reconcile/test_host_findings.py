"""Two users on the address and port of one DNS server: who answers, and what is reported."""

from __future__ import annotations

import dataclasses
import re
import socket
import sys
from ipaddress import IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from anycast_routed.lab import dns, dns_config
from anycast_routed.lab.programs import find
from anycast_routed.model import Observed, Verdict
from anycast_routed.observe.sock_diag import Listener, Listeners
from anycast_routed.reconcile import socket_users
from anycast_routed.reconcile.host_findings import of_sockets
from anycast_routed.reconcile.socket_users import Owner, by_owners, finding, strangers
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
ANYCAST: Final = "10.10.10.10"
ANY: Final = "0.0.0.0"  # noqa: S104 - a listener of the lab
ANSWERS: Final = "192.0.2.53"
"""What the thief answers to `who.`; the server does not know this name."""
SOCKET = Listener(
    IPv4Address("127.0.0.1"),
    PORT,
    inode=1,
    v6only=False,
    cgroup=7,
    waiting=0,
    drops=0,
    user=0,
    device=0,
)

THIEVING: Final = f"""
import socket, sys
address, port, device = sys.argv[1:]
family = socket.AF_INET6 if ":" in address else socket.AF_INET
with socket.socket(family, socket.SOCK_DGRAM) as thief:
    thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    thief.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
    if family == socket.AF_INET:
        thief.setsockopt(socket.IPPROTO_IP, 8, 1)  # IP_PKTINFO
    thief.bind((address, int(port)))
    while True:
        query, where, _, client = thief.recvmsg(512, 64)
        question = query[12 : query.index(0, 12) + 5]
        head = query[:2] + bytes.fromhex("84000001000100000000")
        answer = bytes.fromhex("c00c00010001000000000004")
        # From the address to which the query went.
        reply = head + question + answer + socket.inet_aton("{ANSWERS}")
        thief.sendmsg([reply], where, 0, client)
"""
"""A DNS server that answers every question with one address."""

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


def unbound_as(
    host: Host, user: int, *addresses: str, identity: str = "", port: int = PORT
) -> Daemon:
    """Start an unbound of this user, over UDP only: nobody can share a TCP port."""
    zones = {"google.com.": ()}
    text = dns_config.unbound(
        zones,
        addresses or ["127.0.0.1"],
        port=port,
        threads=1,
        identity=identity,
        control="/run/none",
    )
    text = text.replace("control-enable: yes", "control-enable: no")
    text = text.replace("server:", "server:\n  do-tcp: no\n  ip-transparent: no", 1)
    conf = f"/etc/unbound/{user}.conf"
    host.write(conf, text.replace("ip-freebind: yes", "ip-freebind: no"))
    become = ("setpriv", "--reuid", str(user), "--regid", str(user), "--clear-groups")
    return host.start(*become, find("unbound"), "-d", "-p", "-c", conf, name=f"unbound-{user}")


def who_answers(site: Site, address: str = "127.0.0.1", port: int = PORT) -> str:
    """Ask for the name that only the thief knows."""
    return site.dns1.dig(f"@{address}", "-p", str(port), "who.", "A")


def thief_at(host: Host, port: int, address: str, device: str) -> Daemon:
    """Start a thief on this address, for packets that come in on this interface (if named)."""
    host.write("/tmp/thief.py", THIEVING)  # noqa: S108 - a file of the lab
    become = ("setpriv", "--reuid", str(THIEF), "--regid", str(THIEF), "--clear-groups")
    program = (sys.executable, "-I", "/tmp/thief.py", address, str(port), device)  # noqa: S108
    return host.start(*become, *program, name="thief")


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
    unbound_as(high.dns1, SERVER, address)
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
@pytest.mark.parametrize(
    ("thief", "device", "port"),
    [(ANYCAST, "", PORT), (ANYCAST, "", 53), ("::ffff:10.10.10.10", "", PORT), (ANY, "eth0", PORT)],
    ids=["the address", "port 53", "IPv4-mapped", "the interface"],
)
def test_a_second_user_who_takes_the_queries_to_an_announced_address_is_reported(
    high: Site, dns_config: dict[str, Any], thief: str, device: str, port: int
) -> None:
    """The check asks at 127.0.0.1, and goes on passing."""
    high.dns1.run("sysctl", "-qw", "net.ipv4.ip_unprivileged_port_start=0")
    dns_config["dns"]["port"] = port
    high.configure(dns_config)
    unbound_as(high.dns1, SERVER, ANY, port=port)
    eventually(lambda: high.dns1.listens(port, protocol="udp"), why="the server listens")
    daemon, client = high.daemon(), high.edge.host
    high.status_has(Verdict.UP)
    eventually(lambda: "via 172.17.2.1 " in client.ip("route", "get", ANYCAST), why="a route")
    assert found(high) == []
    stolen = thief_at(high.dns1, port, thief, device)
    ask = (f"@{ANYCAST}", "-p", str(port), "who.", "A")
    eventually(lambda: client.dig(*ask) == ANSWERS, why="the thief answers the client")
    (detail,) = eventually(lambda: found(high))
    assert f"(UID {SERVER}) and of another user (UID {THIEF})" in detail
    assert f"are bound to {ANYCAST} port {port}: each of them may answer" in detail
    eventually(
        lambda: any(one.code == "AR034" for one in high.status().findings),
        why="the status file has it",
    )
    eventually(lambda: f"are bound to {ANYCAST}" in daemon.log(), why="it is logged")
    high.status_has(Verdict.UP)
    stolen.terminate(PATIENCE)
    assert found(high) == []
    eventually(lambda: "finding is over" in daemon.log(), why="the log says that it is over")


@integration
@needs_users
@pytest.mark.fault(49)
def test_clients_who_reach_another_users_server_than_the_checks_do_are_reported(high: Site) -> None:
    """Each address has one user only, but not the same one."""
    unbound_as(high.dns1, SERVER, "127.0.0.1", "10.10.10.11", "fd00::10:10:10:10")
    unbound_as(high.dns1, THIEF, ANYCAST, identity=ANSWERS)
    eventually(lambda: who_answers(high, ANYCAST) == ANSWERS, why="the thief answers")
    eventually(lambda: high.run("-q", "check", check=False).code == 0, why="the server answers")
    high.run("apply")
    (detail,) = found(high)
    assert f"(UID {SERVER}) get the checks at 127.0.0.1 port {PORT}" in detail
    assert f"(UID {THIEF}) the queries to {ANYCAST} port {PORT}" in detail


@integration
@needs_users
def test_a_server_with_a_socket_for_each_address_is_one_server(high: Site) -> None:
    unbound_as(high.dns1, SERVER, "127.0.0.1", ANYCAST, "10.10.10.11", "fd00::10:10:10:10")
    eventually(lambda: high.run("-q", "check", check=False).code == 0, why="the server answers")
    high.run("apply")
    assert "10.10.10.10/32" in high.document("status", check=False)["originated"][0]["prefix"]
    assert found(high) == []


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
            in_vrf = of_sockets(config, observed, ())
            server.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"")
            return [
                [str(one) for one in found] for found in (in_vrf, of_sockets(config, observed, ()))
            ]

    (named,), nothing = inside(host, look)
    assert "the sockets on port 53 are bound to red in VRF red" in named
    assert not nothing


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
    assert strangers([Owner(*one) for one in owners], privileged=privileged) == reported


SERVICE: Final = config_of(anycast_dns()).services[0]
ONE, TWO, ROOTS = Owner(100, 7), Owner(101, 8), Owner(0, 7)


@pytest.mark.parametrize(
    ("checked", "reached", "privileged", "said"),
    [
        ([ONE], [ONE], False, ""),
        ([ONE], [], False, ""),
        ([], [ONE], False, ""),
        ([ONE], [ONE, TWO], False, "of 100 and of 101 are bound to 10.0.0.0"),
        ([ONE], [TWO], False, "of 100 get the checks"),
        ([ONE], [TWO], True, "of 100 get the checks"),
        ([ROOTS], [ONE], True, ""),  # BIND: the user bind opens what an address needs later
        ([ROOTS], [TWO], True, "of 0 get the checks"),
        ([ROOTS, ONE], [TWO], True, "of 0 and of 100 get the checks"),
        ([ROOTS, ONE], [ROOTS, TWO], True, "of 0 and of 100 get the checks"),
        ([ONE, TWO], [ONE], True, "of 100 and of 101 are bound to 127.0.0.1"),
    ],
)
def test_the_clients_reach_the_server_that_is_checked(
    monkeypatch: pytest.MonkeyPatch,
    checked: list[Owner],
    reached: list[Owner],
    privileged: bool,  # noqa: FBT001 - a value of the case
    said: str,
) -> None:
    monkeypatch.setattr(socket_users, "local_name", str)
    at = {frozenset(reached): [IPv4Address(0x0A000000)]}
    made = finding(SERVICE, frozenset(checked), at, privileged=privileged)
    detail = re.sub(r" \(UID \d+\)", "", made.detail) if made else ""
    assert said in detail
    assert bool(said) is bool(detail)


def test_what_is_wrong_at_many_addresses_is_one_finding_and_little_work() -> None:
    """The sockets on all addresses are judged once, however many addresses are announced."""
    addresses = [IPv4Address(0x0A000000 + number) for number in range(10_000)]
    wide = dataclasses.replace(SOCKET, address=IPv4Address(0), user=100)
    thieves = [dataclasses.replace(SOCKET, address=one, user=101) for one in addresses[5:8]]
    judged: list[Listener] = []

    def counts(one: Listener) -> bool:
        judged.append(one)
        return True

    grouped = by_owners(addresses, [Listeners([wide, *thieves]), Listeners([wide])], counts)
    assert len(judged) == len([wide, *thieves, wide])
    assert sorted(len(those) for those in grouped.values()) == [3, 9997]
    made = finding(SERVICE, frozenset({Owner(100, 7)}), grouped, privileged=False)
    assert made is not None
    assert "10.0.0.5 port 53" in made.detail
    assert made.detail.endswith("(likewise at 2 more announced addresses)")
