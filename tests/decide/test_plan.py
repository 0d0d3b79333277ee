"""Examples of the plan; test_laws.py has the laws.

The module is long because all examples share one config and one host.
"""

from dataclasses import replace
from ipaddress import IPv4Address, ip_address, ip_interface, ip_network
from time import process_time

import pytest

from anycast_routed.config import Anycast, Bgp, BgpPeer, Config, Dns, Service, StaticRoute
from anycast_routed.decide.labels import natural
from anycast_routed.decide.plan import plan
from anycast_routed.decide.reload_guard import lost_drains, shrinks
from anycast_routed.model import (
    Drain,
    Health,
    HostAddress,
    Observed,
    Peer,
    Plan,
    Prefix,
    Reason,
    Sessions,
    Stage,
    Verdict,
)
from anycast_routed.report.restrictions import restrictions
from tests.support.desired import announcement
from tests.support.health import checks_of

V6 = "fd00::10:10:10:10/128"
ANYCAST_DNS = Anycast(
    interface="lo",
    prefix="dns",
    localpref=200,
    decrease=10,
    nexthop_interface="eth0",
    routes=(StaticRoute(label="v6-primary", ip=ip_network(V6), localpref=200),),
)
PEERS = (
    BgpPeer(ip=ip_address("172.17.2.254"), description="Edgerouter", as_=64512),
    BgpPeer(ip=ip_address("172.17.2.253"), description="gobgpd", as_=64512),
)
BGP = Bgp(id=IPv4Address("172.17.2.1"), as_=64512, peers=PEERS)
DNS = Dns(ip=ip_address("127.0.0.1"), query="google.com.", rise=2)
UP = Health(Verdict.UP, passes=2, reason="NOERROR")
DOWN = Health(Verdict.DOWN, fails=2, reason="SERVFAIL")
FALLEN = replace(DOWN, ever_up=True)
UPLINK = (
    HostAddress("eth0", ip_interface("172.17.2.1/24")),
    HostAddress("eth0", ip_interface("fd00:17:2::1/64")),
    HostAddress("eth0", ip_interface("fe80::1/64"), scope=253),
)


def config(*sections: Anycast, bgp: Bgp | None = None) -> Config:
    names = ("dns", "web", "ntp")
    services = (Service(name=n, dns=DNS, anycast=a) for n, a in zip(names, sections, strict=False))
    return Config(services=tuple(services), bgp=bgp)


def lowering(*sections: Anycast) -> Config:
    """Return a config whose services are lowered on failure, and not withdrawn."""
    plain = config(*sections)
    lower = DNS.model_copy(update={"on_fail": "lower"})
    return plain.model_copy(
        update={"services": tuple(one.model_copy(update={"dns": lower}) for one in plain.services)}
    )


def notes(made: Plan) -> list[tuple[int | None, bool, str]]:
    return [(one.local_pref, one.graceful_shutdown, one.note) for one in made.announcements]


def details(made: Plan) -> list[tuple[str, str]]:
    return [(entry.reason, entry.detail) for entry in made.withheld]


def anycast(*routes: str, **changes: object) -> Anycast:
    """Return the anycast-dns section with other routes, labelled r1, r2, ..., and other values."""
    static = [StaticRoute(label=f"r{n}", ip=ip_network(ip)) for n, ip in enumerate(routes, 1)]
    return ANYCAST_DNS.model_copy(update={"routes": tuple(static), **changes})


def labelled(address: str, label: str) -> HostAddress:
    return HostAddress("lo", ip_interface(address), label=label)


def said(made: Plan) -> list[str]:
    """Return the warnings of a plan as sentences."""
    return [str(one) for one in made.warnings]


def observed(*addresses: HostAddress, **health: Health) -> Observed:
    return Observed(
        checks=checks_of({"dns": UP, "web": UP, **health}),
        interfaces=frozenset({"lo", "eth0"}),
        addresses=(HostAddress("lo", ip_interface("127.0.0.1/8"), "lo"), *UPLINK, *addresses),
    )


def preferences(made: Plan) -> dict[str, int | None]:
    return {entry.source: entry.local_pref for entry in made.announcements}


