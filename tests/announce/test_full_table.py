"""With a large table, each pass asks for the prefixes one by one: no question walks the table."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from bench import faults
from bench.daemon_site import PEER, Setting
from bench.full_table_site import FEEDER, FullTableSite
from tests.support import program_runs
from tests.support.waiting import PATIENCE, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anycast_routed.lab import Daemon
    from bench.daemon_site import Router

pytestmark = pytest.mark.integration

VIP = "10.10.10.10/32"
ROUTES = 20_000
_RECORDER, _RECORD = "/run/vtysh-recorder", "/run/vtysh-record"
_SCRIPT = f"""\
#!/bin/sh
printf '%s\\n' "$@" >> {_RECORD}
exec vtysh "$@"
"""
# A listing names no prefix, but tables or a session. The table for IPv6 is small.
_WALKS = {
    "bird": re.compile(r"show route (?!\S+/\d+ ).*"),
    "frr": re.compile(r"show bgp ipv4 .*(?:advertised-routes|route-map).*"),
}
_PASS = {"bird": "show protocols all", "frr": "show bgp summary json"}


class RecordedSite(FullTableSite):
    """A site that records every command that the router is asked."""

    bird_options = "debug commands 2;\n"
    killed: faults.Killed

    def start_router(self) -> Daemon:
        """Put the recorder of vtysh into the host, too."""
        self.host.write(_RECORDER, _SCRIPT, mode=0o755)
        self.host.write(_RECORD, "")
        return super().start_router()

    def asked(self) -> list[str]:
        """Return the commands so far."""
        if self.setting.router == "frr":
            return self.host.read(_RECORD).splitlines()
        return re.findall(r"CLI: (.*)", self.router.log())


@pytest.fixture
def full(router_name: Router) -> Iterator[RecordedSite]:
    """Run the daemon on a host whose router has a large table and eight sessions."""
    vtysh = {"vtysh": _RECORDER} if router_name == "frr" else {}
    with RecordedSite(Setting(router_name), ROUTES, **vtysh) as site:
        site.killed = faults.Killed(faults.unbound(site.host))
        site.wait_for_table()
        site.start()
        yield site


def passes(site: RecordedSite, mark: int) -> None:
    """Wait until the daemon has read the router back a few times since."""
    eventually(lambda: site.asked()[mark:].count(_PASS[site.setting.router]) > 1)


@pytest.mark.parametrize("router_name", ["bird", "frr"], indirect=True)
def test_no_question_walks_a_large_table(full: RecordedSite) -> None:
    walks = _WALKS[full.setting.router]
    passes(full, len(full.asked()))
    full.killed.cause()
    full.peer.wait(0, within=60)
    full.killed.clear()
    full.peer.wait(3, within=60)
    passes(full, len(full.asked()))
    assert any(VIP in one for one in full.asked()), "it asked for the prefix"
    assert [one for one in full.asked() if walks.fullmatch(one)] == []

    shown = json.loads(program_runs.run(full.host, "--json", "status", within=PATIENCE).out)
    exported = {
        peer: {one["prefix"] for one in routes} for peer, routes in shown["exported"].items()
    }
    assert len(exported) == 9, "the feeder too"
    assert all(VIP in prefixes for peer, prefixes in exported.items() if peer != FEEDER)
    assert PEER in exported


@pytest.mark.parametrize("router_name", ["frr"], indirect=True)
def test_an_aggregate_that_covers_a_prefix_is_seen_without_a_listing(full: RecordedSite) -> None:
    lines = ("router bgp 64512", "address-family ipv4 unicast")
    aggregate = "aggregate-address 10.10.10.0/24 summary-only"
    full.host.run("vtysh", *(f"-c{one}" for one in ("configure terminal", *lines, aggregate)))

    def explained() -> str:
        return program_runs.run(full.host, "explain", VIP, check=False, within=PATIENCE).out

    eventually(lambda: "an aggregate covers it" in explained())
    assert [one for one in full.asked() if _WALKS["frr"].fullmatch(one)] == []
