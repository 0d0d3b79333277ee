"""Laws that hold for every config, every host and every stream of results.

The strategies draw from small pools, so that clashes of every kind are frequent. The module is
long because all laws share these strategies.
"""

from collections import Counter
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface, ip_network
from itertools import chain, pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from anycast_routed.config import Anycast, Bgp, BgpPeer, Config, Dns, Service, StaticRoute
from anycast_routed.decide.dead import dead, held_by_service
from anycast_routed.decide.health import UNKNOWN_LIMIT, decided, died, step
from anycast_routed.decide.labels import natural
from anycast_routed.decide.next_hop import next_hop, unfit
from anycast_routed.decide.plan import plan
from anycast_routed.decide.reload_guard import shrinks
from anycast_routed.model import (
    GRACEFUL_SHUTDOWN,
    Announcement,
    CheckResult,
    Drain,
    Health,
    HostAddress,
    Observed,
    Outcome,
    Plan,
    Reason,
    Stage,
    Verdict,
    Withheld,
)
from tests.support.health import dns_of

unhurried = settings(deadline=None)  # on a busy machine

INTERFACES = ("lo", "eth0", "eth1")
NAMES = ("dns", "web", "ntp")
ROUTABLE = [f"10.0.0.{n}" for n in range(1, 6)] + [f"fd00::{n}" for n in range(1, 5)]
ODD = ["127.0.0.1", "169.254.0.1", "0.0.0.0", "255.255.255.255", "::1", "fe80::1", "ff02::1", "::"]  # noqa: S104 - nothing is bound
UPLINK = (
    HostAddress("eth0", ip_interface("172.17.2.1/24")),
    HostAddress("eth0", ip_interface("fd00:17:2::1/64")),
)
UNRELATED = ip_interface("198.51.100.77/24")

mostly_lo = st.sampled_from(["lo", "lo", "lo", *INTERFACES])
addresses = st.sampled_from(ROUTABLE * 3 + ODD)
local_prefs = st.sampled_from([5, 100, 100, 2**32 - 1]) | st.integers(0, 2**32 - 1)
suffixes = st.sampled_from(["", "1", "2", "10", "02", "-a", "x", "\n", '"']) | st.text(max_size=5)
labels = st.builds(
    "{}:{}{}".format, mostly_lo, st.sampled_from(["dns", "dns", "web", ""]), suffixes
)
rarely = st.sampled_from([False, False, False, True])


@st.composite
def host_addresses(draw: st.DrawFn) -> HostAddress:
    address = ip_address(draw(addresses))
    length = draw(st.sampled_from([8, 24, address.max_prefixlen]))
    return HostAddress(
        interface=draw(mostly_lo),
        address=ip_interface(f"{address}/{length}"),
        label=draw(labels) if address.version == 4 else "",
        scope=draw(st.sampled_from([0, 0, 0, 253, 254])),
        secondary=draw(rarely),
        deprecated=draw(rarely),
        tentative=draw(rarely) and address.version == 6,
        temporary=draw(rarely),
    )


routes = st.builds(
    StaticRoute,
    label=st.sampled_from(["a", "b", "c"]),
    ip=st.sampled_from(ROUTABLE).map(ip_network),
    localpref=st.none() | local_prefs,
)
sections = st.builds(
    Anycast,
    interface=mostly_lo | st.none(),
    prefix=st.sampled_from(["dns", "dns", "dns", "web", None]),
    localpref=local_prefs,
    decrease=st.sampled_from([0, 1, 10, 10, 2**32 - 1]),
    nexthop_interface=st.sampled_from([*INTERFACES, "eth0", "eth0", None]),
    next_hop_ipv4=st.sampled_from([None, None, IPv4Address("192.0.2.1")]),
    next_hop_ipv6=st.sampled_from([None, None, IPv6Address("2001:db8::1")]),
    routes=st.lists(routes, max_size=3).map(tuple),
    floor=st.sampled_from([0, 0, 50, 2**32 - 1]),
)
peers = st.builds(
    BgpPeer,
    ip=st.sampled_from(ROUTABLE).map(ip_address),
    as_=st.sampled_from([64512, 65001]),
)
bgps = st.builds(
    Bgp,
    id=st.just(IPv4Address("192.0.2.9")),
    as_=st.just(64512),
    peers=st.lists(peers, min_size=1, max_size=3).map(tuple),
)
checks = st.builds(
    Dns,
    ip=st.just(ip_address("127.0.0.1")),
    query=st.just("example.com."),
    on_fail=st.sampled_from(["withdraw", "lower"]),
)


