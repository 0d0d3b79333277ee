"""Facts: nothing dead is announced again, held routes stay until a verdict, and waits end."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anycast_routed.config import Anycast, Config, Dns, Service, StaticRoute
from anycast_routed.decide.trial import Trial, tried
from anycast_routed.facts.facts import Facts
from anycast_routed.facts.verdicts import Recorded
from anycast_routed.model import (
    GRACEFUL_SHUTDOWN,
    Announcement,
    Attributes,
    CheckResult,
    Flaps,
    Health,
    Held,
    Host,
    Outcome,
    Plan,
    Readback,
    Route,
    Stage,
    Verdict,
)
from anycast_routed.state.drain_orders import Ordered
from anycast_routed.state.record import Record
from tests.support.health import checks_of, dns_of

if TYPE_CHECKING:
    from collections.abc import Iterable

HALF_LIFE, DRAIN_TIME = 100.0, 5.0
PREFIX = {name: IPv4Network(f"192.0.2.{n}/32") for n, name in enumerate(("dns", "web"), start=1)}
DNS = dns_of("dns")
PREFIXES, SERVICES = frozenset(PREFIX.values()), frozenset(PREFIX)
PEER = frozenset({"peer"})
HELD = Held(PREFIXES, SERVICES, PREFIXES, SERVICES, PEER)
NOT_EXPORTED = Held(PREFIXES, SERVICES, sessions=PEER)
NO_SESSION = Held(PREFIXES, SERVICES)
HOST = Host(frozenset({"lo"}), ())
ASKED = Dns(ip=IPv4Address("127.0.0.1"), query="a.", rise=2, fall=2, half_life=HALF_LIFE)
PASS = CheckResult(Outcome.PASS, "NOERROR")
FAIL = CheckResult(Outcome.FAIL, "SERVFAIL")
BLIND = CheckResult(Outcome.UNKNOWN, "too many open files")
UP = Health(Verdict.UP, passes=2, ever_up=True)
DOWN = Health(Verdict.DOWN, fails=2, ever_up=True)
DRAINED = Ordered("dns", "a new kernel", 0.0)

healths = st.builds(
    Health, st.sampled_from(Verdict), passes=st.integers(0, 2), fails=st.integers(0, 2)
)
results = st.sampled_from([PASS, FAIL, BLIND])


def config(*names: str) -> Config:
    """Return a config with services of these names."""
    services = (
        Service(
            name=name,
            dns=ASKED,
            anycast=Anycast(
                nexthop_interface="eth0",
                drain_time=DRAIN_TIME,
                routes=(StaticRoute(label=name, ip=PREFIX[name]),),
            ),
        )
        for name in names
    )
    return Config(services=tuple(services))


def known(health: Health | None = None, **more: dict[str, Flaps] | dict[str, float]) -> Record:
    """Return the record of an earlier process about the service `dns`."""
    return Record("boot", "", {} if health is None else checks_of({"dns": health}), **more)  # type: ignore[arg-type]


def fresh(health: Health | None = None) -> Facts:
    """Return the facts of a daemon at its start."""
    return Facts(config("dns"), known(health), HOST)


def folded(facts: Facts, seen: Iterable[CheckResult], at: float = 0.0) -> Facts:
    """Return the facts after these results of `dns`, one per second."""
    for second, result in enumerate(seen):
        facts.fold(DNS, result, began=at + second, at=at + second)
    return facts


def verdict(facts: Facts, at: float = 0.0) -> Verdict:
    """Return the verdict that a plan would use."""
    return facts.observed(at).checks[DNS].verdict


@given(healths, st.lists(st.just(BLIND), max_size=3))
def test_a_prefix_that_is_not_held_is_not_up_before_a_verdict_of_this_process(
    health: Health, seen: list[CheckResult]
) -> None:
    assert verdict(folded(fresh(health), seen)) is not Verdict.UP


@given(healths)
def test_a_held_prefix_stays_up_until_a_verdict_unless_the_record_says_down(health: Health) -> None:
    facts = fresh(health)
    facts.held = HELD
    stands = health.verdict is not Verdict.DOWN
    assert verdict(facts) is (Verdict.UP if stands else Verdict.DOWN)


@given(health=healths, held=st.booleans())
def test_enough_equal_results_in_a_row_are_a_verdict_in_any_state(
    health: Health, *, held: bool
) -> None:
    for result, wanted in ((PASS, Verdict.UP), (FAIL, Verdict.DOWN)):
        facts = fresh(health)
        facts.held = HELD if held else Held()
        assert verdict(folded(facts, [result, result])) is wanted
        assert facts.verdicts.settled(DNS)


@given(healths)
def test_the_proof_that_a_server_died_is_a_verdict_at_once(health: Health) -> None:
    facts = fresh(health)
    facts.held = HELD
    facts.died(DNS, "its last socket has closed", seen=0.0, at=0.0)
    assert verdict(facts) is Verdict.DOWN
    assert verdict(folded(facts, [PASS])) is Verdict.DOWN, "one pass is not enough for UP"


@given(healths)
def test_a_run_continues_with_the_health_of_the_run_before(health: Health) -> None:
    facts = Facts(config("dns"), known(health), HOST, Recorded.CONTINUED)
    assert facts.observed(0.0).checks[DNS] == health


@given(health=healths, seen=st.lists(results, max_size=12), held=st.booleans())
def test_each_change_of_a_verdict_needs_a_new_plan(
    health: Health, seen: list[CheckResult], *, held: bool
) -> None:
    facts = fresh(health)
    facts.held = HELD if held else Held()
    for second, result in enumerate(seen):
        before, version = verdict(facts), facts.version
        changed = facts.fold(DNS, result, began=second, at=second)
        if verdict(facts) is not before:
            assert changed
        assert (facts.version != version) == changed


def count(facts: Facts) -> int:
    """Return how many withdrawals of `dns` count."""
    return facts.record("").flaps.get("dns", Flaps()).count


@given(
    st.lists(
        st.tuples(results, st.sampled_from([HELD, NOT_EXPORTED, NO_SESSION, Held()])), max_size=30
    )
)
def test_only_a_prefix_that_is_exported_counts_as_withdrawn(
    steps: list[tuple[CheckResult, Held]],
) -> None:
    facts, withdrawals = fresh(UP), 0
    for second, (result, held) in enumerate(steps):
        facts.held = held
        before = facts.checks[DNS].verdict
        facts.fold(DNS, result, began=second, at=second)
        fell = before is Verdict.UP and facts.checks[DNS].verdict is Verdict.DOWN
        withdrawals += fell and held is HELD
    assert count(facts) <= withdrawals
    assert (count(facts) > 0) == (withdrawals > 0)


@pytest.mark.parametrize(
    ("shown", "complete", "withdrawals"),
    [
        (HELD, True, 1),
        (HELD, False, 1),
        (NOT_EXPORTED, True, 0),
        (NOT_EXPORTED, False, 1),
    ],
    ids=["shown", "cut-short", "no-peer", "cut-short-before-it-is-shown"],
)
def test_a_death_while_a_step_announces_the_service_counts_if_a_peer_may_have_seen_it(
    shown: Held, *, complete: bool, withdrawals: int
) -> None:
    """The read-back follows the announcement: a death between the two counts, too."""
    facts = folded(fresh(), [PASS, PASS])
    facts.died(DNS, "gone", seen=3.0, at=3.0)
    folded(facts, [PASS, PASS], 4.0)
    facts.begin_step()
    facts.died(DNS, "gone", seen=6.0, at=6.0)
    facts.confirmed(announcing(lowered=False), shown, 7.0, complete=complete)
    assert count(facts) == withdrawals
    folded(facts, [PASS, PASS], 8.0)
    facts.begin_step()
    facts.confirmed(announcing(lowered=False), HELD, 9.0)
    assert count(facts) == withdrawals, "what went down before the step was announced by none"


@pytest.mark.parametrize(
    ("before", "after", "withdrawals"),
    [
        (NO_SESSION, Held(), 0),
        (NO_SESSION, Held(sessions=PEER), 1),
        (NOT_EXPORTED, Held(sessions=PEER), 0),
        (Held(), Held(sessions=PEER), 0),
    ],
    ids=["no-session", "it-came-up-meanwhile", "refused-by-a-filter", "not-held"],
)
def test_a_death_that_no_readback_saw_announced_counts_if_a_session_came_up_meanwhile(
    before: Held, after: Held, withdrawals: int
) -> None:
    facts = folded(fresh(), [PASS, PASS])
    facts.hold(before)
    facts.died(DNS, "gone", seen=3.0, at=3.0)
    facts.begin_step()
    facts.confirmed(Plan(("dns",), None, (), ()), after, 4.0)
    assert count(facts) == withdrawals


def test_a_death_while_the_router_does_not_answer_is_no_flap() -> None:
    facts = folded(fresh(), [PASS, PASS])
    facts.hold(HELD)
    facts.unreachable()
    facts.died(DNS, "gone", seen=3.0, at=3.0)
    folded(facts, [PASS, PASS], 4.0)
    facts.begin_step()
    facts.confirmed(announcing(lowered=False), HELD, 6.0)
    assert count(facts) == 0


def test_a_restart_while_drained_has_no_penalty() -> None:
    facts = folded(fresh(), [PASS, PASS])
    facts.order((DRAINED,), 0.0)
    facts.died(DNS, "restarted", seen=3.0, at=3.0)
    assert facts.record("").flaps == {}


@given(
    lasted=st.floats(0.01, 3.0),
    grace=st.sampled_from([0.0, 1.0, 2.0]),
    same_sockets=st.booleans(),
    before=st.integers(0, 2),
)
def test_a_server_that_keeps_its_sockets_and_returns_within_the_grace_has_not_flapped(
    lasted: float, grace: float, before: int, *, same_sockets: bool
) -> None:
    facts = fresh(UP)
    facts.held = HELD
    for at in range(before):
        folded(facts, [PASS, PASS], 1000.0 * at)
        facts.died(DNS, "gone", seen=1000.0 * at + 2, at=1000.0 * at + 2)
    folded(facts, [PASS, PASS], 9000.0)
    flaps = facts.record("").flaps
    facts.died(DNS, "it hangs", seen=9010.0, at=9010.0, grace=grace)
    returned = facts.returned(DNS, at=9010.0 + lasted, same_sockets=same_sockets)
    assert returned == (same_sockets and lasted <= grace)
    assert (facts.record("").flaps.get("dns", Flaps()) == flaps.get("dns", Flaps())) == returned
    assert not facts.returned(DNS, at=9010.0 + lasted, same_sockets=True), "it has counted already"


def test_a_hang_is_not_called_flapping_before_it_counts_for_good() -> None:
    facts = folded(fresh(), [PASS, PASS])
    facts.held = HELD
    facts.died(DNS, "gone", seen=3.0, at=3.0)
    folded(facts, [PASS, PASS], 4.0)
    facts.died(DNS, "it hangs", seen=6.0, at=6.1, grace=2.0)
    assert not facts.observed(7.9).damped
    assert facts.next_change(7.0) == 8.0
    assert facts.observed(8.0).damped
    folded(facts, [PASS, PASS], 6.5)
    assert facts.observed(7.5).damped, "it is up, and may have been restarted"
    facts.returned(DNS, at=7.6, same_sockets=True)
    assert not facts.observed(7.6).damped
    assert count(facts) == 1


def test_a_verdict_takes_a_whole_rise_of_this_process() -> None:
    facts = fresh(UP)
    facts.held = HELD
    assert "dns" in folded(facts, [PASS]).unproved
    assert "dns" not in folded(facts, [PASS]).unproved


def test_a_service_with_another_server_has_no_verdict_yet() -> None:
    facts = folded(fresh(), [PASS, PASS])
    before = facts.config.services[0]
    dns = before.dns.model_copy(update={"port": 5353})
    facts.adopt(Config(services=(before.model_copy(update={"dns": dns}),)), forced=True)
    assert "dns" in facts.unproved
    assert verdict(facts) is not Verdict.UP


def with_query(query: str) -> Config:
    """Return the config of `dns` with another question."""
    before = config("dns").services[0]
    dns = before.dns.model_copy(update={"query": query})
    return Config(services=(before.model_copy(update={"dns": dns}),))


MISTAKEN = with_query("b.")


def on_trial() -> Facts:
    """Return the facts of a service that is up, and whose check has just changed."""
    facts = folded(fresh(), [PASS, PASS])
    facts.adopt(MISTAKEN)
    return facts


@given(st.lists(st.tuples(st.booleans(), results), max_size=40))
def test_a_changed_check_decides_nothing_until_it_has_passed_or_the_old_one_has_failed(
    seen: list[tuple[bool, CheckResult]],
) -> None:
    """`seen` are the results of the changed check (True) and of the old one."""
    facts, without = on_trial(), folded(fresh(), [PASS, PASS])
    [(_, old), (_, new)] = facts.verdicts.asked()
    trial = Trial(new)
    for second, (by_new, result) in enumerate(seen):
        facts.fold(DNS, result, began=second, at=second, by=new if by_new else old)
        if by_new:
            trial = tried(trial, result, at=second)
        else:
            without.fold(DNS, result, began=second, at=second)
        has_passed = trial.health.verdict is Verdict.UP
        undecided = trial.health.verdict is Verdict.UNKNOWN
        is_over = has_passed or (verdict(without) is Verdict.DOWN and undecided)
        assert (not facts.trials) == is_over
        assert facts.verdicts.decides(DNS, new) == is_over
        assert verdict(facts) is (Verdict.UP if has_passed else verdict(without))
        if is_over:
            break
        assert facts.observed(0.0) == without.observed(0.0)
    if facts.trials:
        return
    down = verdict(facts) is Verdict.DOWN
    assert not facts.fold(DNS, PASS, began=50.0, at=50.0, by=old), "the old check is over"
    facts.fold(DNS, PASS, began=51.0, at=51.0, by=new)
    assert (verdict(facts) is Verdict.DOWN) == down
    facts.fold(DNS, PASS, began=52.0, at=52.0, by=new)
    assert verdict(facts) is Verdict.UP


def test_the_death_of_the_old_server_ends_the_trial_at_once_and_is_one_withdrawal() -> None:
    facts = on_trial()
    facts.held = HELD
    assert facts.died(DNS, "gone", seen=5.0, at=5.0)
    assert verdict(facts) is Verdict.DOWN
    assert not facts.trials
    assert facts.record("").flaps["dns"].count == 1


@given(st.lists(results, max_size=5), st.sampled_from(Recorded))
def test_a_trial_survives_the_process(seen: list[CheckResult], recorded: Recorded) -> None:
    facts = on_trial()
    [(_, old), (_, new)] = facts.verdicts.asked()
    for second, result in enumerate(seen):
        facts.fold(DNS, result, began=second, at=second, by=new)
    after = Facts(MISTAKEN, facts.record(""), HOST, recorded)
    assert after.trials.keys() == facts.trials.keys()
    assert after.verdicts.decides(DNS, old) == facts.verdicts.decides(DNS, old)
    assert after.verdicts.decides(DNS, new) == facts.verdicts.decides(DNS, new)
    assert after.verdicts.failures("reload") == facts.verdicts.failures("reload")
    again = Facts(with_query("c."), facts.record(""), HOST, recorded)
    assert not any(again.verdicts.failures("reload").values()), "the question is another one"


def test_without_the_recorded_check_there_is_no_trial() -> None:
    """An older version wrote the record, or one with other keys."""
    recorded = on_trial().record("")
    unknown = {DNS: {"ip": "127.0.0.1", "query": "a.", "of-a-newer-version": 1}}
    for checks in ({}, unknown):
        assert not Facts(MISTAKEN, replace(recorded, checks=checks), HOST).trials


def test_the_old_config_and_a_forced_one_end_the_trial() -> None:
    facts = on_trial()
    assert facts.adopt(config("dns")), "other checks are to be run"
    assert not facts.trials
    assert verdict(facts) is Verdict.UP
    assert facts.verdicts.settled(DNS)
    facts = on_trial()
    facts.held = HELD
    assert facts.adopt(MISTAKEN, forced=True)
    assert not facts.trials
    assert verdict(facts) is Verdict.UP, "it stays until the changed check has failed"
    assert verdict(folded(facts, [FAIL, FAIL])) is Verdict.DOWN


@pytest.mark.parametrize("seen", [[], [PASS], [FAIL, FAIL]])
def test_a_service_that_is_not_up_has_no_trial(seen: list[CheckResult]) -> None:
    facts = folded(fresh(), seen)
    facts.adopt(MISTAKEN)
    assert not facts.trials
    assert verdict(folded(facts, [PASS, PASS])) is Verdict.UP


def flapping() -> Facts:
    """Return the facts after two withdrawals, the second at 20 s."""
    facts = fresh(UP)
    facts.held = HELD
    for at in (10.0, 20.0):
        folded(facts, [PASS, PASS], at)
        facts.died(DNS, "gone", seen=at, at=at)
    return folded(facts, [PASS, PASS], 21.0)


def test_a_flapping_service_waits_and_then_returns_by_itself() -> None:
    facts = flapping()
    assert "dns went down 2 times" in facts.observed(22.0).damped["dns"]
    until = facts.next_change(22.0)
    assert until is not None
    assert 20.0 + HALF_LIFE / 2 < until < 20.0 + 2 * HALF_LIFE
    assert facts.observed(until - 0.001).damped
    assert not facts.observed(until).damped
    assert facts.next_change(until) is None


def test_a_death_during_the_wait_does_not_extend_it() -> None:
    facts = flapping()
    until = facts.next_change(22.0)
    facts.died(DNS, "gone", seen=30.0, at=30.0)
    assert facts.next_change(30.0) == until, "nothing was withdrawn"


def test_forgiving_ends_the_wait_and_is_recorded() -> None:
    facts = flapping()
    version = facts.version
    facts.forgive(["dns", "another"])
    assert facts.version > version
    assert not facts.observed(22.0).damped
    assert not facts.record("").flaps


def test_the_next_process_continues_the_wait() -> None:
    before = flapping()
    after = Facts(config("dns"), before.record("router"), HOST)
    assert after.observed(22.0).damped == before.observed(22.0).damped
    assert verdict(after) is not Verdict.UP


def test_what_a_readback_shows_is_held_and_exported_by_its_service() -> None:
    routes = {name: Route(prefix, Attributes()) for name, prefix in PREFIX.items()}
    shown = Readback("", (), tuple(routes.values()), {"one": (), "two": (routes["web"],)})
    held = Held.of(shown, announcing(lowered=False))
    sessions = frozenset({"one", "two"})
    assert held == Held(
        PREFIXES, SERVICES, frozenset({PREFIX["web"]}), frozenset({"web"}), sessions
    )
    assert held.under(Plan((), None, (), ())) == replace(
        held, services=frozenset(), exporting=frozenset()
    )


def announcing(*, lowered: bool) -> Plan:
    """Return a plan that announces both services, lowered or not."""
    communities = (GRACEFUL_SHUTDOWN,) if lowered else ()
    attributes = Attributes(100, IPv4Address("172.17.2.1"), communities)
    made = tuple(
        Announcement(prefix, name, name, attributes, on_host=False)
        for name, prefix in PREFIX.items()
    )
    return Plan(tuple(PREFIX), None, made, ())


@pytest.mark.parametrize("target", ["dns", str(PREFIX["dns"])])
def test_the_drain_time_begins_when_the_router_confirms_the_lowered_routes(target: str) -> None:
    facts = fresh(UP)
    facts.held = HELD
    facts.order((Ordered(target, "a new kernel", 0.0),), 0.0)
    assert facts.next_change(10.0) is None, "nothing has been lowered yet"
    facts.confirmed(announcing(lowered=False), HELD, 11.0)
    assert facts.observed(100.0).drains[target].stage is Stage.LOWERED
    facts.confirmed(announcing(lowered=True), HELD, 12.0)
    facts.confirmed(announcing(lowered=True), HELD, 14.0)
    assert facts.next_change(14.0) == 12.0 + DRAIN_TIME
    assert facts.observed(16.9).drains[target].stage is Stage.LOWERED
    assert facts.observed(17.0).drains[target].stage is Stage.OUT
    after = Facts(config("dns"), facts.record(""), HOST)
    after.held = HELD
    after.order((Ordered(target, "a new kernel", 0.0),), 0.0)
    assert after.observed(17.0).drains[target].stage is Stage.OUT, (
        "the next process continues the drain"
    )


def test_a_drain_of_a_prefix_that_is_not_held_is_out_at_once() -> None:
    facts = fresh(UP)
    facts.order((DRAINED,), 0.0)
    assert facts.observed(0.0).drains["dns"].stage is Stage.OUT


def test_a_drain_that_was_lifted_begins_again() -> None:
    facts = fresh(UP)
    facts.held = HELD
    facts.order((DRAINED,), 0.0)
    facts.confirmed(announcing(lowered=True), HELD, 10.0)
    facts.order((), 0.0)
    assert facts.observed(100.0).drains == {}
    facts.order((DRAINED,), 0.0)
    assert facts.observed(100.0).drains["dns"].stage is Stage.LOWERED


def test_a_drain_ends_at_its_time() -> None:
    facts = fresh(UP)
    facts.order((Ordered("dns", "", 0.0, until=1000.0),), 0.0)
    facts.expire(999.9)
    assert "until" in facts.observed(0.0).drains["dns"].detail
    version = facts.version
    facts.expire(1000.0)
    assert facts.observed(0.0).drains == {}
    assert facts.version > version
    facts.expire(500.0)
    assert "dns" in facts.observed(0.0).drains, "a wrong clock ends no drain permanently"


@given(st.floats(0, 300), st.floats(0, 1))
def test_between_two_changes_nothing_changes_by_itself(at: float, part: float) -> None:
    facts = flapping()
    facts.order((DRAINED,), 0.0)
    facts.confirmed(announcing(lowered=True), HELD, 50.0)
    until = facts.next_change(at)
    end = 1000.0 if until is None else until
    between = at + part * (end - at)
    if between < end:
        assert facts.observed(between) == facts.observed(at)
    if until is not None:
        assert facts.observed(until) != facts.observed(at)


@given(healths, st.lists(results, max_size=6))
def test_another_config_keeps_the_verdicts_of_the_services_that_it_has(
    health: Health, seen: list[CheckResult]
) -> None:
    facts = folded(fresh(health), seen)
    shown, settled = facts.observed(9.0).checks[DNS], facts.verdicts.settled(DNS)
    facts.adopt(config("web", "dns"))
    assert facts.observed(9.0).checks[DNS] == shown
    assert facts.verdicts.settled(DNS) == settled
    assert facts.observed(9.0).checks[dns_of("web")].verdict is Verdict.UNKNOWN
    facts.adopt(config("web"))
    assert facts.observed(9.0).checks.keys() == {dns_of("web")}
    assert not facts.fold(DNS, FAIL, began=9.0, at=9.0)
    assert not facts.died(DNS, "gone", seen=9.0, at=9.0)
    facts.adopt(config("dns", "web"))
    assert verdict(facts) is Verdict.UNKNOWN, "a service that was removed needs a new verdict"


def test_the_first_evidence_of_a_turn_is_kept_until_the_turn_is_reported() -> None:
    facts = folded(fresh(), [PASS, PASS])
    assert facts.evidence == {"dns": 0.0}
    facts.forget_evidence(facts.evidence)
    facts.fold(DNS, FAIL, began=10.0, at=10.4)
    assert facts.evidence == {}, "one failure is no turn"
    facts.forget_evidence(facts.evidence)
    facts.fold(DNS, FAIL, began=10.5, at=10.9)
    assert facts.evidence == {"dns": 10.0}
    reported = facts.evidence
    facts.died(DNS, "gone", seen=11.0, at=11.0)
    folded(facts, [PASS, PASS], 12.0)
    facts.forget_evidence(reported)
    assert facts.evidence == {"dns": 12.0}, "a later turn is not reported yet"


def test_the_evidence_of_a_death_begins_with_the_failed_check_before_it() -> None:
    facts = folded(fresh(), [PASS, PASS])
    facts.fold(DNS, FAIL, began=10.0, at=10.4)
    facts.died(DNS, "gone", seen=10.6, at=10.7)
    assert facts.evidence == {"dns": 10.0}


def test_turns_are_reported_once_and_in_order() -> None:
    facts = folded(fresh(), [PASS, PASS, FAIL, PASS, FAIL, FAIL])
    assert [health.verdict for _, health in facts.take_turns()] == [Verdict.UP, Verdict.DOWN]
    assert facts.take_turns() == []


def test_unchanged_addresses_change_nothing() -> None:
    facts = fresh()
    assert not facts.see(Host(frozenset({"lo"}), ()))
    assert facts.see(Host(frozenset({"lo", "eth0"}), ()))
    assert facts.version == 1


def test_what_the_config_does_not_read_of_the_host_changes_nothing_until_another_reads_it() -> None:
    facts = fresh()
    noisy = Host(frozenset({"lo", "veth1"}), (), frozenset({"veth1"}), {"veth1": "red"})
    assert not facts.see(noisy)
    assert facts.version == 0
    assert facts.observed(0.0).interfaces == frozenset()
    whole = facts.observed_for_any(0.0)
    assert (whole.interfaces, whole.down, whole.vrfs) == (noisy.interfaces, noisy.down, noisy.vrfs)
    section = Anycast(interface="veth1", prefix="dns", nexthop_interface="lo")
    facts.adopt(Config(services=(Service(name="dns", dns=ASKED, anycast=section),)))
    assert facts.observed(0.0).interfaces == {"lo", "veth1"}
