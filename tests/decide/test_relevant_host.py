"""What of a host a config reads: no more may change a plan or a finding, and no less."""

from dataclasses import replace
from ipaddress import ip_address, ip_interface
from operator import attrgetter

from hypothesis import given
from hypothesis import strategies as st

from anycast_routed.config import Anycast, Config, Dns, Service
from anycast_routed.decide.plan import plan
from anycast_routed.decide.relevant_host import RelevantHost
from anycast_routed.model import CheckKey, Host, HostAddress, Observed
from anycast_routed.reconcile.host_findings import of_host
from anycast_routed.supervisor.checks import pulsed_servers
from tests.decide.test_laws import (
    INTERFACES,
    ROUTABLE,
    configs,
    host_addresses,
    observations,
    unhurried,
)
from tests.decide.test_laws import observed_addresses as uplink_and_labels

LINKS = (*INTERFACES, "veth1", "veth2")
names = st.frozensets(st.sampled_from(LINKS))
anywhere = st.builds(
    lambda found, interface: replace(found, interface=interface),
    host_addresses(),
    st.sampled_from(LINKS),
)
hosts = st.builds(
    lambda interfaces, addresses, more, down, vrfs: Host(
        frozenset(interfaces),
        tuple(sorted((*addresses, *more), key=attrgetter("interface"))),
        down,
        dict.fromkeys(vrfs, "red"),
    ),
    st.sampled_from([LINKS, LINKS, LINKS[:2], ("lo", "veth1")]),
    uplink_and_labels,
    st.lists(anywhere, max_size=6),
    names,
    st.just(frozenset()) | names,
)


def relevant_host(config: Config) -> RelevantHost:
    """Return what a config reads, if its own checks are asked."""
    return RelevantHost(config, [check for _, check in checks_of(config)])


def checks_of(config: Config) -> list[tuple[CheckKey, Dns]]:
    """Return all checks of a config."""
    return [
        (CheckKey(one.name, name), check)
        for one in config.services
        for name, check in one.checks.items()
    ]


@st.composite
def asking_configs(draw: st.DrawFn) -> Config:
    """Draw a config whose servers are on this host or not."""
    config = draw(configs())
    services = tuple(
        one.model_copy(
            update={
                "dns": one.dns.model_copy(
                    update={"ip": ip_address(draw(st.sampled_from(["127.0.0.1", *ROUTABLE])))}
                )
            }
        )
        for one in config.services
    )
    return config.model_copy(update={"services": services})


def observed(seen: Observed, host: Host) -> Observed:
    """Return the observation with this host."""
    return replace(
        seen,
        interfaces=host.interfaces,
        addresses=host.addresses,
        down=host.down,
        vrfs=host.vrfs,
    )


@unhurried
@given(asking_configs(), hosts, observations)
def test_what_is_left_out_changes_no_plan_no_finding_and_no_pulse(
    config: Config, host: Host, seen: Observed
) -> None:
    relevant = relevant_host(config).of(host)
    whole, part = observed(seen, host), observed(seen, relevant)
    assert plan(config, part) == plan(config, whole)
    assert plan(config, replace(part, vrfs=host.vrfs)) == plan(config, whole)
    assert list(of_host(config, part, daemon=True)) == list(of_host(config, whole, daemon=True))
    asked = checks_of(config)
    assert pulsed_servers(asked, relevant) == pulsed_servers(asked, host)


@unhurried
@given(asking_configs(), hosts)
def test_what_is_left_is_all_that_is_read(config: Config, host: Host) -> None:
    relevant = relevant_host(config).of(host)
    assert relevant_host(config).of(relevant) == relevant


@unhurried
@given(asking_configs(), hosts, st.sampled_from([frozenset(), frozenset({"veth9"})]))
def test_interfaces_that_no_key_names_come_and_go_unseen(
    config: Config, host: Host, down: frozenset[str]
) -> None:
    added = HostAddress("veth9", ip_interface("fe80::9/64"), scope=253)
    noisy = Host(
        host.interfaces | {"veth9", "veth8"},
        (*host.addresses, added),
        host.down | down,
        {**host.vrfs, "veth8": "blue"},
    )
    one = relevant_host(config)
    assert one.of(noisy) == one.of(host)


def test_only_the_state_of_a_next_hops_interface_is_read() -> None:
    """The interface of the labels carries nothing, so it may be down."""
    section = Anycast(interface="lo", prefix="dns", nexthop_interface="eth0")
    check = Dns(ip=ip_address("127.0.0.1"), query="a.")
    one = relevant_host(Config(services=(Service(name="dns", dns=check, anycast=section),)))
    host = Host(frozenset({"lo", "eth0", "eth1"}), ())
    up = one.of(host)
    assert up.interfaces == {"lo", "eth0"}
    assert one.of(replace(host, down=frozenset({"lo", "eth1"}))) == up
    assert one.of(replace(host, down=frozenset({"eth0"}))) != up
