"""What every test shares: the lab's logs and configs in the report of a failure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from anycast_routed.lab import Lab, reports

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


@pytest.fixture
def lab() -> Iterator[Lab]:
    """Lay out an empty lab; all of it is gone when the test ends."""
    with Lab() as made:
        yield made