@st.composite
def configs(draw: st.DrawFn) -> Config:
    drawn = draw(st.lists(sections, min_size=1, max_size=3))
    named = zip(NAMES, drawn, strict=False)
    services = tuple(
        Service(name=name, dns=draw(checks), anycast=section) for name, section in named
    )
    return Config(services=services, bgp=draw(st.none() | bgps))


healths = st.builds(
    Health,
    verdict=st.sampled_from([Verdict.UP] * 5 + [*Verdict]),
    passes=st.integers(0, 3),
    fails=st.integers(0, 3),
    reason=st.text(max_size=5),
    unknown_since=st.none() | st.floats(0, 100),
    ever_up=st.booleans(),
)
service_addresses = st.builds(
    HostAddress,
    st.just("lo"),
    st.sampled_from([ip_interface(address) for address in ROUTABLE if ":" not in address]),
    st.builds("lo:dns{}".format, st.integers(1, 12) | suffixes),
)
observed_addresses = st.builds(
    lambda *parts: tuple(chain(*parts)),
    st.sampled_from([UPLINK, UPLINK, UPLINK[:1], ()]),
    st.lists(service_addresses, max_size=4),
    st.lists(host_addresses(), max_size=6, unique=True),
)
targets = [*NAMES, *(str(ip_network(address)) for address in ROUTABLE)]
drains = st.dictionaries(
    st.sampled_from(targets), st.builds(Drain, st.sampled_from(Stage), st.text(max_size=3))
)
observations = st.builds(
    Observed,
    checks=st.fixed_dictionaries(
        {dns_of("dns"): healths}, optional={dns_of("web"): healths, dns_of("ntp"): healths}
    ),
    interfaces=st.sampled_from([INTERFACES, INTERFACES, INTERFACES, ("lo",)]).map(frozenset),
    addresses=observed_addresses,
    drains=drains,
    damped=st.dictionaries(st.sampled_from(NAMES), st.just("it waits"), max_size=1),
)
unrelated = st.builds(
    lambda interface, secondary: HostAddress(
        interface, UNRELATED, label=interface, secondary=secondary
    ),
    st.sampled_from(INTERFACES),
    rarely,
)
results = st.builds(
    CheckResult, st.sampled_from([Outcome.PASS, *Outcome]), st.sampled_from(["a", "b"])
)
limits = st.integers(1, 4)


def matching(service: Service, host: Observed) -> list[HostAddress]:
    """Return the labelled addresses of a service, by the rule in the documentation."""
    section = service.anycast
    if section.interface is None or section.prefix is None:
        return []
    return [
        found
        for found in host.addresses
        if found.interface == section.interface
        and section.interface in host.interfaces
        and found.label.startswith(f"{section.interface}:{section.prefix}")
        and found.address.version == 4
    ]


def wanted(config: Config, host: Observed) -> Counter[tuple[str, str]]:
    """Count how often each service asks for each address."""
    wishes: Counter[tuple[str, str]] = Counter()
    for service in config.services:
        found = {(entry.label, entry.address) for entry in matching(service, host)}
        wishes.update((service.name, str(address.ip)) for _, address in found)
        static = (str(route.ip.network_address) for route in service.anycast.routes)
        wishes.update((service.name, address) for address in static)
    return wishes


def settled(made: Plan) -> Counter[tuple[str, str]]:
    entries: tuple[Announcement | Withheld, ...] = (*made.announcements, *made.withheld)
    return Counter(
        (entry.service, str(entry.prefix.network_address)) for entry in entries if entry.prefix
    )


def local_pref(entry: Announcement) -> int:
    """Return the LocalPref, which a plan always sets."""
    assert entry.local_pref is not None
    return entry.local_pref


@unhurried
@given(configs(), observations)
def test_every_candidate_is_announced_or_withheld_once(config: Config, host: Observed) -> None:
    made = plan(config, host)
    assert settled(made) == wanted(config, host)
    for entry in made.withheld:
        assert entry.detail
        assert (entry.prefix is None) <= (entry.reason is Reason.INTERFACE_MISSING)


@unhurried
@given(configs(), observations)
def test_each_prefix_is_announced_once_and_all_are_sorted(config: Config, host: Observed) -> None:
    prefixes = [entry.prefix for entry in plan(config, host).announcements]
    assert len(set(prefixes)) == len(prefixes)
    keys = [(prefix.version, int(prefix.network_address)) for prefix in prefixes]
    assert keys == sorted(keys)


