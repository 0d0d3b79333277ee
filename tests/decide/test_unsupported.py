"""What is named as not supported on a host: parts in a VRF, and a DNS server elsewhere."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_interface
from typing import Any

import pytest

from anycast_routed.decide.plan import plan
from anycast_routed.decide.unsupported import parts_in_vrfs, without_pulse
from anycast_routed.model import Code, HostAddress, Observed, Severity
from tests.support.configs import anycast_dns, config_of

HOST = Observed(
    checks={},
    interfaces=frozenset({"lo", "eth0", "blue"}),
    addresses=(
        HostAddress("eth0", ip_interface("172.17.2.1/24")),
        HostAddress("lo", ip_interface("10.10.10.10/32"), "lo:dns1"),
        HostAddress("blue", ip_interface("10.10.10.11/32"), "blue:dns2"),
    ),
)


def config(**dns: object) -> Any:  # noqa: ANN401 - a Config
    raw = anycast_dns()
    raw["dns"] |= dns
    raw["anycast"] |= {"interface": "lo", "nexthop-interface": "eth0"}
    raw["anycast"]["routes"] = [{"label": "second", "ip": "10.10.10.11/32"}]
    return config_of(raw)


@pytest.mark.parametrize(
    ("vrfs", "named"),
    [
        ({"blue": "blue"}, ["10.10.10.11 is in VRF blue"]),
        ({"eth0": "red"}, ["nexthop-interface eth0 is in VRF red"]),
        ({"lo": "red"}, ["interface lo is in VRF red", "10.10.10.10 is in VRF red"]),
    ],
)
@pytest.mark.fault(48)
def test_each_part_in_a_vrf_is_named(vrfs: dict[str, str], named: list[str]) -> None:
    host = replace(HOST, vrfs=vrfs)
    (found,) = parts_in_vrfs(config(), host)
    assert (found.code, found.about) == (Code.VRF_NOT_SUPPORTED, "service dns")
    assert found.severity is Severity.WARNING
    assert all(one in found.detail for one in named), found.detail
    assert found.detail.count("VRF") == 1 + len(named)
    assert found in plan(config(), host).warnings


@pytest.mark.fault(48)
def test_the_servers_address_in_a_vrf_is_named() -> None:
    (found,) = parts_in_vrfs(config(ip="10.10.10.11"), replace(HOST, vrfs={"blue": "blue"}))
    assert "the address 10.10.10.11 of the DNS server is in VRF blue" in found.detail


def test_an_address_that_is_in_the_default_vrf_too_is_supported() -> None:
    also = (*HOST.addresses, HostAddress("lo", ip_interface("10.10.10.11/32")))
    host = replace(HOST, addresses=also, vrfs={"blue": "blue"})
    assert not list(parts_in_vrfs(config(ip="10.10.10.11"), host))


def test_without_vrfs_there_is_no_finding() -> None:
    assert not list(parts_in_vrfs(config(), HOST))


@pytest.mark.fault(48)
def test_a_server_that_is_not_on_this_host_has_no_pulse_and_a_note_says_so() -> None:
    (found,) = without_pulse(config(ip="172.17.0.2"), HOST)
    assert (found.code, found.severity) == (Code.SERVER_ELSEWHERE, Severity.NOTE)
    assert "the DNS server 172.17.0.2 is not on this host" in found.detail
    assert "container" in found.detail


@pytest.mark.parametrize("dns", [{"ip": "127.0.0.53"}, {"ip": "10.10.10.11"}])
@pytest.mark.parametrize("pulse", [None, True, False])
def test_a_server_on_this_host_gives_no_note(dns: dict[str, str], pulse: bool | None) -> None:  # noqa: FBT001 - a value of the config
    given = {} if pulse is None else {"pulse": pulse}
    assert not list(without_pulse(config(**dns, **given), HOST))


@pytest.mark.parametrize("pulse", [True, False])
def test_what_the_config_orders_is_not_noted(pulse: bool) -> None:  # noqa: FBT001 - a value of the config
    assert not list(without_pulse(config(ip="172.17.0.2", pulse=pulse), HOST))
