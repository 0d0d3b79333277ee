"""One booted machine for all tests of a file and each router; a failure's report has its journal.

Each test begins with everything well, or with a machine that has never seen our package, and so
may run alone, or in any worker.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from anycast_routed.lab import Lab
from tests.support.machines.dns_host import DnsHost, lay_out
from tests.support.machines.package import Packages, packages

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from tests.support.dns_site import Held


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with these: they take longest, and wait for their package and their image first."""
    items.sort(key=lambda item: Path(__file__).parent not in item.path.parents)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attach the journal to the report of a failed test."""
    report = yield
    values = getattr(item, "funcargs", {}).values()
    machines = [value.machine for value in values if isinstance(value, DnsHost)]
    if report.failed:
        report.sections += [("machine", machine.report()) for machine in machines]
    return report


@pytest.fixture(scope="module", params=["bird", "frr"])
def router_name(request: pytest.FixtureRequest) -> str:
    """Either router."""
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def lab(router_name: str) -> Iterator[Lab]:  # noqa: ARG001 - another one, another lab
    """Lay out an empty lab for the file, and for each router of it."""
    with Lab() as made:
        yield made


@pytest.fixture(scope="session", name="packages")
def _packages() -> Packages:
    """Build the package of this tree, and a newer one."""
    return packages()


@pytest.fixture(scope="module")
def booted(lab: Lab, router_name: str, packages: Packages) -> Iterator[DnsHost]:
    """Boot the machine."""
    yield from lay_out(lab, router_name, packages)


@pytest.fixture
def bare(booted: DnsHost) -> DnsHost:
    """Have a host on which the package has never been."""
    booted.bare()
    return booted


@pytest.fixture
def host(booted: DnsHost, announced: Held) -> DnsHost:
    """Have the package installed, and everything announced."""
    booted.well(announced)
    return booted
