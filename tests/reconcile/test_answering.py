"""An announced address that nobody answers is told by each verb and by the daemon's log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from anycast_routed.lab import dns
from anycast_routed.reconcile.answering import look
from tests.support import desired
from tests.support.configs import anycast_dns, config_of
from tests.support.dns_site import ADDRESSES, Site, lay_out
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from anycast_routed.lab import Lab

pytestmark = [pytest.mark.integration, pytest.mark.fault(46)]

SIX = "fd00::10:10:10:10"
_VIPS = tuple(one.partition("/")[0] for one in ADDRESSES)


def begin(lab: Lab, router_name: str, *listens: str) -> Site:
    """Lay out a site whose server listens on 127.0.0.1 and on these addresses."""
    site = lay_out(lab, router_name)
    site.server.daemon.kill()
    site.server = dns.unbound(site.dns1, zones={"google.com.": ()}, address=("127.0.0.1", *listens))
    return site


def told(site: Site, *verb: str) -> list[str]:
    """Return the lines of a verb about addresses that nobody answers."""
    done = site.run(*verb, check=False)
    lines = f"{done.out}{done.err}".splitlines()
    return [one for one in lines if "[AR025]" in one or "[AR026]" in one]


@pytest.mark.parametrize("router_name", ["bird", "frr"])
def test_a_server_that_listens_on_localhost_alone_is_told_by_each_verb(
    lab: Lab, router_name: str
) -> None:
    site = begin(lab, router_name)
    for verb in ("validate", "plan", "apply", "status"):
        lines = told(site, verb)
        assert len(lines) == 3, (verb, lines)
        assert all("10.10.10.1" in one or SIX in one for one in lines), lines
        assert all("nothing answers DNS on the address" in one for one in lines), lines
    assert all(site.tables()), "it is announced all the same"


def test_the_daemon_reports_it_and_its_end(lab: Lab) -> None:
    site = begin(lab, "bird", *_VIPS)
    daemon = site.daemon()
    eventually(lambda: "[AR026]" in "\n".join(told(site, "status")), why="the status tells it")
    (line,) = told(site, "status")
    assert SIX in line
    eventually(lambda: "AR026" in daemon.log(), why="the log tells it")
    site.server.daemon.kill()
    site.server = dns.unbound(
        site.dns1, zones={"google.com.": ()}, address=("127.0.0.1", *_VIPS, SIX)
    )
    eventually(lambda: told(site, "status") == [], why="all are answered")
    eventually(lambda: "finding is over" in daemon.log(), why="the log tells its end")
    daemon.terminate()


def test_a_refusal_is_an_answer(lab: Lab) -> None:
    site = lay_out(lab, "bird")
    site.server.daemon.kill()
    site.server = dns.unbound(
        site.dns1,
        zones={"google.com.": ()},
        address=("127.0.0.1", *_VIPS, SIX),
        extra="server:\n  access-control: 10.0.0.0/8 refuse\n  access-control: fd00::/8 refuse",
    )
    site.run("apply")
    assert told(site, "status") == []


def begin_denying(lab: Lab, *denied: str) -> Site:
    """Lay out a site whose server drops the questions of these networks, but not of the edge."""
    site = lay_out(lab, "bird")
    site.server.daemon.kill()
    site.server = dns.unbound(
        site.dns1,
        zones={"google.com.": ()},
        address=("127.0.0.1", "172.17.2.1", *_VIPS, SIX),
        extra="server:\n" + "".join(f"  access-control: {one} deny\n" for one in denied),
    )
    site.edge.host.ip("route", "add", "10.10.10.0/24", "via", "172.17.2.1")
    eventually(
        lambda: site.edge.host.dig("@10.10.10.10", "google.com", "SOA"), why="a client is answered"
    )
    return site


def test_a_server_that_ignores_the_announced_addresses_is_asked_from_localhost(lab: Lab) -> None:
    site = begin_denying(lab, "10.10.10.0/24", f"{SIX}/128")
    for verb in ("apply", "status", "validate"):
        assert told(site, verb) == [], verb


def test_silence_is_told_without_the_claim_that_nothing_listens(
    lab: Lab, dns_config: dict[str, Any]
) -> None:
    """A server that ignores this host only may answer every client."""
    dns_config["dns"]["ip"] = "172.17.2.1"
    site = begin_denying(lab, "10.10.10.10/32", "127.0.0.0/8")
    site.configure(dns_config)
    for verb in ("apply", "status", "validate"):
        (line,) = told(site, verb)
        assert "10.10.10.10/32" in line
        assert "a question from this host got no answer: no reply within 1 s" in line
        assert "may be set to ignore this host" in line
        assert "listen" not in line, "no advice for a server that may listen"


def test_an_address_that_is_not_on_this_host_is_told_and_not_asked(
    lab: Lab, dns_config: dict[str, Any]
) -> None:
    site = lay_out(lab, "bird")
    site.dns1.remove_address("lo", f"{SIX}/128")
    site.run("apply")
    (line,) = told(site, "status")
    assert f"{SIX}/128" in line
    assert "[AR025]" in line
    many = [{"label": f"r{n}", "ip": f"10.20.0.{n}/32"} for n in range(1, 9)]
    dns_config["anycast"]["routes"] = many
    site.configure(dns_config)
    (line,) = told(site, "apply")
    assert "10.20.0.1/32 and 7 more" in line


def test_a_plan_of_services_that_a_newer_config_lacks_is_no_error() -> None:
    plan = desired.plan(desired.announcement("127.0.0.1/32", service="gone"))
    assert look(config_of(anycast_dns()), plan) == ()
