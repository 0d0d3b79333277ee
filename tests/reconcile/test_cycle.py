"""The cycle that `apply` and the daemon share, judged by the peers' tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.dns_site import lay_out
from tests.support.long_apply import apply_in_progress
from tests.support.waiting import PATIENCE, eventually

if TYPE_CHECKING:
    from anycast_routed.lab import Lab
    from tests.support.dns_site import Held, Site


@pytest.mark.integration
def test_apply_withdraws_before_it_renders(site: Site, announced: Held) -> None:
    site.run("apply")
    site.both_hold(announced)
    site.server.daemon.kill()
    with apply_in_progress(site) as apply:
        site.both_hold({})
        assert apply.alive, "apply still waits for its template"
    assert apply.wait(PATIENCE) == 0
    site.both_hold({})


@pytest.mark.integration
def test_without_its_file_a_removed_label_takes_no_healthy_prefix_along(
    lab: Lab, announced: Held
) -> None:
    site = lay_out(lab, "bird")
    peer = site.recording_peer()
    site.run("apply")
    eventually(lambda: peer.table().keys() == announced.keys(), why="all are announced")
    site.router_file().unlink()
    site.dns1.ip("address", "del", "10.10.10.11/32", "dev", "lo")
    mark = peer.mark()
    site.run("apply")
    left = announced.keys() - {"10.10.10.11/32"}
    eventually(lambda: peer.table().keys() == left, why="one is withdrawn")
    assert {one.prefix for one in peer.changes(mark)} == {"10.10.10.11/32"}
