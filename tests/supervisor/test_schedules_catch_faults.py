"""The schedules fail for a program with a fault, and pass for this one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from anycast_routed.lab import Lab
from tests.support.schedules.site import ScheduleSite
from tests.support.watched_site import BOTH_ROUTERS

if TYPE_CHECKING:
    from tests.support.schedules.model import Schedule

pytestmark = [pytest.mark.integration, BOTH_ROUTERS]

DEATH: Schedule = [(0.1, "server dead"), (0.0, "rest"), (0.1, "label dns1 gone")]


def test_a_program_that_withdraws_only_by_a_load_is_caught(router_name: str) -> None:
    with (
        Lab() as lab,
        ScheduleSite(lab, router_name, program="tests.support.late_withdrawal") as site,
        pytest.raises(AssertionError, match="withdrawn by a whole new file, not before it"),
    ):
        site.run(DEATH)


def test_this_program_withdraws_before_it_loads(router_name: str) -> None:
    with Lab() as lab, ScheduleSite(lab, router_name) as site:
        site.run(DEATH)
