"""What else announces a prefix is an error only where the prefix should be gone."""

from ipaddress import ip_network

import pytest

from anycast_routed.decide.origins import origin_findings, still_announced
from anycast_routed.model import Code, Origin, Severity

PREFIX = ip_network("10.0.0.1/32")
SENT, WAITING = ("edge",), ()


@pytest.mark.parametrize(
    ("peers", "learned", "is_wanted", "code"),
    [
        (SENT, False, False, Code.NOT_WITHDRAWN),
        (SENT, False, True, Code.ALSO_ANNOUNCED),
        (WAITING, False, True, Code.ALSO_ANNOUNCED),
        # Ours is still sent a moment before its withdrawal.
        (WAITING, False, False, Code.ALSO_ANNOUNCED),
        (SENT, True, False, Code.ANNOUNCED_ELSEWHERE),
        (SENT, True, True, Code.ANNOUNCED_ELSEWHERE),
        (WAITING, True, True, None),
    ],
)
def test_a_path_is_judged_by_who_gets_it_and_what_is_wanted(
    peers: tuple[str, ...], *, learned: bool, is_wanted: bool, code: Code | None
) -> None:
    wanted = {PREFIX} if is_wanted else set()
    origin = Origin(PREFIX, "protocol direct lo1", peers, learned=learned, fix="do this")
    found = list(origin_findings(wanted, [origin]))
    assert [one.code for one in found] == ([code] if code else [])
    is_error = any(one.severity is Severity.ERROR for one in found)
    assert is_error == (code is Code.NOT_WITHDRAWN)
    assert bool(still_announced(wanted, [origin])) == is_error, "exit code 4 goes with the error"
    assert " to ;" not in " ".join(map(str, found))
