"""An interface that is down gives no next hop, and changes nothing else."""

from dataclasses import replace
from ipaddress import IPv4Address, ip_address, ip_interface, ip_network

from hypothesis import given
from hypothesis import strategies as st

from anycast_routed.config import Anycast, Config, Dns, Service, StaticRoute
from anycast_routed.decide.plan import plan
from anycast_routed.model import Health, HostAddress, Observed, Plan, Reason, Verdict
from tests.support.health import checks_of, dns_of

UP = Health(Verdict.UP, passes=2, reason="NOERROR")
INTERFACES = ("lo", "eth0", "eth1")
NAMES = ("by-eth0", "by-eth1", "explicit")


def service(name: str, number: int, **where: object) -> Service:
    route = StaticRoute(label="route", ip=ip_network(f"10.10.10.{number}/32"), localpref=200)
    section = Anycast(interface="lo", prefix=f"{name}-", localpref=200, decrease=10)
    return Service(
        name=name,
        dns=Dns(ip=ip_address("127.0.0.1"), query="google.com."),
        anycast=section.model_copy(update={"routes": (route,), **where}),
    )


CONFIG = Config(
    services=(
        service("by-eth0", 1, nexthop_interface="eth0"),
        service("by-eth1", 2, nexthop_interface="eth1"),
        service("explicit", 3, next_hop_ipv4=IPv4Address("172.17.2.9")),
    )
)
HOST = Observed(
    checks=checks_of(dict.fromkeys(NAMES, UP)),
    interfaces=frozenset(INTERFACES),
    addresses=(
        HostAddress("eth0", ip_interface("172.17.2.1/24")),
        HostAddress("eth1", ip_interface("172.18.2.1/24")),
    ),
)


def announced(made: Plan) -> set[str]:
    return {one.service for one in made.announcements}


def test_the_withheld_prefix_says_which_interface_is_down() -> None:
    made = plan(CONFIG, replace(HOST, down=frozenset({"eth0"})))
    assert announced(made) == {"by-eth1", "explicit"}
    assert [(one.service, one.reason, one.detail) for one in made.withheld] == [
        ("by-eth0", Reason.NO_NEXT_HOP, "eth0 is down, so there is no next hop")
    ]


def test_a_dead_service_is_the_reason_before_the_interface() -> None:
    dead = replace(UP, verdict=Verdict.DOWN, passes=0, fails=2, reason="SERVFAIL")
    host = replace(HOST, checks={**HOST.checks, dns_of("by-eth0"): dead}, down=frozenset({"eth0"}))
    assert [one.reason for one in plan(CONFIG, host).withheld] == [Reason.SERVICE_DOWN]


def test_a_missing_interface_is_reported_as_missing() -> None:
    gone = replace(HOST, interfaces=frozenset({"lo", "eth1"}), down=frozenset({"eth0"}))
    assert [one.reason for one in plan(CONFIG, gone).withheld] == [Reason.INTERFACE_MISSING]


@given(st.frozensets(st.sampled_from(INTERFACES)))
def test_only_services_with_their_next_hop_on_that_interface_are_withheld(
    down: frozenset[str],
) -> None:
    whole, made = plan(CONFIG, HOST), plan(CONFIG, replace(HOST, down=down))
    assert announced(made) == {name for name in NAMES if name.removeprefix("by-") not in down}
    assert set(made.announcements) <= set(whole.announcements)