def reasons(made: Plan) -> list[tuple[str, str]]:
    return [(entry.source, entry.reason) for entry in made.withheld]


def detail(made: Plan) -> str:
    (entry,) = made.withheld
    return entry.detail


def prefix(text: str) -> Prefix:
    return ip_network(text)


def test_the_anycast_dns_config_announces_its_two_labels_and_its_route() -> None:
    host = observed(
        labelled("10.10.10.11/32", "lo:dns2"),
        labelled("10.10.10.10/32", "lo:dns1"),
        HostAddress("lo", ip_interface(V6)),
    )
    assert plan(config(ANYCAST_DNS, bgp=BGP), host) == Plan(
        services=("dns",),
        sessions=Sessions(
            local_as=64512,
            router_id=IPv4Address("172.17.2.1"),
            peers=(
                Peer(1, ip_address("172.17.2.254"), 64512, "Edgerouter"),
                Peer(2, ip_address("172.17.2.253"), 64512, "gobgpd"),
            ),
        ),
        announcements=(
            announcement("10.10.10.10/32", 200, source="lo:dns1"),
            announcement("10.10.10.11/32", 190, source="lo:dns2"),
            announcement(V6, 200, source="v6-primary"),
        ),
        withheld=(),
    )


def test_labels_are_in_natural_order() -> None:
    labels = ["dns10", "dns2", "dns01", "dns1", "dns", "dnsx", "dns-a", "dns9" + "0" * 5000]
    assert sorted(labels, key=natural) == [
        *("dns", "dns01", "dns1", "dns2", "dns10", labels[-1], "dns-a", "dnsx")
    ]


def test_only_labels_with_the_prefix_on_the_interface_count() -> None:
    host = observed(
        labelled("10.0.0.1/32", "lo:dn"),
        labelled("10.0.0.2/32", "lo"),
        labelled("10.0.0.3/32", "eth0:dns1"),
        HostAddress("eth0", ip_interface("10.0.0.4/32"), label="eth0:dns1"),
        HostAddress("lo", ip_interface("fd00::1/128"), label="lo:dns1"),
    )
    made = plan(config(anycast()), host)
    assert (made.announcements, made.withheld) == ((), ())
    labels = "no IPv4 address on lo has a label that starts with lo:dns"
    nothing = f"dns: nothing to announce: {labels}, and no routes are configured"
    assert said(made) == [nothing]


def test_an_underflow_withholds_that_label_and_the_later_ones() -> None:
    labels = [labelled(f"10.0.0.{n}/32", f"lo:dns{n}") for n in range(1, 6)]
    made = plan(config(anycast(localpref=20)), observed(*labels))
    assert preferences(made) == {"lo:dns1": 20, "lo:dns2": 10, "lo:dns3": 0}
    underflow = Reason.LOCAL_PREF_UNDERFLOW
    assert reasons(made) == [("lo:dns4", underflow), ("lo:dns5", underflow)]
    assert made.withheld[0].detail == "its LocalPref would be below 0: 20 less 3 times 10"


@pytest.mark.parametrize("evil", ['"', "\n", "{{x}}", "../", "é", " ", "\udc80", "\\", "\x1b[2J"])
def test_a_bad_label_is_withheld_escaped_and_keeps_its_place(evil: str) -> None:
    host = observed(
        labelled("10.0.0.1/32", "lo:dns1"),
        labelled("10.0.0.2/32", f"lo:dns2{evil}"),
        labelled("10.0.0.3/32", "lo:dns3"),
    )
    made = plan(config(anycast()), host)
    assert preferences(made) == {"lo:dns1": 200, "lo:dns3": 180}
    (bad,) = made.withheld
    assert bad.reason is Reason.BAD_LABEL
    assert bad.source in bad.detail
    assert bad.detail.isascii()
    assert bad.detail.isprintable()


def test_an_address_without_a_32_mask_is_announced_as_its_host_part() -> None:
    made = plan(config(anycast()), observed(labelled("10.0.0.7/24", "lo:dns1")))
    assert [entry.prefix for entry in made.announcements] == [prefix("10.0.0.7/32")]
    assert said(made) == [
        "lo:dns1: 10.0.0.7/24 is not a /32; its host part 10.0.0.7/32 is announced",
    ]


