"""When a lab ends, in any way, nothing of the lab is left on the machine."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess  # noqa: TID251 - the test kills the running process that made a lab
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from anycast_routed.lab import Host, Lab, bgp_receiver, bird, dns, eventually, frr, gobgp
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.integration

KINDS = ("net", "mnt", "pid", "uts")

OWNER = """
import sys
from anycast_routed.lab import Lab, bird, dns
with Lab() as lab:
    one, other = lab.host("one"), lab.host("other")
    lab.lan("lan", one, other)
    one.address("lo", "192.0.2.1/32")
    bird.start(one).daemon.pause()
    dns.nsd(other).daemon.pause(whole=True)
    other.start("sleep", "1000")
    print(one.pid, other.pid, flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def namespaces(pids: list[int]) -> Iterator[set[str]]:
    """Yield the namespaces of a lab's hosts, without those of this process.

    The namespaces stay open until the end. Else the kernel may give the number of a closed
    namespace to a new one of another test.
    """
    with contextlib.ExitStack() as kept_open:
        for pid in pids:
            for kind in KINDS:
                kept_open.enter_context(Path(f"/proc/{pid}/ns/{kind}").open())
        yield names(pids) - names([os.getpid()])


def names(pids: list[int]) -> set[str]:
    return {str(Path(f"/proc/{pid}/ns/{kind}").readlink()) for pid in pids for kind in KINDS}


def processes_in(wanted: set[str]) -> set[int]:
    """Return the PIDs of the processes in one of these namespaces."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        for kind in KINDS:
            with contextlib.suppress(OSError):
                if str((process / "ns" / kind).readlink()) in wanted:
                    found.add(int(process.name))
    return found


def mounts() -> str:
    return Path("/proc/self/mountinfo").read_text()


def interfaces() -> set[str]:
    return {path.name for path in Path("/sys/class/net").iterdir()}


def temporary() -> set[str]:
    return {path.name for path in Path(tempfile.gettempdir()).glob("*anycast*lab*")}


def test_a_closed_lab_with_every_daemon_leaves_nothing() -> None:
    before = mounts(), interfaces(), temporary()
    with Lab() as lab:
        hosts: list[Host] = [lab.host(name) for name in ("one", "two", "three")]
        lab.lan("lan", *hosts)
        one, two, three = hosts
        one.address("lo", "192.0.2.1/32")
        bird.start(one)
        bgp_receiver.start(one, asn=1, router_id="192.0.2.1", peers={})
        frr.start(two)
        dns.unbound(two)
        gobgp.start(three, 1, "192.0.2.3", {})
        dns.nsd(three).daemon.pause(whole=True)
        with namespaces([host.pid for host in hosts]) as of_the_lab:
            assert len(of_the_lab) == len(hosts) * len(KINDS)
            assert len(processes_in(of_the_lab)) > 10
            assert (mounts(), interfaces(), temporary()) == before
            lab.close()
            eventually(lambda: not processes_in(of_the_lab), within=60)
    assert (mounts(), interfaces(), temporary()) == before


def test_a_lab_whose_process_is_killed_leaves_nothing() -> None:
    before = mounts(), interfaces(), temporary()
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    with owner:
        assert owner.stdout is not None
        pids = [int(word) for word in owner.stdout.readline().split()]
        with namespaces(pids) as of_the_lab:
            assert len(of_the_lab) == len(pids) * len(KINDS)
            assert len(processes_in(of_the_lab)) > 8
            owner.send_signal(signal.SIGKILL)
            owner.wait(20)
            eventually(lambda: not processes_in(of_the_lab), within=20)
    assert (mounts(), interfaces(), temporary()) == before


def test_a_lab_can_be_closed_twice() -> None:
    lab = Lab()
    lab.host("one")
    lab.close()
    lab.close()