@unhurried
@given(configs(), observations)
def test_an_announcement_is_a_host_route_with_fit_attributes(
    config: Config, host: Observed
) -> None:
    assigned = {
        entry.address.network
        for entry in host.addresses
        if not entry.tentative and entry.address.network.num_addresses == 1
    }
    for entry in plan(config, host).announcements:
        assert entry.prefix.prefixlen == entry.prefix.max_prefixlen
        assert entry.next_hop is not None
        assert entry.next_hop.version == entry.prefix.version
        assert 0 <= local_pref(entry) < 2**32
        assert entry.on_host == (entry.prefix in assigned)
        assert entry.source.isascii()
        assert entry.source.isprintable()


@unhurried
@given(configs(), observations)
def test_only_services_that_are_up_are_announced_unless_lowered(
    config: Config, host: Observed
) -> None:
    lowers = {one.name for one in config.services if one.dns.on_fail == "lower"}
    for entry in plan(config, host).announcements:
        health = host.checks[dns_of(entry.service)]
        down = health.verdict is Verdict.DOWN and health.ever_up
        assert health.verdict is Verdict.UP or (down and entry.service in lowers)
        assert entry.service not in host.damped or entry.service in lowers


@unhurried
@given(configs(), observations)
def test_lowering_changes_only_local_pref_community_and_note(
    config: Config, host: Observed
) -> None:
    """An announcement may differ in LocalPref, community and note only."""
    up = {dns_of(service.name): Health(Verdict.UP) for service in config.services}
    best = plan(config, replace(host, checks=up, drains={}, damped={}))
    own = {entry.prefix: entry for entry in best.announcements}
    assert not any(entry.note or entry.graceful_shutdown for entry in best.announcements)
    floors = {service.name: service.anycast.floor for service in config.services}
    for entry in plan(config, host).announcements:
        whole = own[entry.prefix]
        assert replace(entry, attributes=whole.attributes, note="") == whole
        assert entry.next_hop == whole.next_hop
        assert entry.attributes.communities in {(), (GRACEFUL_SHUTDOWN,)}
        is_up = host.checks[dns_of(entry.service)].verdict is Verdict.UP
        well = is_up and entry.service not in host.damped
        least = [local_pref(whole)]
        least += [] if well else [floors[entry.service]]
        least += [0] if entry.graceful_shutdown else []
        assert entry.local_pref == min(least)
        assert bool(entry.note) == (entry.graceful_shutdown or not well)


@unhurried
@given(config=configs(), host=observations, later=observations, moved=st.booleans())
def test_what_is_withdrawn_before_there_is_a_plan_is_what_the_plan_withholds_with_its_service(
    config: Config, host: Observed, later: Observed, *, moved: bool
) -> None:
    if not moved:
        later = replace(later, interfaces=host.interfaces, addresses=host.addresses)
    before, after = plan(config, host), plan(config, later)
    held = held_by_service(before, [one.prefix for one in before.announcements])
    found = dead(config, later, host, held)
    assert found.isdisjoint(one.prefix for one in after.announcements)
    if (later.interfaces, later.addresses) == (host.interfaces, host.addresses):
        live = {one.service for one in after.announcements}
        down = (Reason.SERVICE_DOWN, Reason.SERVICE_UNDECIDED, Reason.DAMPED)
        # The plan may name another service, which has the same prefix and is down as well.
        shown = {(one.service, one.prefix) for one in after.withheld if one.reason in down}
        owned = [one for one in before.announcements if (one.service, one.prefix) in shown]
        assert {one.prefix for one in owned if one.prefix in found} == {
            one.prefix for one in owned if one.service not in live
        }


@unhurried
@given(configs(), observations)
def test_a_drained_target_is_not_announced(config: Config, host: Observed) -> None:
    for entry in plan(config, host).announcements:
        stages = {
            drain.stage
            for target, drain in host.drains.items()
            if target in {entry.service, str(entry.prefix)}
        }
        assert Stage.OUT not in stages
        assert entry.graceful_shutdown == (Stage.LOWERED in stages)


