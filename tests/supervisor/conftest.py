"""One host with a daemon for all tests of a file; each test begins and ends without faults."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from anycast_routed.lab import Lab
from tests.support.watched_site import Watched, lay_out, quick

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.dns_site import Held


@pytest.fixture(scope="module")
def router_name() -> str:
    """Return the router of the file; a file may override it."""
    return "bird"


@pytest.fixture(scope="module")
def lab(router_name: str) -> Iterator[Lab]:  # noqa: ARG001 - another one, another lab
    """Lay out an empty lab for the file, and for each router of it."""
    with Lab() as made:
        yield made


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    """Return the config of the file; a file may override it."""
    return quick()


@pytest.fixture(scope="module")
def laid_out(lab: Lab, router_name: str, config: dict[str, Any]) -> Watched:
    """Lay out the host and its peer; the daemon does not run yet."""
    return lay_out(lab, router_name, config)


@pytest.fixture(scope="module")
def running(laid_out: Watched) -> Watched:
    """Start the daemon."""
    laid_out.start_daemon()
    return laid_out


@pytest.fixture
def watched(running: Watched, announced: Held) -> Iterator[Watched]:
    """Wait until everything is announced, and end all faults afterwards."""
    running.holds(announced)
    yield running
    running.end_faults()
