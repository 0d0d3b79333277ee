"""The cycle that `apply` and the daemon share, judged by the peers' tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.long_apply import apply_in_progress
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
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