@unhurried
@given(configs(), configs(), observations)
def test_shrinking_counts_only_prefixes_that_the_config_can_never_announce(
    before: Config, config: Config, host: Observed
) -> None:
    held = {entry.prefix for entry in plan(before, host).announcements}
    gone = shrinks(held, config, host)
    assert gone <= held
    assert not gone or 2 * len(gone) > len(held)
    assert not gone & {entry.prefix for entry in plan(config, host).announcements}
    assert not shrinks(held, before, host)
    assert not shrinks(held, before, replace(host, checks={}))


@unhurried
@given(configs(), observations)
def test_no_local_pref_rises_along_the_labels(config: Config, host: Observed) -> None:
    made = plan(config, host)
    for service in config.services:
        announced = {
            (entry.source, entry.prefix.network_address): local_pref(entry)
            for entry in made.announcements
            # A drain lowers its own prefix, whatever its place.
            if entry.service == service.name and ":" in entry.source and not entry.graceful_shutdown
        }
        found = sorted(
            {
                (natural(entry.label), entry.address.ip, entry.label)
                for entry in matching(service, host)
            }
        )
        prefs = [announced[label, ip] for _, ip, label in found if (label, ip) in announced]
        assert all(before >= after for before, after in pairwise(prefs))


@unhurried
@given(configs(), observations, st.data())
def test_the_order_of_the_addresses_does_not_matter(
    config: Config, host: Observed, data: st.DataObject
) -> None:
    shuffled = tuple(data.draw(st.permutations(host.addresses)))
    assert plan(config, replace(host, addresses=shuffled)) == plan(config, host)


@unhurried
@given(configs(), observations, unrelated)
def test_an_unrelated_address_changes_no_announcement(
    config: Config, host: Observed, more: HostAddress
) -> None:
    nexthops = {service.anycast.nexthop_interface for service in config.services}
    if more.interface in nexthops:
        more = replace(more, secondary=True)  # else it could be the next hop
    wider = replace(host, addresses=(*host.addresses, more))
    before, after = plan(config, host), plan(config, wider)
    assert after.announcements == before.announcements
    assert [(e.prefix, e.source, e.reason) for e in after.withheld] == [
        (e.prefix, e.source, e.reason) for e in before.withheld
    ]


@unhurried
@given(configs(), observations, st.sampled_from(NAMES), healths)
def test_one_service_never_changes_another(
    config: Config, host: Observed, name: str, health: Health
) -> None:
    before = plan(config, host)
    after = plan(config, replace(host, checks={**host.checks, dns_of(name): health}))

    def others(made: Plan) -> tuple[list[Announcement], list[Withheld]]:
        announced = [entry for entry in made.announcements if entry.service != name]
        return announced, [entry for entry in made.withheld if entry.service != name]

    assert others(after) == others(before)
    assert after.warnings == before.warnings


@unhurried
@given(st.lists(host_addresses(), max_size=8), st.sampled_from(INTERFACES), st.data())
def test_the_next_hop_is_fit_and_chosen_without_regard_to_order(
    host: list[HostAddress], interface: str, data: st.DataObject
) -> None:
    excluded = [ip_address(address) for address in data.draw(st.lists(addresses, max_size=2))]
    shuffled = data.draw(st.permutations(host))
    for family in (4, 6):
        hop = next_hop(host, interface, family, excluded=excluded)
        assert hop == next_hop(shuffled, interface, family, excluded=excluded)
        fit = {
            entry.address.ip
            for entry in host
            if entry.interface == interface
            and entry.address.version == family
            and not unfit(entry, excluded)
        }
        assert hop in fit if fit else hop is None


@unhurried
@given(st.lists(host_addresses(), max_size=8), st.sampled_from(INTERFACES), st.data())
def test_deprecation_decides_only_between_addresses_that_are_fit(
    host: list[HostAddress], interface: str, data: st.DataObject
) -> None:
    peers = [ip_address(address) for address in data.draw(st.lists(addresses, max_size=2))]
    preferred = [entry for entry in host if not entry.deprecated]
    never = [replace(entry, deprecated=False) for entry in host]
    for family in (4, 6):
        hop = next_hop(host, interface, family, peers=peers)
        best = next_hop(preferred, interface, family, peers=peers)
        assert hop == (best or next_hop(never, interface, family, peers=peers))


@unhurried
@given(st.text(max_size=8), st.text(max_size=8), st.text(max_size=8))
def test_the_natural_order_of_labels_is_total(one: str, two: str, three: str) -> None:
    assert (natural(one) == natural(two)) == (one == two)
    once = sorted([one, two, three], key=natural)
    assert sorted([three, one, two], key=natural) == once


