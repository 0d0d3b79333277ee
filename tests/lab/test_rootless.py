"""A lab of an ordinary user: the same code in namespaces of the user's own."""

from __future__ import annotations

import os
import sys

import pytest

from anycast_routed.lab import frr
from anycast_routed.system.commands import Completed, run
from tests.support.paths import ROOT

pytestmark = pytest.mark.integration

USER = "48512"  # no name, no groups, no home

SCRIPT = """
import os
from anycast_routed.lab import Lab, bird, dns, eventually, frr, gobgp, bgp_receiver

assert os.geteuid() == 0
with Lab() as lab:
    dns1, other, up = lab.host("dns1"), lab.host("other"), lab.host("up")
    lab.lan("lan", dns1, other, up)
    dns1.address("eth0", "172.17.2.1/24").address("lo", "10.10.10.10/32", label="lo:dns1")
    other.address("eth0", "172.17.2.2/24")
    up.address("eth0", "172.17.2.254/24").route("10.10.10.10", "via", "172.17.2.1")
    dns.unbound(dns1, address=("10.10.10.10",))
    dns.nsd(other, address=("172.17.2.2",))
    assert up.dig("@10.10.10.10", "google.com", "SOA")
    assert up.dig("@172.17.2.2", "google.com", "SOA")
    router = frr.start(dns1, "router bgp 64512\\n neighbor 172.17.2.254 remote-as 64512\\n"
        " neighbor 172.17.2.254 timers connect 1\\n"
        " address-family ipv4 unicast\\n  network 10.10.10.10/32\\n")
    peer = gobgp.start(up, 64512, "172.17.2.254", {"172.17.2.1": 64512})
    eventually(lambda: "10.10.10.10/32" in peer.rib("ipv4"), within=10)
    assert router.sessions()["172.17.2.254"].state == "established"
    router.write_memory()
    router.restart()
    assert "Daemon is up" in bird.start(other).birdc("show status")
    bgp_receiver.start(other, asn=64512, router_id="172.17.2.2", peers={})
print("all of it works")
"""


def as_user(*argv: str) -> Completed:
    """Run `argv` as an ordinary user, or as we are when we cannot be somebody else."""
    may = os.geteuid() == 0 and not frr.rootless()
    ids = ("--reuid", USER, "--regid", USER, "--clear-groups")
    package = str(ROOT)
    env = {"PYTHONPATH": package, "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}
    # setpriv itself still has root's right to execute anything; the shell does not.
    become = ("setpriv", *ids, "--", "sh", "-c", 'exec "$@"', "sh") if may else ()
    return run([*become, *argv], within=60, env=env)


@pytest.fixture(scope="module")
def python() -> str:
    """A Python that everybody may run: ours can lie in root's home. The lab needs no package."""
    works = as_user(sys.executable, "-c", "").code == 0
    return sys.executable if works else "/usr/bin/python3"


def test_all_daemons_run_in_a_lab_of_an_ordinary_user(python: str) -> None:
    done = as_user(python, "-m", "anycast_routed.lab", python, "-c", SCRIPT)
    assert (done.code, done.out) == (0, "all of it works\n"), done.err


def test_the_exit_code_is_the_commands(python: str) -> None:
    assert as_user(python, "-m", "anycast_routed.lab", "sh", "-c", "exit 7").code == 7
    assert as_user(python, "-m", "anycast_routed.lab").code == 64


def test_without_namespaces_a_lab_is_unavailable_and_says_what_to_do(python: str) -> None:
    # The limit is set in a user namespace of its own, where it is nobody else's.
    limit = "echo 0 > /proc/sys/user/max_user_namespaces"
    drop = 'exec setpriv --inh-caps=-all --bounding-set=-all -- "$@"'
    script = f"{limit} && {drop}"
    done = as_user(
        *("unshare", "--user", "--map-user", USER, "--keep-caps", "sh", "-c", script, "sh"),
        *(python, "-m", "anycast_routed.lab", "true"),
    )
    assert done.code == 69, done.err
    assert "does not allow user namespaces" in done.err
    assert "sysctl user.max_user_namespaces" in done.err
