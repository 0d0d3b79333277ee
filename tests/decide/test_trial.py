"""Laws of the trial of a changed check, for every stream of results."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from anycast_routed.config import Dns
from anycast_routed.decide.health import decided, step
from anycast_routed.decide.trial import (
    Trial,
    continued,
    failure,
    is_due,
    taken_over,
    tried,
)
from anycast_routed.model import CheckResult, Code, Health, Outcome, Severity, Verdict

OLD = Dns(ip=ip_address("127.0.0.1"), query="google.com.")
PASS = CheckResult(Outcome.PASS, "NOERROR")
FAIL = CheckResult(Outcome.FAIL, "NXDOMAIN")
UNSURE = CheckResult(Outcome.UNKNOWN, "too many open files")
UP = Health(Verdict.UP, passes=2, reason="NOERROR", ever_up=True)
DOWN = Health(Verdict.DOWN, fails=2, reason="no reply", ever_up=True)
OTHER = {
    "ip": ip_address("127.0.0.2"),
    "port": 5353,
    "query": "gogle.com.",
    "rrtype": "A",
    "timeout": 0.25,
}
"""Another value for each key that makes it another check."""
SAME = {
    "interval": 5.0,
    "fast_interval": 0.2,
    "rise": 3,
    "fall": 4,
    "pulse": False,
    "pulse_interval": 1.0,
    "pid_file": "/run/unbound.pid",
    "on_fail": "lower",
    "half_life": 0.0,
}
"""Another value for each key that leaves it the same check."""

results = st.sampled_from([PASS, PASS, FAIL, UNSURE])
limits = st.integers(1, 4)
healths = st.builds(
    Health,
    st.sampled_from(Verdict),
    passes=st.integers(0, 2),
    fails=st.integers(0, 2),
    ever_up=st.booleans(),
)


def changed(**values: object) -> Dns:
    """Return the check with other values."""
    return OLD.model_copy(update=values)


def after(trial: Trial, seen: list[CheckResult]) -> Trial:
    """Return the trial after these results."""
    for result in seen:
        trial = tried(trial, result, at=0.0)
    return trial


def test_each_key_of_the_check_is_known_here() -> None:
    assert OTHER.keys() | SAME.keys() == Dns.model_fields.keys()


@given(healths, st.sets(st.sampled_from(sorted(OTHER))), st.sets(st.sampled_from(sorted(SAME))))
def test_only_another_question_to_a_service_that_is_up_is_tried(
    health: Health, asked: set[str], other: set[str]
) -> None:
    new = changed(**{key: OTHER[key] for key in asked}, **{key: SAME[key] for key in other})
    assert is_due(OLD, new, health) == (bool(asked) and health.verdict is Verdict.UP)


@given(st.lists(results, max_size=30), limits, limits)
@example([FAIL, PASS, FAIL, UNSURE, UNSURE, PASS, FAIL, PASS, PASS], 2, 2)
def test_while_the_old_check_is_up_only_rise_passes_in_a_row_end_the_trial(
    seen: list[CheckResult], rise: int, fall: int
) -> None:
    trial, row = Trial(changed(query="gogle.com.", rise=rise, fall=fall)), 0
    for result in seen:
        before, trial = trial, tried(trial, result, at=0.0)
        row = {Outcome.PASS: row + 1, Outcome.FAIL: 0}.get(result.outcome, row)
        if before.health.verdict is Verdict.UNKNOWN and trial.health.verdict is Verdict.DOWN:
            row = 0  # it has failed: a whole rise is needed, also if its last result is a pass
        taken = taken_over(UP, trial)
        assert (taken is not None) == (row >= rise)
        if taken is not None:
            assert (taken.verdict, taken.ever_up) == (Verdict.UP, True)
            return


@given(st.lists(results, max_size=30), limits, limits)
def test_when_the_old_check_is_down_an_undecided_one_takes_over_a_whole_rise_away(
    seen: list[CheckResult], rise: int, fall: int
) -> None:
    trial = after(Trial(changed(query="gogle.com.", rise=rise, fall=fall)), seen)
    health = taken_over(DOWN, trial)
    if trial.health.verdict is not Verdict.UNKNOWN:
        assert (health is None) == (trial.health.verdict is Verdict.DOWN)
        return
    assert health is not None
    assert (health.verdict, health.reason, health.ever_up) == (Verdict.DOWN, "no reply", True)
    for number in range(1, rise + 1):
        health = step(health, PASS, rise=rise, fall=fall, at=0.0)
        assert (health.verdict is Verdict.UP) == (number == rise)


@given(st.data(), limits, limits)
def test_each_trial_has_a_verdict_after_a_bounded_number_of_results(
    data: st.DataObject, rise: int, fall: int
) -> None:
    most = 2 * (rise + fall)
    seen = data.draw(st.lists(results, min_size=most, max_size=most + 5))
    trial = after(Trial(changed(query="gogle.com.", rise=rise, fall=fall)), seen)
    assert trial.health.verdict is not Verdict.UNKNOWN
    assert trial.asked == most


def test_a_check_that_passes_and_fails_in_turn_fails_the_trial_and_can_still_pass() -> None:
    trial = after(Trial(changed(query="gogle.com.")), [FAIL, PASS] * 4)
    assert (trial.health.verdict, decided(trial.health)) == (Verdict.DOWN, True)
    assert trial.health.reason == (
        "neither 2 passes nor 2 failures in a row in 8 checks, the last one: NOERROR"
    )
    assert taken_over(UP, after(trial, [PASS])) is None
    assert taken_over(UP, after(trial, [PASS, PASS])) is not None


def test_the_trial_of_the_same_question_goes_on_under_another_config() -> None:
    trial = after(Trial(changed(query="gogle.com.")), [FAIL, FAIL])
    slower = changed(query="gogle.com.", interval=5.0)
    assert continued(trial, slower) == Trial(slower, trial.health, trial.asked)
    assert continued(trial, changed(query="gogol.com.")) == Trial(changed(query="gogol.com."))
    assert continued(None, slower) == Trial(slower)


@pytest.mark.parametrize("key", OTHER)
@pytest.mark.parametrize("verb", ["reload", "apply"])
def test_a_failure_names_the_service_the_answer_the_key_and_the_way_out(
    key: str, verb: str
) -> None:
    trial = Trial(changed(**{key: OTHER[key]}))
    assert failure("resolver", OLD, trial, verb) is None
    found = failure("resolver", OLD, after(trial, [FAIL, FAIL]), verb)
    assert found is not None
    assert (found.code, found.severity) == (Code.CHECK_ON_TRIAL, Severity.ERROR)
    said = str(found)
    assert said.startswith("service resolver: the changed check fails (NXDOMAIN)")
    assert f"correct dns.{key} in the config file" in said
    assert f"anycast-routed {verb} --force" in said
    assert not any(f"dns.{other}" in said for other in OTHER if other != key)


def test_a_failure_shows_the_values_as_they_stand_in_a_config_file() -> None:
    trial = after(Trial(changed(query="gogle.com.", port=5353, timeout=0.25)), [FAIL, FAIL])
    found = failure("dns", OLD, trial, "reload")
    assert found is not None
    assert found.detail.endswith(
        'dns.port is 5353 (before: 53) and dns.query is "gogle.com." (before: "google.com.") '
        "and dns.timeout is 250ms (before: 1s)"
    )
    assert "correct dns.port and dns.query and dns.timeout" in found.fix
