"""The first announcement after a start of the daemon rests on as many checks as `rise` says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.watched_site import BOTH_ROUTERS, DNS, Watched, quick

if TYPE_CHECKING:
    from tests.support.dns_site import Held

pytestmark = [pytest.mark.integration, BOTH_ROUTERS]

RISE = 4
COUNTER = f"""\
table inet count {{
  chain input {{
    type filter hook input priority 0
    ip daddr 127.0.0.1 {DNS} counter
  }}
}}
"""


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    """Return a config without a pulse, whose verdict takes longer than the first step waits."""
    made = quick()
    made["dns"] |= {"rise": RISE, "fast-interval": "300ms", "interval": "60s", "pulse": False}
    return made


def questions(watched: Watched) -> int:
    """Count the questions that the DNS server got from the checks."""
    found = re.search(r"counter packets (\d+)", watched.dns1.run("nft", "list", "ruleset").out)
    assert found
    return int(found[1])


def test_the_first_announcement_comes_after_the_checks_and_not_before(
    laid_out: Watched, announced: Held
) -> None:
    for _ in range(2):  # the second time the sessions are up
        laid_out.dns1.run("nft", "flush", "ruleset")
        laid_out.dns1.run("nft", "-f", "-", stdin=COUNTER)
        mark = laid_out.mark()
        laid_out.start_daemon()
        laid_out.holds(announced)
        # The looks at the announced addresses ask elsewhere.
        assert questions(laid_out) >= RISE
        assert {one.kind for one in laid_out.events(mark)} <= {"up", "announce"}
        laid_out.stop_daemon()
        laid_out.holds({})