@pytest.mark.parametrize("address", ["127.0.0.2", "0.0.0.0", "224.0.0.5", "169.254.1.1"])  # noqa: S104 - nothing is bound
def test_an_address_that_cannot_be_announced_keeps_its_place(address: str) -> None:
    host = observed(labelled(f"{address}/8", "lo:dns1"), labelled("10.0.0.2/32", "lo:dns2"))
    made = plan(config(anycast()), host)
    assert preferences(made) == {"lo:dns2": 190}
    assert reasons(made) == [("lo:dns1", Reason.NOT_USABLE)]
    assert address in detail(made)
    assert made.warnings == ()


def test_a_prefix_goes_to_the_first_label_then_route_then_service() -> None:
    host = observed(labelled("10.0.0.1/32", "lo:dns1"), labelled("10.0.0.1/24", "lo:dns2"))
    made = plan(config(anycast("10.0.0.1/32"), anycast("10.0.0.1/32", prefix="web")), host)
    assert preferences(made) == {"lo:dns1": 200}
    duplicate = Reason.DUPLICATE
    assert reasons(made) == [("lo:dns2", duplicate), ("r1", duplicate), ("r1", duplicate)]
    assert {entry.detail for entry in made.withheld} == {
        "10.0.0.1/32 belongs to lo:dns1 of service dns, which comes first"
    }


def test_a_label_with_a_fault_takes_no_prefix_from_a_route() -> None:
    made = plan(config(anycast("10.0.0.1/32")), observed(labelled("10.0.0.1/32", "lo:dns'")))
    assert preferences(made) == {"r1": 200}
    assert reasons(made) == [("lo:dns'", Reason.BAD_LABEL)]


def test_a_prefix_stays_with_its_service_while_that_is_down() -> None:
    made = plan(config(anycast("10.0.0.1/32"), anycast("10.0.0.1/32")), observed(dns=DOWN))
    assert made.announcements == ()
    assert [entry.reason for entry in made.withheld] == [Reason.SERVICE_DOWN, Reason.DUPLICATE]


@pytest.mark.parametrize(
    ("health", "reason", "words"),
    [
        (DOWN, Reason.SERVICE_DOWN, "dns is down: SERVFAIL"),
        (
            replace(DOWN, passes=1, fails=0, reason="NOERROR"),
            Reason.SERVICE_DOWN,
            "dns is down, with 1 of the 2 passes in a row that it needs: NOERROR",
        ),
        (Health(), Reason.SERVICE_UNDECIDED, "dns is not decided yet: not checked yet"),
    ],
)
def test_a_service_that_is_not_up_is_withheld(health: Health, reason: Reason, words: str) -> None:
    made = plan(config(ANYCAST_DNS), observed(labelled("10.0.0.1/32", "lo:dns1"), dns=health))
    assert made.announcements == ()
    assert [(entry.reason, entry.detail) for entry in made.withheld] == [(reason, words)] * 2


def test_an_unchecked_service_is_undecided() -> None:
    host = replace(observed(), checks={})
    assert reasons(plan(config(ANYCAST_DNS), host)) == [("v6-primary", Reason.SERVICE_UNDECIDED)]


def test_the_first_reason_to_withhold_wins() -> None:
    host = observed(labelled("127.0.0.2/32", "lo:dns 1"))
    nowhere = config(anycast(nexthop_interface="eth7"))
    down = replace(host, checks=checks_of({"dns": DOWN}))
    assert reasons(plan(nowhere, down)) == [("lo:dns 1", Reason.SERVICE_DOWN)]
    assert reasons(plan(nowhere, host)) == [("lo:dns 1", Reason.BAD_LABEL)]


def test_a_family_without_a_next_hop_leaves_the_other_alone() -> None:
    host = observed(labelled("10.0.0.1/32", "lo:dns1"))
    host = replace(host, addresses=tuple(a for a in host.addresses if a != UPLINK[1]))
    made = plan(config(ANYCAST_DNS), host)
    assert preferences(made) == {"lo:dns1": 200}
    assert reasons(made) == [("v6-primary", Reason.NO_NEXT_HOP)]
    assert detail(made) == (
        "eth0 has no IPv6 address that can be a next hop: fe80::1 is IPv6 link-local"
    )


