"""Which findings the daemon logs, and when."""

from __future__ import annotations

import io

from anycast_routed.model import Code, Finding
from anycast_routed.report.log import Log
from anycast_routed.supervisor.lasting_findings import LastingFindings


def down(error: str) -> Finding:
    """Return the finding for a session that is down with this last error."""
    return Finding(Code.SESSION_DOWN, "peer 172.17.2.254", f"session is down ({error})")


def logged(*steps: tuple[float, list[Finding]]) -> list[str]:
    """Take in these findings, each at its time; return the logged lines without their times."""
    stream = io.StringIO()
    findings = LastingFindings(Log(stream, {}))
    for at, found in steps:
        findings.take(found, at)
    return [line.partition("finding")[2].strip() for line in stream.getvalue().splitlines()]


def test_a_finding_is_logged_once_when_it_has_lasted_for_3_s() -> None:
    assert logged((0, [down("a")]), (2.9, [down("a")]), (2.95, [])) == []
    lines = logged((0, [down("a")]), (3, [down("a")]), (6, [down("a")]), (9, []))
    assert [line.split()[0] for line in lines] == ["code=AR001", "is"]


def test_other_words_about_the_same_session_are_logged_once_and_never_over_while_it_is_down() -> (
    None
):
    steps = [(3.0 * count, [down("ab"[count % 2])]) for count in range(8)]
    lines = logged(*steps)
    assert ["(a)" in line for line in lines] == [False, True]
    assert not any(line.startswith("is over") for line in lines)
    assert logged(*steps, (30, []))[-1].startswith("is over")
