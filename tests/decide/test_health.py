"""Examples of rise and fall; test_laws.py has the laws."""

import pytest

from anycast_routed.decide.health import UNKNOWN_LIMIT, decided, died, step
from anycast_routed.model import CheckResult, Health, Outcome, Verdict

PASS = CheckResult(Outcome.PASS, "NOERROR")
FAIL = CheckResult(Outcome.FAIL, "SERVFAIL")
BLIND = CheckResult(Outcome.UNKNOWN, "no sockets left")


def after(*results: CheckResult, start: Health | None = None, at: float = 0.0) -> Health:
    health = start or Health()
    for result in results:
        health = step(health, result, rise=2, fall=3, at=at)
    return health


def test_rise_passes_in_a_row_are_up() -> None:
    assert after(PASS) == Health(Verdict.UNKNOWN, passes=1, reason="NOERROR")
    assert after(PASS, PASS) == Health(Verdict.UP, passes=2, reason="NOERROR", ever_up=True)


def test_fall_failures_in_a_row_are_down() -> None:
    up = after(PASS, PASS)
    leaning = Health(Verdict.UP, fails=2, reason="SERVFAIL", ever_up=True)
    assert after(FAIL, FAIL, start=up) == leaning
    down = Health(Verdict.DOWN, fails=3, reason="SERVFAIL", ever_up=True)
    assert after(FAIL, FAIL, FAIL, start=up) == down
    assert after(FAIL, FAIL, FAIL) == Health(Verdict.DOWN, fails=3, reason="SERVFAIL")


def test_an_interrupted_row_of_results_restarts() -> None:
    assert after(PASS, FAIL, PASS).verdict is Verdict.UNKNOWN
    assert after(FAIL, FAIL, PASS, FAIL, FAIL).verdict is Verdict.UNKNOWN


def test_full_counts_stay_equal() -> None:
    assert after(PASS, PASS, PASS) == after(PASS, PASS)
    assert after(FAIL, FAIL, FAIL, FAIL) == after(FAIL, FAIL, FAIL)


@pytest.mark.fault(14)
def test_a_check_that_cannot_run_changes_neither_verdict_nor_counts() -> None:
    blind = after(BLIND, start=after(PASS, PASS), at=7.0)
    assert (blind.verdict, blind.passes, blind.reason) == (Verdict.UP, 2, "no sockets left")
    assert (blind.unknown_since, blind.ever_up) == (7.0, True)
    assert after(BLIND, start=blind, at=9.0) == blind
    assert after(PASS, BLIND, PASS).verdict is Verdict.UP


@pytest.mark.fault(14)
def test_after_the_limit_it_counts_as_down_and_needs_a_whole_rise() -> None:
    up = after(PASS, PASS)
    blind = after(BLIND, start=up, at=100.0)
    assert after(BLIND, start=blind, at=99.9 + UNKNOWN_LIMIT).verdict is Verdict.UP
    down = after(BLIND, start=blind, at=100.0 + UNKNOWN_LIMIT)
    assert down.verdict is Verdict.DOWN
    assert down.reason == "the check could not run for 30 s: no sockets left"
    assert after(BLIND, start=down, at=500.0) == down
    leaning = Health(Verdict.DOWN, passes=1, reason="NOERROR", ever_up=True)
    assert after(PASS, start=down) == leaning
    assert after(PASS, PASS, start=down) == up


def test_any_pass_or_failure_ends_the_time_in_which_the_check_could_not_run() -> None:
    blind = after(BLIND, start=after(PASS, PASS))
    assert after(FAIL, start=blind).unknown_since is None
    again = after(PASS, start=blind)
    assert after(BLIND, start=again, at=UNKNOWN_LIMIT).verdict is Verdict.UP


def test_a_stored_time_in_the_future_restarts_the_count_of_seconds() -> None:
    stored = Health(Verdict.UP, passes=2, unknown_since=90_000.0)
    assert after(BLIND, start=stored, at=5.0).unknown_since == 5.0
    assert after(BLIND, start=after(BLIND, start=stored, at=5.0), at=35.0).verdict is Verdict.DOWN


def test_counts_above_a_new_rise_or_fall_are_reduced() -> None:
    assert after(PASS, start=Health(Verdict.DOWN, passes=9)).passes == 2
    assert after(FAIL, start=Health(Verdict.UP, fails=9)).fails == 3


def test_a_proof_of_death_is_down_at_once_and_needs_a_whole_rise() -> None:
    gone = died(after(PASS, PASS), "its socket is closed", fall=3)
    assert gone == Health(Verdict.DOWN, fails=3, reason="its socket is closed", ever_up=True)
    assert decided(gone)
    assert after(PASS, start=gone).verdict is Verdict.DOWN
    assert after(PASS, PASS, start=gone) == after(PASS, PASS)


def test_a_server_that_dies_before_it_was_up_has_never_been_up() -> None:
    assert not died(after(PASS), "no process", fall=3).ever_up


def test_a_verdict_is_decided_while_no_result_contradicts_it() -> None:
    assert not decided(Health())
    assert not decided(after(PASS))
    assert decided(after(PASS, PASS))
    assert not decided(after(PASS, PASS, FAIL))
    assert decided(after(PASS, PASS, FAIL, PASS))
    assert decided(after(FAIL, FAIL, FAIL))
    assert not decided(after(FAIL, FAIL, FAIL, PASS))
    assert decided(after(PASS, PASS, BLIND))
