"""Fixtures of all tests: the lab, and the DNS site with BIRD or FRR on dns1."""

from __future__ import annotations

import ctypes
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from anycast_routed.lab import Lab, eventually, reports
from tests.support import kill_points
from tests.support.configs import anycast_dns
from tests.support.dns_site import Held, Site, lay_out

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from anycast_routed.lab import Host

_CLONE_NEWNET = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)

# A test with one of these fixtures runs real daemons.
WITH_DAEMONS = frozenset({"lab", "host", "site"})


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test that runs in a lab as an integration test."""
    for item in items:
        if not WITH_DAEMONS.isdisjoint(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.integration)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attach every daemon's log and config to the report of a failed test."""
    report = yield
    if report.failed and (text := reports(getattr(item, "funcargs", {}).values())):
        report.sections.append(("lab", text))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how often anycast-routed was killed in the middle of a change."""
    reports = terminalreporter.getreports("passed")
    if died := kill_points.counted(one for one in reports if isinstance(one, pytest.TestReport)):
        terminalreporter.write_line(f"killed at {died} steps of its changes")


def _enter_network(host: Host) -> None:
    """Move only the calling thread into the host's network namespace (setns(2))."""
    with Path(f"/proc/{host.pid}/ns/net").open() as namespace:
        if _LIBC.setns(namespace.fileno(), _CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))


@pytest.fixture
def lab() -> Iterator[Lab]:
    """Lay out an empty lab, and remove it after the test."""
    with Lab() as made:
        yield made


@pytest.fixture
def dns_config() -> dict[str, Any]:
    """Return the anycast-dns config, for a test to change."""
    return anycast_dns()


@pytest.fixture
def announced() -> Held:
    """Return the routes of the anycast-dns config while the DNS server is healthy."""
    return {
        "10.10.10.10/32": (200, "172.17.2.1"),
        "10.10.10.11/32": (190, "172.17.2.1"),
        "fd00::10:10:10:10/128": (200, "fd00:17:2::1"),
    }


@pytest.fixture(params=["bird", "frr"])
def router_name(request: pytest.FixtureRequest) -> str:
    """Run each test on BIRD and on FRR; a test for one router overrides this."""
    name: str = request.param
    return name


@pytest.fixture
def site(lab: Lab, router_name: str) -> Site:
    """Lay out the DNS site; nothing has been applied yet."""
    return lay_out(lab, router_name)


@pytest.fixture
def inside() -> Callable[[Host, Callable[[], Any]], Any]:
    """Run a function in a thread of its own, inside the host's network namespace."""

    def run(host: Host, work: Callable[[], Any]) -> object:
        with ThreadPoolExecutor(1, initializer=_enter_network, initargs=(host,)) as thread:
            return thread.submit(work).result(timeout=300)

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
