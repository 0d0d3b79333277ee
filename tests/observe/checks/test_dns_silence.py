"""What a check without a usable reply says: pure, from evidence to a result."""

from dataclasses import replace

import pytest

from anycast_routed.model import CheckResult, Outcome
from anycast_routed.observe.checks.dns_silence import (
    ENOUGH,
    TRANSMISSIONS,
    Evidence,
    judge_silence,
)

ON_TIME = Evidence(sent=TRANSMISSIONS)


def test_silence_on_enough_queries_is_a_failure() -> None:
    few = replace(ON_TIME, sent=ENOUGH, missed=TRANSMISSIONS - ENOUGH)
    for evidence in (ON_TIME, few):
        failed = CheckResult(Outcome.FAIL, "no reply within 0.5 s")
        assert judge_silence(evidence, 0.5) == failed


def test_silence_on_too_few_queries_is_unknown() -> None:
    missed = replace(ON_TIME, missed=TRANSMISSIONS - ENOUGH + 1, late=0.25)
    late = "anycast-routed itself was late by 0.25 s"
    assert judge_silence(missed, 1) == CheckResult(Outcome.UNKNOWN, late)
    without_ports = replace(missed, error="cannot assign requested address")
    unable = "the check could not run: cannot assign requested address"
    assert judge_silence(without_ports, 1) == CheckResult(Outcome.UNKNOWN, unable)


@pytest.mark.parametrize(("late", "outcome"), [(0.24, Outcome.FAIL), (0.26, Outcome.UNKNOWN)])
def test_after_truncation_a_late_loop_may_have_missed_the_reply(
    late: float, outcome: Outcome
) -> None:
    assert judge_silence(replace(ON_TIME, truncated=True, late=late), 1).outcome is outcome
    assert judge_silence(replace(ON_TIME, late=late), 1).outcome is Outcome.FAIL


def test_the_reason_names_truncation_filters_and_ignored_packets() -> None:
    truncated = judge_silence(replace(ON_TIME, truncated=True), 2).reason
    assert truncated == "truncated over UDP, and TCP gave no reply within 2 s"
    filtered = judge_silence(replace(ON_TIME, filtered=ENOUGH), 2).reason
    assert filtered == "no reply within 2 s, a packet filter on this host drops the queries"
    assert judge_silence(replace(ON_TIME, filtered=ENOUGH - 1), 2).reason == "no reply within 2 s"
    strays = judge_silence(replace(ON_TIME, strays=3, last_stray="another ID"), 2).reason
    assert strays == "no reply within 2 s; packets ignored: 3, the last: another ID"
