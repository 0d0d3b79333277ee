"""What every test shares: the lab, and the seed's own site with either router on dns1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from anycast_routed.lab import Lab, reports
from tests.support import kill_points
from tests.support.dns_site import Held, Site, lay_out, seed

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator


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
    """Say how often our program was killed in the middle of a change."""
    reports = terminalreporter.getreports("passed")
    if died := kill_points.counted(one for one in reports if isinstance(one, pytest.TestReport)):
        terminalreporter.write_line(f"killed at {died} steps of its changes")


@pytest.fixture
def lab() -> Iterator[Lab]:
    """Lay out an empty lab; all of it is gone when the test ends."""
    with Lab() as made:
        yield made


@pytest.fixture(name="seed")
def _seed() -> dict[str, Any]:
    return seed()


@pytest.fixture
def announced() -> Held:
    """What the seed's config announces while the DNS server is healthy."""
    return {
        "10.10.10.10/32": (200, "172.17.2.1"),
        "10.10.10.11/32": (190, "172.17.2.1"),
        "fd00::10:10:10:10/128": (200, "fd00:17:2::1"),
    }


@pytest.fixture(params=["bird", "frr"])
def router_name(request: pytest.FixtureRequest) -> str:
    """Either router; a test that names one parametrizes this away."""
    name: str = request.param
    return name


@pytest.fixture
def site(lab: Lab, router_name: str) -> Site:
    """Lay out the seed's site; nothing has been applied yet."""
    return lay_out(lab, router_name)
