"""One booted machine for all tests of a module, with each router.

Each test starts with the daemon running and everything announced, or without the package, so it can
run alone and in any worker. The report of a failed test has the journal of the machine.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from anycast_routed.lab import Lab
from tests.support.machines.dns_host import DnsHost, boot_dns_host
from tests.support.machines.package import Packages, packages

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from tests.support.dns_site import Held


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run these tests first: they take longest, and wait for the package and the image."""
    items.sort(key=lambda item: Path(__file__).parent not in item.path.parents)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the journal to the report of a failed test."""
    report = yield
    values = getattr(item, "funcargs", {}).values()
    machines = [value.machine for value in values if isinstance(value, DnsHost)]
    if report.failed:
        report.sections += [("machine", machine.report()) for machine in machines]
    return report


@pytest.fixture(scope="module", params=["bird", "frr"])
def router_name(request: pytest.FixtureRequest) -> str:
    """Return the router: each test runs with BIRD and with FRR, unless it names one."""
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def lab(router_name: str) -> Iterator[Lab]:  # noqa: ARG001 - each router gets its own lab
    """Create an empty lab for the module and each of its routers."""
    with Lab() as made:
        yield made


@pytest.fixture(scope="session", name="packages")
def _packages() -> Packages:
    """Build the package of this tree, and a newer version of it."""
    return packages()


@pytest.fixture(scope="module")
def booted(lab: Lab, router_name: str, packages: Packages) -> Iterator[DnsHost]:
    """Boot the machine."""
    yield from boot_dns_host(lab, router_name, packages)


@pytest.fixture
def host_without_package(booted: DnsHost) -> DnsHost:
    """Return the host without the package."""
    booted.ensure_not_installed()
    return booted


@pytest.fixture
def host(booted: DnsHost, announced: Held) -> DnsHost:
    """Return the host with the package installed, the daemon running, everything announced."""
    booted.restore(announced)
    return booted
