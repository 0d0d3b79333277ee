"""A DNS server in another network namespace: only the checks judge it, and that is said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from anycast_routed.lab import dns
from tests.support.watched_site import PEER, Watched, quick

if TYPE_CHECKING:
    from anycast_routed.lab import Lab
    from tests.support.dns_site import Held

pytestmark = [pytest.mark.integration, pytest.mark.fault(48)]

NOTE = f"the DNS server {PEER} is not on this host"


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    """Return a config whose server is in the network namespace of the peer."""
    config = quick()
    config["dns"]["ip"] = PEER
    return config


@pytest.fixture(scope="module")
def running(lab: Lab, laid_out: Watched) -> Watched:
    """Start the server in the other network namespace, and the daemon."""
    laid_out.server.daemon.kill()
    laid_out.server = dns.unbound(lab.hosts["peer"], zones={"google.com.": ()}, address=(PEER,))
    laid_out.start_daemon()
    return laid_out


def test_status_says_that_no_pulse_runs_and_the_checks_decide(
    watched: Watched, announced: Held
) -> None:
    (note,) = (one for one in watched.document("status")["findings"] if one["code"] == "AR032")
    assert (note["severity"], note["about"]) == ("note", "service dns")
    assert note["detail"].startswith(NOTE)
    shown = [one for one in watched.run("status").out.splitlines() if "AR032" in one]
    assert len(shown) == 1, shown
    assert "AR032" in {one.code for one in watched.status().findings}
    assert watched.status().senses == {}
    watched.server.daemon.kill()
    watched.holds({})
    watched.server.restart()
    watched.holds(announced)


def test_without_a_daemon_there_is_no_pulse_to_speak_of(watched: Watched) -> None:
    watched.stop_daemon()
    assert "AR032" not in watched.run("status").out
    watched.run("apply")
    watched.start_daemon()
