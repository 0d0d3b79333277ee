"""The anycast-dns config unchanged, on BIRD and on FRR, judged by the peers' tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from anycast_routed.lab.frr import Frr
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from anycast_routed.lab.bgp_receiver import Event, Receiver
    from tests.support.dns_site import Held, Site

pytestmark = pytest.mark.integration


def test_announced_withdrawn_and_announced_again(site: Site, announced: Held) -> None:
    first = site.document("apply")
    assert first["changed"]
    site.both_hold(announced)
    up_since = {ip: session.established_at for ip, session in site.gobgp.sessions().items()}

    again = site.document("apply")
    assert not again["changed"]
    assert again["changes"] == []

    site.server.daemon.kill()
    down = site.document("apply")
    assert {c["prefix"]: c["kind"] for c in down["changes"]} == dict.fromkeys(
        announced, "withdrawn"
    )
    site.both_hold({})

    site.server.restart()
    site.run("apply")
    site.both_hold(announced)
    sessions = site.gobgp.sessions()
    assert {ip: session.established_at for ip, session in sessions.items()} == up_since


def all_announced(site: Site, listener: Receiver, announced: Held) -> None:
    """Wait until all is announced, on FRR twice: it sends all again after a new route-map."""
    times = 2 if site.router_name == "frr" else 1
    eventually(
        lambda: [e.kind for e in listener.events()].count("announce") == times * len(announced),
        why="announced",
    )


def changes(events: list[Event]) -> list[tuple[str, str]]:
    """Return what was announced and withdrawn, in order."""
    return [(e.kind, e.prefix) for e in events if e.kind in {"announce", "withdraw", "up", "down"}]


def test_each_prefix_is_withdrawn_exactly_once_and_nothing_else_is_sent(
    site: Site, announced: Held
) -> None:
    listener = site.recording_peer()
    site.run("apply")
    all_announced(site, listener, announced)
    mark = listener.mark()
    site.server.daemon.kill()
    site.run("apply")
    eventually(lambda: not listener.table(), why="withdrawn")
    site.run("apply")
    assert sorted(changes(listener.since(mark))) == sorted(("withdraw", p) for p in announced)


def test_a_changed_local_pref_is_one_update_for_that_one_route(
    site: Site, announced: Held, dns_config: dict[str, Any]
) -> None:
    listener = site.recording_peer()
    if isinstance(site.router, Frr):
        # FRR's own timer applies a changed route-map only after ten minutes.
        site.router.configure("bgp route-map delay-timer 600")
    site.run("apply")
    eventually(lambda: listener.table().keys() == announced.keys(), why="announced")
    mark = listener.mark()
    dns_config["anycast"]["routes"][0]["localpref"] = 150
    site.configure(dns_config)
    site.run("apply")
    eventually(lambda: changes(listener.since(mark)), why="an UPDATE before FRR's timer")
    assert changes(listener.since(mark)) == [("announce", "fd00::10:10:10:10/128")]
    assert listener.table()["fd00::10:10:10:10/128"].local_pref == 150


def test_a_label_added_and_removed(site: Site, announced: Held) -> None:
    site.run("apply")
    site.both_hold(announced)
    site.dns1.address("lo", "10.10.10.12/32", label="lo:dns3")
    site.run("apply")
    site.both_hold({**announced, "10.10.10.12/32": (180, "172.17.2.1")})
    site.dns1.remove_address("lo", "10.10.10.12/32")
    site.run("apply")
    site.both_hold(announced)
