"""The config file of anycast-dns is valid unchanged, with the same meaning."""

from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from pathlib import Path

import pydantic
import pytest

from anycast_routed.config import Config, Dns, load
from tests.support.configs import Raw, config_of
from tests.support.paths import ANYCAST_DNS_CONFIG

TOML = """
[dns]
ip = "127.0.0.1"
port = 53
query = "google.com"
timeout = 1
interval = "1000ms"

[anycast]
interface = "lo"
prefix = "dns"
localpref = 200
decrease = 10
nexthop-interface = "eth0"
routes = [{ label = "v6-primary", ip = "fd00::10:10:10:10/128", localpref = 200 }]

[bgp]
id = "172.17.2.1"
as = 64512

[[bgp.peers]]
ip = "172.17.2.254"
description = "Edgerouter"
as = 64512

[[bgp.peers]]
ip = "172.17.2.253"
description = "gobgpd"
as = 64512
"""


def test_the_anycast_dns_config_is_one_service_named_dns() -> None:
    config = load(ANYCAST_DNS_CONFIG)
    (service,) = config.services
    assert service.name == "dns"
    assert service.dns.ip == IPv4Address("127.0.0.1")
    assert (service.dns.port, service.dns.query, service.dns.rrtype) == (53, "google.com.", "SOA")
    assert (service.dns.timeout, service.dns.interval, service.dns.fast_interval) == (1, 1, 0.1)
    assert (service.dns.rise, service.dns.fall) == (2, 2)
    assert (service.dns.pulse, service.dns.pulse_interval, service.dns.pid_file) == (
        None,
        0.1,
        None,
    )
    assert (service.dns.on_fail, service.dns.half_life) == ("withdraw", 900)


def test_the_prefixes_of_the_anycast_dns_config() -> None:
    anycast = load(ANYCAST_DNS_CONFIG).services[0].anycast
    assert (anycast.interface, anycast.prefix, anycast.nexthop_interface) == ("lo", "dns", "eth0")
    assert (anycast.localpref, anycast.decrease) == (200, 10)
    assert (anycast.floor, anycast.drain_time) == (0, 5)
    assert (anycast.next_hop_ipv4, anycast.next_hop_ipv6) == (None, None)
    (route,) = anycast.routes
    assert (route.label, route.localpref) == ("v6-primary", 200)
    assert route.ip == IPv6Network("fd00::10:10:10:10/128")


def test_the_sessions_of_the_anycast_dns_config() -> None:
    bgp = load(ANYCAST_DNS_CONFIG).bgp
    assert bgp is not None
    assert (bgp.id, bgp.as_) == (IPv4Address("172.17.2.1"), 64512)
    assert [(str(peer.ip), peer.description, peer.as_) for peer in bgp.peers] == [
        ("172.17.2.254", "Edgerouter", 64512),
        ("172.17.2.253", "gobgpd", 64512),
    ]


def test_the_defaults_of_the_router_and_of_the_daemon() -> None:
    config = load(ANYCAST_DNS_CONFIG)
    assert (config.router.daemon, config.router.vtysh) == ("auto", "vtysh")
    assert config.router.control_socket == Path("/run/bird/bird.ctl")
    assert config.router.config_file == Path("/etc/bird/bird.conf")
    assert config.router.include_file == Path("/run/anycast-routed/bird.conf")
    assert config.router.vty_dir == Path("/var/run/frr")
    assert config.router.template_dir is None
    assert config.daemon.run_dir == Path("/run/anycast-routed")
    assert config.daemon.state_dir == Path("/var/lib/anycast-routed")
    assert config.daemon.on_stop == "withdraw"


def test_the_same_config_in_toml_is_equal(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(TOML)
    assert load(file) == load(ANYCAST_DNS_CONFIG)


def test_the_same_config_in_the_services_form_is_equal(anycast_dns: Raw) -> None:
    service = {"name": "dns", "dns": anycast_dns.pop("dns"), "anycast": anycast_dns.pop("anycast")}
    anycast_dns["services"] = [service]
    assert config_of(anycast_dns) == load(ANYCAST_DNS_CONFIG)


def test_empty_sections_mean_their_defaults(anycast_dns: Raw) -> None:
    anycast_dns |= {"router": {}, "daemon": {}}
    assert config_of(anycast_dns) == load(ANYCAST_DNS_CONFIG)


def test_a_config_is_frozen_and_can_be_hashed() -> None:
    config = load(ANYCAST_DNS_CONFIG)
    with pytest.raises(pydantic.ValidationError):
        setattr(config.services[0].dns, "port", 54)  # noqa: B010 - mypy would refuse an assignment
    assert hash(config) == hash(load(ANYCAST_DNS_CONFIG))


def test_code_may_build_a_section_with_values_and_attribute_names() -> None:
    dns = Dns(ip=IPv6Address("::1"), query="example.com", fast_interval=0.05)
    assert (dns.ip, dns.query, dns.fast_interval) == (IPv6Address("::1"), "example.com.", 0.05)


def test_two_services(anycast_dns: Raw, faults: Callable[[object], dict[str, str]]) -> None:
    one = {
        "name": "one",
        "dns": anycast_dns["dns"],
        "anycast": {"interface": "lo", "prefix": "one"},
    }
    two = {
        "name": "two",
        "dns": anycast_dns["dns"],
        "anycast": {"routes": anycast_dns["anycast"]["routes"]},
    }
    raw = {"services": [one, two]}
    assert faults(raw) == {}
    config = config_of(raw)
    assert isinstance(config, Config)
    assert [service.name for service in config.services] == ["one", "two"]
    assert config.bgp is None
