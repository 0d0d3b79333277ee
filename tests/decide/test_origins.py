"""What else announces a prefix is an error only where the prefix should be gone."""

from ipaddress import ip_network

import pytest

from anycast_routed.decide.origins import Wanted, origin_findings, still_announced, wanted
from anycast_routed.model import Code, Origin, Plan, Reason, Severity, Withheld

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
    planned = Wanted(frozenset([PREFIX]) if is_wanted else frozenset())
    origin = Origin(PREFIX, "protocol direct lo1", peers, learned=learned, fix="do this")
    found = list(origin_findings(planned, [origin]))
    assert [one.code for one in found] == ([code] if code else [])
    is_error = any(one.severity is Severity.ERROR for one in found)
    assert is_error == (code is Code.NOT_WITHDRAWN)
    assert bool(still_announced(planned, [origin])) == is_error, "exit code 4 goes with the error"
    assert " to ;" not in " ".join(map(str, found))


_IN_USE = (
    Reason.INTERFACE_MISSING,
    Reason.NO_NEXT_HOP,
    Reason.LOCAL_PREF_UNDERFLOW,
    Reason.BAD_LABEL,
    Reason.NOT_USABLE,
    Reason.BLACKHOLE,
)
_OUT_OF_USE = (Reason.SERVICE_DOWN, Reason.SERVICE_UNDECIDED, Reason.DRAINED, Reason.DAMPED)


def withholding(*reasons: Reason) -> Plan:
    """Return a plan in which candidates of one prefix are withheld for these reasons."""
    withheld = tuple(Withheld(PREFIX, "dns", "lo:dns1", why, "") for why in reasons)
    return Plan(services=("dns",), sessions=None, announcements=(), withheld=withheld)


@pytest.mark.parametrize("reason", Reason)
def test_only_what_is_out_of_use_should_be_gone(reason: Reason) -> None:
    others = {Reason.DUPLICATE: (Reason.SERVICE_DOWN, reason)}
    planned = wanted(withholding(*others.get(reason, (reason,))))
    is_wanted = reason in _IN_USE
    assert (PREFIX in planned) == is_wanted
    origin = Origin(PREFIX, "protocol direct lo1", SENT, fix="do this")
    (found,) = origin_findings(planned, [origin])
    assert found.code is (Code.ALSO_ANNOUNCED if is_wanted else Code.NOT_WITHDRAWN)
    assert bool(still_announced(planned, [origin])) != is_wanted
    # The other path alone keeps the address of a healthy server reachable.
    assert ("not before anycast-routed announces it" in found.fix) == is_wanted


@pytest.mark.parametrize("down", _OUT_OF_USE)
def test_the_candidate_that_has_the_prefix_decides(down: Reason) -> None:
    assert PREFIX in wanted(withholding(Reason.BLACKHOLE, down)), "the one that is down has it not"
    assert PREFIX not in wanted(withholding(down, Reason.DUPLICATE))
    assert PREFIX not in wanted(withholding(down, Reason.BAD_LABEL))
