"""A lab of an ordinary user, in a user namespace."""

from __future__ import annotations

import sys

import pytest

from anycast_routed.system.commands import Completed, run
from tests.support.ordinary_user import (
    AS_REAL_USER,
    ENV,
    WITHOUT_USER_NAMESPACES,
    can_change_user,
)

pytestmark = pytest.mark.integration

SCRIPT = """
import os
from anycast_routed.lab import Lab, bird, dns, eventually, frr, gobgp, bgp_receiver

assert os.geteuid() == 0
with Lab() as lab:
    dns1, other, upstream = lab.host("dns1"), lab.host("other"), lab.host("upstream")
    lab.lan("lan", dns1, other, upstream)
    dns1.address("eth0", "172.17.2.1/24").address("lo", "10.10.10.10/32", label="lo:dns1")
    other.address("eth0", "172.17.2.2/24")
    upstream.address("eth0", "172.17.2.254/24").route("10.10.10.10", "via", "172.17.2.1")
    dns.unbound(dns1, address=("10.10.10.10",))
    dns.nsd(other, address=("172.17.2.2",))
    for server in ("@10.10.10.10", "@172.17.2.2"):
        eventually(lambda: upstream.dig(server, "google.com", "SOA"), within=20)
    router = frr.start(dns1, "router bgp 64512\\n neighbor 172.17.2.254 remote-as 64512\\n"
        " neighbor 172.17.2.254 timers connect 1\\n"
        " address-family ipv4 unicast\\n  network 10.10.10.10/32\\n")
    peer = gobgp.start(upstream, 64512, "172.17.2.254", {"172.17.2.1": 64512})
    eventually(lambda: "10.10.10.10/32" in peer.rib("ipv4"), within=30)
    assert router.sessions()["172.17.2.254"].state == "established"
    router.write_memory()
    router.restart()
    assert "Daemon is up" in bird.start(other).birdc("show status")
    bgp_receiver.start(other, asn=64512, router_id="172.17.2.2", peers={})
print("every daemon works")
"""


def as_user(*argv: str) -> Completed:
    """Run `argv` as an ordinary user, or unchanged if the tests cannot change the user."""
    become = AS_REAL_USER if can_change_user() else ()
    return run([*become, *argv], within=180, env=ENV)


@pytest.fixture(scope="module")
def python() -> str:
    """A Python that every user can run: that of the tests may lie in the home directory of root.

    The lab needs only the standard library.
    """
    works = as_user(sys.executable, "-c", "").code == 0
    return sys.executable if works else "/usr/bin/python3"


def test_all_daemons_run_in_a_lab_of_an_ordinary_user(python: str) -> None:
    done = as_user(python, "-m", "anycast_routed.lab", python, "-c", SCRIPT)
    assert (done.code, done.out) == (0, "every daemon works\n"), done.err


def test_the_exit_code_is_that_of_the_command(python: str) -> None:
    assert as_user(python, "-m", "anycast_routed.lab", "sh", "-c", "exit 7").code == 7
    assert as_user(python, "-m", "anycast_routed.lab").code == 64


def test_without_user_namespaces_the_error_names_the_settings_to_change(python: str) -> None:
    done = as_user(*WITHOUT_USER_NAMESPACES, python, "-m", "anycast_routed.lab", "true")
    assert done.code == 69, done.err
    assert "does not allow user namespaces" in done.err
    assert "sysctl user.max_user_namespaces" in done.err
