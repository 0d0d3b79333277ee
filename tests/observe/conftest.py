"""A host of the lab, and ways to run code of this process inside its network namespace."""

import asyncio
import ctypes
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from anycast_routed.config import Dns
from anycast_routed.lab import Host, Lab, eventually
from anycast_routed.model import CheckResult
from anycast_routed.observe.checks.dns import check
from tests.observe.checks.on_time import on_time

_CLONE_NEWNET = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)


def _enter_network(host: Host) -> None:
    """Move only the calling thread into the host's network namespace (setns(2))."""
    with Path(f"/proc/{host.pid}/ns/net").open() as namespace:
        if _LIBC.setns(namespace.fileno(), _CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))


@pytest.fixture
def host(lab: Lab) -> Host:
    return lab.host("dns1")


@pytest.fixture
def inside() -> Callable[[Host, Callable[[], Any]], Any]:
    """Run a function in a thread of its own, inside the host's network namespace."""

    def run(host: Host, work: Callable[[], Any]) -> object:
        with ThreadPoolExecutor(1, initializer=_enter_network, initargs=(host,)) as thread:
            return thread.submit(work).result(timeout=300)

    return run


@pytest.fixture
def ask(inside: Callable[[Host, Callable[[], Any]], Any]) -> Callable[..., CheckResult]:
    """Check a server from inside the host; a check that ran late is repeated."""

    def run(host: Host, **fields: object) -> CheckResult:
        question = Dns.model_validate(
            {"ip": "127.0.0.1", "query": "google.com.", "timeout": 1.0, **fields}
        )
        result = inside(host, lambda: asyncio.run(on_time(lambda: check(question))))
        assert isinstance(result, CheckResult)
        return result

    return run


@pytest.fixture
def cgroup() -> Iterator[Path]:
    """Return an empty cgroup (version 2); skip the test if this machine does not allow one."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    root = next((Path(mount[1]) for mount in mounts if mount[2] == "cgroup2"), None)
    if root is None or not os.access(root, os.W_OK):
        pytest.skip("this machine has no cgroup version 2 hierarchy that the test may change")
    made = root / f"anycast-routed-{os.getpid()}"
    made.mkdir()
    yield made
    (made / "cgroup.kill").write_text("1")
    eventually(lambda: not (made / "cgroup.procs").read_text(), within=20)
    made.rmdir()