def test_a_missing_next_hop_names_the_unfit_addresses() -> None:
    bare = replace(observed(), addresses=())
    assert (
        detail(plan(config(ANYCAST_DNS), bare))
        == "eth0 has no IPv6 address, so there is no next hop"
    )
    many = tuple(HostAddress("eth0", ip_interface(f"fe80::{n}/64")) for n in range(1, 6))
    assert detail(plan(config(ANYCAST_DNS), replace(bare, addresses=many))).endswith(
        "fe80::3 is IPv6 link-local, and 2 more"
    )
    none = config(anycast("10.0.0.1/32", nexthop_interface=None))
    assert detail(plan(none, bare)) == ("neither nexthop-interface nor next-hop-ipv4 is configured")


def test_an_explicit_next_hop_needs_no_interface() -> None:
    explicit = anycast(
        "10.0.0.1/32", V6, nexthop_interface="eth7", next_hop_ipv4=IPv4Address("192.0.2.1")
    )
    made = plan(config(explicit), observed())
    assert [entry.next_hop for entry in made.announcements] == [ip_address("192.0.2.1")]
    assert reasons(made) == [("r2", Reason.INTERFACE_MISSING)]
    assert detail(made) == "the nexthop-interface eth7 does not exist on this host"


def test_a_service_address_is_no_next_hop_even_while_its_service_is_down() -> None:
    both = config(anycast("172.17.2.1/32"), anycast("10.0.0.2/32"))
    made = plan(both, observed(dns=DOWN))
    assert [entry.reason for entry in made.withheld] == [Reason.NO_NEXT_HOP, Reason.SERVICE_DOWN]
    assert "172.17.2.1 is a service address" in made.withheld[0].detail


def test_the_next_hop_is_in_the_subnet_of_a_peer() -> None:
    host = observed(HostAddress("eth0", ip_interface("10.0.0.1/24")))
    made = plan(config(anycast("10.9.9.9/32"), bgp=BGP), host)
    assert [entry.next_hop for entry in made.announcements] == [ip_address("172.17.2.1")]


def test_a_missing_interface_has_no_prefix_and_leaves_routes_alone() -> None:
    made = plan(config(ANYCAST_DNS.model_copy(update={"interface": "dummy0"})), observed())
    assert preferences(made) == {"v6-primary": 200}
    assert [entry.prefix for entry in made.withheld] == [None]
    assert reasons(made) == [("dummy0:dns", Reason.INTERFACE_MISSING)]
    assert "dummy0" in detail(made)
    gone = plan(config(anycast(interface="dummy0")), observed())
    assert gone.warnings == ()


def test_a_route_that_is_not_on_the_host_is_announced_and_says_so() -> None:
    made = plan(config(anycast(V6)), observed())
    assert [entry.on_host for entry in made.announcements] == [False]


def test_a_route_whose_address_is_tentative_is_withheld() -> None:
    tentative = replace(HostAddress("lo", ip_interface(V6)), tentative=True)
    made = plan(config(ANYCAST_DNS), observed(tentative))
    assert reasons(made) == [("v6-primary", Reason.NOT_USABLE)]
    assert "is tentative on this host" in detail(made)
    twice = plan(config(ANYCAST_DNS), observed(tentative, replace(tentative, tentative=False)))
    assert preferences(twice) == {"v6-primary": 200}


def test_each_ebgp_peer_causes_a_warning() -> None:
    peers = (*PEERS[:1], BgpPeer(ip=ip_address("192.0.2.1"), as_=65001))
    named = BgpPeer(ip=ip_address("192.0.2.2"), description="IX", as_=65002)
    bgp = BGP.model_copy(update={"peers": (*peers, named)})
    made = plan(config(ANYCAST_DNS, bgp=bgp), observed(labelled("10.0.0.1/32", "lo:dns1")))
    rest = "and this host in AS 64512: LocalPref does not reach it (RFC 4271 section 5.1.5)"
    assert said(made) == [
        f"192.0.2.1: the peer is in AS 65001 {rest}",
        f"192.0.2.2 (IX): the peer is in AS 65002 {rest}",
    ]