@unhurried
@given(st.integers(0, 10**20), st.integers(0, 10**20), st.sampled_from(["", "x", "-1"]))
def test_numbers_in_labels_are_ordered_by_value(one: int, two: int, end: str) -> None:
    assert (natural(f"lo:dns{one}{end}") < natural(f"lo:dns{two}{end}")) == (one < two)


@unhurried
@given(st.lists(results, max_size=20), limits, limits)
def test_the_verdict_follows_the_last_full_row_of_results(
    stream: list[CheckResult], rise: int, fall: int
) -> None:
    health, row, verdict = Health(), [Outcome.UNKNOWN], Verdict.UNKNOWN
    for result in stream:
        health = step(health, result, rise=rise, fall=fall, at=0.0)
        if result.outcome is not Outcome.UNKNOWN:
            row = [*row, result.outcome] if row[-1] is result.outcome else [result.outcome]
        if row[-1] is Outcome.PASS and len(row) >= rise:
            verdict = Verdict.UP
        if row[-1] is Outcome.FAIL and len(row) >= fall:
            verdict = Verdict.DOWN
        assert health.verdict is verdict
        assert health.reason == result.reason


@unhurried
@given(healths, results, limits, limits, st.floats(0, 1000))
def test_counts_are_bounded_and_one_of_them_is_zero(
    health: Health, result: CheckResult, rise: int, fall: int, at: float
) -> None:
    after = step(health, result, rise=rise, fall=fall, at=at)
    if result.outcome is not Outcome.UNKNOWN:
        assert 0 <= after.passes <= rise
        assert 0 <= after.fails <= fall
        assert 0 in {after.passes, after.fails}
        assert after.unknown_since is None


@unhurried
@given(healths, results, limits, limits, st.floats(0, 1000))
def test_ever_up_is_never_cleared(
    health: Health, result: CheckResult, rise: int, fall: int, at: float
) -> None:
    after = step(health, result, rise=rise, fall=fall, at=at)
    was_up = health.ever_up or health.verdict is Verdict.UP
    assert after.ever_up == (was_up or after.verdict is Verdict.UP)
    assert died(health, "gone", fall=fall).ever_up == was_up


@unhurried
@given(healths, limits, limits)
def test_a_proof_of_death_needs_a_whole_rise(health: Health, rise: int, fall: int) -> None:
    gone = died(health, "gone", fall=fall)
    assert (gone.verdict, gone.reason, decided(gone)) == (Verdict.DOWN, "gone", True)
    failed = CheckResult(Outcome.FAIL, "gone")
    assert step(gone, failed, rise=rise, fall=fall, at=0.0) == gone
    health, passed = gone, CheckResult(Outcome.PASS, "a")
    for number in range(1, rise + 1):
        health = step(health, passed, rise=rise, fall=fall, at=0.0)
        assert (health.verdict is Verdict.UP) == (number == rise)


@unhurried
@given(healths, results, limits, limits, st.floats(0, 1000))
def test_a_stream_of_equal_results_settles(
    health: Health, result: CheckResult, rise: int, fall: int, at: float
) -> None:
    for _ in range(max(rise, fall)):
        health = step(health, result, rise=rise, fall=fall, at=at)
    assert step(health, result, rise=rise, fall=fall, at=at) == health
    if result.outcome is not Outcome.UNKNOWN:
        assert step(health, result, rise=rise, fall=fall, at=at + 1000) == health
        assert decided(health)


@unhurried
@given(st.lists(results, max_size=8), st.lists(st.floats(0, 20), min_size=1), st.floats(0, 1e6))
def test_a_check_that_cannot_run_changes_nothing_before_the_limit_and_means_down_after_it(
    stream: list[CheckResult], pauses: list[float], begin: float
) -> None:
    health = Health()
    for result in stream:
        health = step(health, result, rise=2, fall=2, at=begin)
    blind = CheckResult(Outcome.UNKNOWN, "blind")
    since = begin if health.unknown_since is not None else None
    before, at = health, begin
    for pause in pauses:
        at += pause
        since = at if since is None else since
        health = step(health, blind, rise=2, fall=2, at=at)
        assert health.unknown_since == since
        if at - since < UNKNOWN_LIMIT:
            assert replace(health, reason="", unknown_since=None) == replace(
                before, reason="", unknown_since=None
            )
        else:
            assert (health.verdict, decided(health)) == (Verdict.DOWN, True)