def test_a_service_with_routes_reports_that_none_of_its_labels_exist() -> None:
    made = plan(config(ANYCAST_DNS), observed(labelled("10.0.0.1/32", "lo:dn")))
    assert preferences(made) == {"v6-primary": 200}
    assert said(made) == ["dns: no IPv4 address on lo has a label that starts with lo:dns"]
    assert plan(config(ANYCAST_DNS), observed(labelled("10.0.0.1/32", "lo:dns1"))).warnings == ()


def test_each_restriction_of_a_service_is_a_sentence() -> None:
    both = config(anycast(), anycast(prefix="web"))
    down = observed(web=Health(Verdict.DOWN, reason="SERVFAIL"))
    assert list(restrictions(both, down)) == ["web is down: SERVFAIL"]
    drains = {"dns": Drain(Stage.OUT, "until noon"), "web": Drain(Stage.LOWERED, "new kernel")}
    assert list(restrictions(both, replace(observed(), drains=drains))) == [
        "dns is drained until noon",
        "web is draining: new kernel",
    ]


def test_without_labels_and_routes_there_is_nothing_to_announce() -> None:
    made = plan(config(anycast(interface=None, prefix=None)), observed())
    assert said(made) == ["dns: nothing to announce: no routes are configured"]
    assert made.sessions is None


def test_a_thousand_labels_are_planned_well_within_a_second() -> None:
    labels = [labelled(f"10.0.{n // 250}.{n % 250}/32", f"lo:dns{n}") for n in range(1, 1001)]
    begun = process_time()
    made = plan(config(anycast(decrease=0)), observed(*labels))
    assert process_time() - begun < 0.5
    assert len(made.announcements) == 1000


ONE = anycast("10.0.0.1/32", floor=7)
HOST = observed()


def test_a_service_that_was_up_is_lowered_if_on_fail_says_so() -> None:
    fallen = observed(dns=FALLEN)
    why = "lowered: dns is down: SERVFAIL"
    assert notes(plan(lowering(ONE), fallen)) == [(7, False, why)]
    assert details(plan(config(ONE), fallen)) == [(Reason.SERVICE_DOWN, "dns is down: SERVFAIL")]
    high = ONE.model_copy(update={"floor": 900})
    assert notes(plan(lowering(high), fallen)) == [(200, False, why)], "never more than its own"


@pytest.mark.parametrize(
    ("health", "reason"),
    [(DOWN, Reason.SERVICE_DOWN), (Health(), Reason.SERVICE_UNDECIDED)],
)
def test_a_service_that_was_never_up_is_withheld_despite_on_fail(
    health: Health, reason: Reason
) -> None:
    made = plan(lowering(ONE), observed(dns=health))
    assert made.announcements == ()
    assert reasons(made) == [("r1", reason)]


@pytest.mark.parametrize(
    ("given", "words"), [("", ""), ("new disk, until 14:00", ": new disk, until 14:00")]
)
def test_a_drain_lowers_first_and_then_withdraws(given: str, words: str) -> None:
    lowered = replace(HOST, drains={"dns": Drain(Stage.LOWERED, given)})
    assert notes(plan(config(ONE), lowered)) == [(0, True, f"draining{words}")]
    out = replace(HOST, drains={"dns": Drain(Stage.OUT, given)})
    assert details(plan(config(ONE), out)) == [(Reason.DRAINED, f"dns is drained{words}")]


def test_the_drain_of_a_prefix_leaves_its_service_alone() -> None:
    two = config(anycast("10.0.0.1/32", "10.0.0.2/32"))
    drains = {"10.0.0.2/32": Drain(Stage.OUT, "moved"), "web": Drain(Stage.OUT)}
    made = plan(two, replace(HOST, drains=drains))
    assert preferences(made) == {"r1": 200}
    assert details(made) == [(Reason.DRAINED, "10.0.0.2/32 is drained: moved")]


@pytest.mark.parametrize(
    ("service", "prefix", "expected"),
    [
        (Stage.LOWERED, Stage.LOWERED, "draining: of the service"),
        (Stage.LOWERED, Stage.OUT, "10.0.0.1/32 is drained: of the prefix"),
        (Stage.OUT, Stage.LOWERED, "dns is drained: of the service"),
        (Stage.OUT, Stage.OUT, "dns is drained: of the service"),
    ],
)
def test_of_two_drains_the_further_one_counts(service: Stage, prefix: Stage, expected: str) -> None:
    drains = {
        "10.0.0.1/32": Drain(prefix, "of the prefix"),
        "dns": Drain(service, "of the service"),
    }
    made = plan(config(ONE), replace(HOST, drains=drains))
    assert [*(one.note for one in made.announcements), *(w.detail for w in made.withheld)] == [
        expected
    ]


def test_a_drain_announces_nothing_that_was_withheld() -> None:
    drains = {"dns": Drain(Stage.LOWERED)}
    assert reasons(plan(config(ONE), replace(observed(dns=FALLEN), drains=drains))) == [
        ("r1", Reason.SERVICE_DOWN)
    ]
    nowhere = config(anycast("10.0.0.1/32", nexthop_interface="eth7"))
    assert reasons(plan(nowhere, replace(HOST, drains=drains))) == [
        ("r1", Reason.INTERFACE_MISSING)
    ]


def test_a_flapping_service_waits_or_is_lowered() -> None:
    waits = replace(HOST, damped={"dns": "dns has gone down 3 times, and waits 12m more"})
    made = plan(config(ONE), waits)
    assert details(made) == [(Reason.DAMPED, "dns has gone down 3 times, and waits 12m more")]
    why = "lowered: dns has gone down 3 times, and waits 12m more"
    assert notes(plan(lowering(ONE), waits)) == [(7, False, why)]


def test_all_reasons_to_lower_are_in_the_note_and_the_lowest_local_pref_wins() -> None:
    both = replace(observed(dns=FALLEN), drains={"dns": Drain(Stage.LOWERED, "new disk")})
    why = "draining: new disk; lowered: dns is down: SERVFAIL"
    assert notes(plan(lowering(ONE), both)) == [(0, True, why)]


def test_a_drain_wins_over_the_verdict_and_the_verdict_over_flapping() -> None:
    drains, damped = {"dns": Drain(Stage.OUT)}, {"dns": "it waits"}
    down = replace(observed(dns=FALLEN), drains=drains, damped=damped)
    assert reasons(plan(config(ONE), down)) == [("r1", Reason.DRAINED)]
    assert reasons(plan(config(ONE), replace(down, drains={}))) == [("r1", Reason.SERVICE_DOWN)]
    assert reasons(plan(lowering(ONE), down)) == [("r1", Reason.DRAINED)]


def test_a_config_that_removes_more_than_half_of_the_held_prefixes_shrinks() -> None:
    held = {prefix(f"10.0.0.{n}/32") for n in range(1, 5)}
    half, less = anycast("10.0.0.1/32", "10.0.0.2/32"), anycast("10.0.0.1/32")
    assert shrinks(held, config(half), HOST) == frozenset()
    assert shrinks(held, config(less), HOST) == held - {prefix("10.0.0.1/32")}
    assert shrinks((), config(less), HOST) == frozenset()


def test_a_temporary_state_is_no_shrinking() -> None:
    held = {prefix("10.0.0.1/32")}
    drains = {"dns": Drain(Stage.OUT)}
    host = replace(observed(dns=DOWN), drains=drains, damped={"dns": "it waits"})
    assert plan(config(ONE), host).announcements == ()
    assert shrinks(held, config(ONE), host) == frozenset()
    mistyped = ONE.model_copy(update={"nexthop_interface": "eht0"})
    assert shrinks(held, config(mistyped), host) == held


def test_a_drain_is_lost_if_only_the_old_config_has_its_target() -> None:
    drains = {name: Drain(Stage.OUT) for name in ("dns", "10.0.0.1/32", "gone", "10.9.9.9/32")}
    host, before = replace(HOST, drains=drains), config(ONE)
    service = before.services[0].model_copy(update={"name": "resolver"})
    renamed = before.model_copy(update={"services": (service,)})
    assert lost_drains(before, before, host) == frozenset()
    assert lost_drains(before, renamed, host) == {"dns"}
    assert lost_drains(before, config(anycast("10.0.0.2/32")), host) == {"10.0.0.1/32"}
    assert lost_drains(before, renamed, HOST) == frozenset()
