"""Faults of a config are reported, each with the path of its key."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from anycast_routed.config import InvalidConfigError, loads
from tests.support.configs import Raw, config_of

Faults = Callable[[object], dict[str, str]]


def change(raw: Raw, path: str, value: object) -> None:
    """Put a value at a path such as `bgp.peers[1].as`."""
    *parents, last = [
        int(part) if part.isdigit() else part for part in re.findall(r"[A-Za-z0-9_-]+", path)
    ]
    holder: Any = raw
    for part in parents:
        holder = holder.setdefault(part, {}) if isinstance(holder, dict) else holder[part]
    holder[last] = value


LONG_NAME = ".".join(["a" * 60] * 5)
ADDRESSES = ["", "x", 1, "1.2.3", "01.2.3.4", "::1%eth0", '::1%";', "::", "224.0.0.1"]
ADDRESSES += ["255.255.255.255", "ff02::1", "fe80::1", "::ffff:10.0.0.1", "10.0.0.1/32", "0.0.0.0"]  # noqa: S104
STRINGS: dict[str, list[object]] = {
    "dns.query": ["", "..", ".a", "a..b", "a b", "ä.example", "a\n", "a" * 64, LONG_NAME, 'a"', 3],
    "dns.rrtype": ["", "ANY", "axfr", "IXFR", "OPT", "NOPE", "\u017foa", 6],
    "anycast.interface": ["", "a" * 16, "lo:dns", "a/b", "a b", ".", "..", "ä", "a;", "a\n"],
    "anycast.prefix": ["", "lo:dns", "a b", "a" * 14, "{{x}}", "a\n", "ä"],
    "anycast.nexthop-interface": ["", "a" * 16, "eth0:1", "$x"],
    "anycast.routes[0].label": ["", "a" * 65, "a b", "a:b", "ä", "a\n", '"'],
    "bgp.peers[0].description": [*'"\\|;{}$#`', "a" * 81, " a", "a ", "a  b", "a\nb", "ä", 5],
    "router.daemon": ["", "BIRD", "quagga", True],
    "router.vtysh": ["", "a b", "./vtysh", "-c", "a;b", "/usr/bin/../vtysh"],
    "router.control-socket": ["bird.ctl", "/" + "a" * 107, "", 1],
    "router.config-file": ["etc/bird.conf", '/a"b', "/a\nb", "/a/../b", "/", "//a", "/a b ", "/*"],
    "router.include-file": ["/" + "a" * 255, "/run/[d]/x", "/{x}", "/a  b", "/ä"],
    "router.vty-dir": ["run", "/a;b"],
    "router.template-dir": ["templates", "/$HOME"],
    "daemon.run-dir": ["run", "/a`b`"],
    "daemon.state-dir": ["state", "/", 1],
    "daemon.on-stop": ["", "Withdraw", True],
    "bgp.other-neighbors": ["", "Warn", True],
    "dns.on-fail": ["", "lowered", False],
    "dns.pid-file": ["unbound.pid", "/a;b", 7],
    "dns.pulse": [0, 1, "true", "False", "yes", "", 1.0, []],
}
NUMBERS: dict[str, list[object]] = {
    "dns.port": ["", "0", "65536", "dns", "-1", "5 3", "\u0665\u0663", 0, 65536, 53.0, True],
    "dns.timeout": ["", "5", "-1s", "+1s", "1x", "1d", "1s ", "0s", "61s", 0, -1, 61, True, "1e3s"],
    "dns.interval": ["", "0s", "2h", "100us", "1ns", [], {}],
    "dns.fast-interval": ["0.5", "0s", False],
    "dns.pulse-interval": ["9ms", "61m", "0s", 0, 0.001, True],
    "dns.half-life": ["-1s", "15", "25h", -1, 86401, False],
    "anycast.drain-time": ["-1s", "61m", -0.5, 3601, True],
    "anycast.floor": [-1, 4294967296, "0", True],
    "dns.rise": [0, 101, "2", 2.0, True],
    "dns.fall": [0, 101, -1],
    "anycast.localpref": [-1, 4294967296, "200", "x", 200.0, True, 10**50],
    "anycast.decrease": [-1, 4294967296, "0"],
    "anycast.routes[0].localpref": [-1, 4294967296, "200"],
    "bgp.as": [0, 23456, 65535, 4294967295, 4294967296, -1, "64512", "1.10", 64512.0, True],
    "bgp.peers[1].as": [0, 23456, 65535, 4294967295],
}
PREFIXES = ["", "x", "10.0.0.1", "10.0.0.0/24", "10.0.0.1/24", "fd00::1/64", "fd00::1", "10.0.0.1/"]
PREFIXES += ["10.0.0.1/255.255.255.255", "10.0.0.1/032", "0.0.0.0/32", "::/128", "127.0.0.1/32"]
PREFIXES += ["::1/128", "224.0.0.1/32", "ff02::1/128", "169.254.1.1/32", "fe80::1/128", "::5/128"]
PREFIXES += ["::ffff:10.0.0.1/128", "fd00::1%x/128", "240.0.0.1/32", "10.0.0.1/128", "fd00::1/32"]
CASES = [
    *((path, value) for path, values in {**STRINGS, **NUMBERS}.items() for value in values),
    *(("anycast.routes[0].ip", value) for value in PREFIXES),
    *(("dns.ip", value) for value in ADDRESSES),
    *(("bgp.peers[1].ip", value) for value in [*ADDRESSES, "127.0.0.1", "::1", "172.17.2.1"]),
    *(("bgp.id", value) for value in ["224.0.0.1", "0.1.1.1", "::1", "fd00::1", 1, "1"]),
    *(("anycast.next-hop-ipv4", value) for value in [*ADDRESSES, "127.0.0.1", "fd00::1"]),
    *(("anycast.next-hop-ipv6", value) for value in [*ADDRESSES, "::1", "10.0.0.1"]),
]
LISTS = ["bgp.peers", "anycast.routes", "services"]
SECTIONS = ["dns", "anycast", "bgp", "router", "daemon", "bgp.peers[0]", "anycast.routes[0]"]


@pytest.mark.parametrize(
    ("path", "value"),
    [pytest.param(*case, id=f"{case[0]}={ascii(case[1])[:90]}") for case in CASES],
)
def test_a_wrong_value_is_refused_at_its_path(
    anycast_dns: Raw, faults: Faults, path: str, value: object
) -> None:
    change(anycast_dns, path, value)
    found = faults(anycast_dns)
    assert list(found) == [path]
    assert not re.search("[Ii]nput|valid |pydantic", found[path])
    assert found[path].isprintable()


@pytest.mark.parametrize("path", [*STRINGS, *NUMBERS, "dns.ip", "bgp", "router", "dns"])
def test_null_is_refused(anycast_dns: Raw, faults: Faults, path: str) -> None:
    change(anycast_dns, path, None)
    assert faults(anycast_dns)[path] == "must not be null; leave the key out"


@pytest.mark.parametrize("path", SECTIONS)
def test_a_list_in_place_of_a_section_is_refused(
    anycast_dns: Raw, faults: Faults, path: str
) -> None:
    change(anycast_dns, path, [1])
    assert faults(anycast_dns) == {path: "must be a section, not a list; "}


@pytest.mark.parametrize("value", [{}, "x", 1, True])
def test_a_value_in_place_of_a_list_is_refused(
    anycast_dns: Raw, faults: Faults, value: object
) -> None:
    change(anycast_dns, "bgp.peers", value)
    assert faults(anycast_dns)["bgp.peers"].startswith("must be a list, not ")


@pytest.mark.parametrize(
    "path", ["dns", "anycast", "dns.ip", "dns.query", "bgp.id", "bgp.as", "bgp.peers"]
)
def test_a_missing_key_is_named(anycast_dns: Raw, faults: Faults, path: str) -> None:
    holder, last = (
        (anycast_dns[path.split(".", maxsplit=1)[0]], path.split(".")[1])
        if "." in path
        else (anycast_dns, path)
    )
    del holder[last]
    (fault,) = faults(anycast_dns).items()
    assert fault[0] == path
    assert fault[1].startswith("is missing; ")


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("anycast.nexthop_interface", 'did you mean "nexthop-interface"?'),
        ("dns.time-out", 'did you mean "timeout"?'),
        ("dns.Port", 'did you mean "port"?'),
        ("bpg", 'did you mean "bgp"?'),
        ("dns.localpref", "it belongs in anycast or in anycast.routes[]"),
        ("bgp.timeout", "it belongs in dns"),
        ("anycast.bgp", "it belongs at the top"),
        ("daemon.vtysh", "it belongs in router"),
        ("bgp.peers[0].qqq", "its keys are as, description, ip"),
        ("dns.transport", "its keys are fall, fast-interval, half-life, interval, ip, on-fail, "),
        ("bgp.peers[0].as_", 'did you mean "as"?'),
    ],
)
def test_an_unknown_key_gets_the_nearest_key_as_hint(
    anycast_dns: Raw, faults: Faults, path: str, hint: str
) -> None:
    change(anycast_dns, path, 1)
    (fault,) = faults(anycast_dns).items()
    assert fault[0] == path
    assert fault[1].startswith(f"is not a key of this section; {hint}")


def test_an_unknown_key_with_escapes_is_quoted(anycast_dns: Raw, faults: Faults) -> None:
    anycast_dns["\x1b[2J\ud800"] = 1
    anycast_dns["x" * 500] = 1
    for path in faults(anycast_dns):
        assert path.isprintable()
        assert len(path) < 100


@pytest.mark.parametrize(
    ("path", "value", "hint"),
    [
        ("anycast.routes[0].ip", "10.0.0.1", "write 10.0.0.1/32"),
        ("anycast.routes[0].ip", "FD00::1", "write fd00::1/128"),
        ("anycast.routes[0].ip", "10.0.0.1/24", "write 10.0.0.1/32"),
        ("dns.timeout", "5", 'write "5s", or the number 5 without the quotes'),
        ("dns.timeout", "-1s", "without the minus"),
        ("dns.ip", "::ffff:10.0.0.1", "write 10.0.0.1"),
        ("anycast.interface", "lo:dns", 'write "lo"'),
        ("anycast.prefix", "lo:dns", 'write "dns"'),
        ("anycast.localpref", "200", "write 200 without the quotes"),
        ("bgp.as", "1.10", "write 65546"),
        ("bgp.as", 23456, "RFC 6793"),
        ("bgp.as", 0, "RFC 7607"),
        ("bgp.as", 65535, "RFC 7300"),
        ("dns.query", "ä.example", "xn--"),
        ("bgp.peers", [], "write at least one entry"),
    ],
)
def test_the_hint_shows_what_to_write(
    anycast_dns: Raw, faults: Faults, path: str, value: object, hint: str
) -> None:
    change(anycast_dns, path, value)
    assert hint in faults(anycast_dns)[path]


def test_the_two_forms_exclude_each_other(anycast_dns: Raw, faults: Faults) -> None:
    anycast_dns["services"] = [
        {"name": "dns", "dns": anycast_dns["dns"], "anycast": {"routes": []}}
    ]
    found = faults(anycast_dns)
    assert found.pop("services").startswith(
        "must not be combined with dns and anycast at the top; "
    )
    assert list(found) == ["services[0].anycast"]


def test_one_of_the_forms_is_needed(anycast_dns: Raw, faults: Faults) -> None:
    assert list(faults({"bgp": anycast_dns["bgp"]})) == ["services"]
    assert list(faults({"services": []})) == ["services"]
    assert list(faults({"services": {}})) == ["services"]


def test_faults_in_services_have_their_own_path(anycast_dns: Raw, faults: Faults) -> None:
    dns, routes = anycast_dns["dns"], anycast_dns["anycast"]["routes"]
    services = [
        {"name": "a", "dns": dns, "anycast": {"interface": "lo", "prefix": "a"}},
        {"name": "B", "dns": dns, "anycast": {"routes": routes}},
        {"name": "a", "dns": {**dns, "port": 0}, "anycast": {"interface": "lo", "prefix": "ab"}},
        {"name": "x" * 33, "dns": dns, "anycast": {"routes": routes}},
    ]
    found = faults({"services": services})
    assert set(found) == {
        "services[1].name",
        "services[2].dns.port",
        "services[2].name",
        "services[2].anycast.prefix",
        "services[3].name",
        "services[3].anycast.routes[0].ip",
    }
    assert "services[0].name" in found["services[2].name"]
    assert "services[0].anycast.prefix" in found["services[2].anycast.prefix"]
    assert "services[1].anycast.routes[0].ip" in found["services[3].anycast.routes[0].ip"]


def test_the_same_label_prefix_on_another_interface_is_accepted(
    anycast_dns: Raw, faults: Faults
) -> None:
    services = [
        {"name": name, "dns": anycast_dns["dns"], "anycast": {"interface": name, "prefix": "dns"}}
        for name in ("lo", "dummy0")
    ]
    assert faults({"services": services}) == {}


@pytest.mark.parametrize(
    ("anycast", "path"),
    [
        ({}, "anycast"),
        ({"routes": []}, "anycast"),
        ({"localpref": 1}, "anycast"),
        ({"interface": "lo"}, "anycast.prefix"),
        ({"prefix": "dns"}, "anycast.interface"),
        ({"interface": "eth0.100", "prefix": "anycast"}, "anycast.prefix"),
    ],
)
def test_labels_need_interface_and_prefix_and_at_most_15_characters(
    anycast_dns: Raw, faults: Faults, anycast: Raw, path: str
) -> None:
    anycast_dns["anycast"] = anycast
    assert list(faults(anycast_dns)) == [path]


def test_a_repeated_static_prefix_is_refused(anycast_dns: Raw, faults: Faults) -> None:
    anycast_dns["anycast"]["routes"].append({"label": "b", "ip": "FD00:0::10:10:10:10/128"})
    found = faults(anycast_dns)
    assert list(found) == ["anycast.routes[1].ip"]
    assert "anycast.routes[0].ip" in found["anycast.routes[1].ip"]


def test_a_repeated_peer_and_this_router_as_peer_are_refused(
    anycast_dns: Raw, faults: Faults
) -> None:
    peers = anycast_dns["bgp"]["peers"]
    peers += [{"ip": "172.17.2.254", "as": 0}, {"ip": "172.17.2.1", "as": 64512}]
    found = faults(anycast_dns)
    assert set(found) == {"bgp.peers[2].as", "bgp.peers[2].ip", "bgp.peers[3].ip"}
    assert "bgp.peers[0].ip" in found["bgp.peers[2].ip"]
    assert "bgp.id" in found["bgp.peers[3].ip"]


@pytest.mark.parametrize("other", ["config-file", "control-socket"])
def test_the_include_file_must_differ_from_the_routers_files(
    anycast_dns: Raw, faults: Faults, other: str
) -> None:
    anycast_dns["router"] = {"include-file": "/etc/x", other: "/etc/x"}
    assert list(faults(anycast_dns)) == ["router.include-file"]
    anycast_dns["router"] = {other: "/run/anycast-routed/bird.conf"}
    assert list(faults(anycast_dns)) == ["router.include-file"]


def test_a_boolean_in_quotes_gets_a_hint(anycast_dns: Raw, faults: Faults) -> None:
    change(anycast_dns, "dns.pulse", "True")
    expected = 'must be true or false, not "True"; write true without the quotes'
    assert faults(anycast_dns) == {"dns.pulse": expected}


def test_on_fail_lower_is_refused_with_peers_in_another_as(
    anycast_dns: Raw, faults: Faults
) -> None:
    change(anycast_dns, "dns.on-fail", "lower")
    assert faults(anycast_dns) == {}
    change(anycast_dns, "bgp.peers[1].as", 65001)
    assert faults(anycast_dns) == {
        "dns.on-fail": 'must not be "lower" while bgp.peers[1].as is another AS: LocalPref does '
        'not reach it (RFC 4271 section 5.1.5); write "withdraw": that peer would still prefer '
        "a dead service"
    }
    change(anycast_dns, "dns.on-fail", "withdraw")
    assert faults(anycast_dns) == {}


def test_on_fail_lower_is_checked_in_each_service(anycast_dns: Raw, faults: Faults) -> None:
    dns = {**anycast_dns.pop("dns"), "on-fail": "lower"}
    anycast_dns["services"] = [
        {"name": "one", "dns": dns, "anycast": anycast_dns.pop("anycast")},
        {"name": "two", "dns": dns, "anycast": {"routes": [{"label": "b", "ip": "10.0.0.1/32"}]}},
    ]
    for peer in anycast_dns["bgp"]["peers"]:
        peer["as"] = 65001
    assert list(faults(anycast_dns)) == ["services[0].dns.on-fail", "services[1].dns.on-fail"]
    del anycast_dns["bgp"]
    assert faults(anycast_dns) == {}, "without bgp the operator configures the sessions"


@pytest.mark.parametrize(
    ("anycast", "least"), [({"localpref": 200}, 200), ({}, 100), ({"localpref": 0}, 0)]
)
def test_a_floor_above_the_local_pref_is_refused(
    anycast_dns: Raw, faults: Faults, anycast: Raw, least: int
) -> None:
    del anycast_dns["anycast"]["localpref"]
    anycast_dns["anycast"] |= {**anycast, "floor": least}
    assert faults(anycast_dns) == {}
    anycast_dns["anycast"]["floor"] = least + 1
    expected = (
        f"must not be above anycast.localpref, which is {least}; floor is the lowered LocalPref"
    )
    assert faults(anycast_dns) == {"anycast.floor": expected}


def test_state_dir_and_run_dir_must_differ(anycast_dns: Raw, faults: Faults) -> None:
    anycast_dns["daemon"] = {"state-dir": "/run/anycast-routed"}
    assert list(faults(anycast_dns)) == ["daemon.state-dir"]
    anycast_dns["daemon"] = {"run-dir": "/var/lib/anycast-routed"}
    assert list(faults(anycast_dns)) == ["daemon.run-dir"]
    anycast_dns["daemon"] = {"run-dir": "/x", "state-dir": "/x"}
    (fault,) = faults(anycast_dns).items()
    assert fault[0] == "daemon.state-dir"
    assert fault[1].startswith("must be another directory than daemon.run-dir; ")


def test_all_faults_are_reported_at_once(anycast_dns: Raw) -> None:
    wrong = {"dns.port": 0, "dns.colour": 1, "bgp.peers[1].as": 0, "anycast.routes[0].ip": "x"}
    wrong |= {"bgp.peers[1].ip": "172.17.2.254", "router.daemon": "x", "daemon": 1}
    for path, value in wrong.items():
        change(anycast_dns, path, value)
    with pytest.raises(InvalidConfigError) as caught:
        config_of(anycast_dns)
    assert {fault.path for fault in caught.value.faults} == set(wrong)
    lines = str(caught.value).splitlines()
    assert len(lines) == len(wrong)
    assert all(line.startswith("config.json: ") for line in lines)
    assert caught.value.exit_code == 78


def test_at_most_100_faults_are_printed() -> None:
    text = json.dumps({f"key{number}": 1 for number in range(1000)})
    with pytest.raises(InvalidConfigError) as caught:
        loads(text, name="a.json", toml=False)
    assert len(caught.value.faults) == 1001
    assert str(caught.value).splitlines()[-1] == "a.json: and 901 more faults"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("dns.port", 5353),
        ("dns.query", "."),
        ("dns.query", "_a-b.xn--p1ai"),
        ("dns.query", "a" * 63),
        ("dns.rrtype", "aaaa"),
        ("dns.timeout", "100us"),
        ("dns.timeout", "1ns"),
        ("dns.timeout", "60s"),
        ("dns.timeout", 0.25),
        ("dns.ip", "::1"),
        ("dns.ip", "169.254.20.10"),
        ("bgp.peers[0].description", ""),
        ("bgp.peers[0].description", "it's <x> [y] (z) %s * & ~ @ ^ / , : = + ! ?"),
        ("bgp.peers[0].ip", "169.254.1.1"),
        ("bgp.peers[0].ip", "fd00::1"),
        ("bgp.as", 4294967294),
        ("anycast.localpref", 0),
        ("anycast.localpref", 4294967295),
        ("anycast.next-hop-ipv6", "fd00::1"),
        ("anycast.next-hop-ipv4", "10.0.0.1"),
        ("anycast.interface", "br-lan.100"),
        ("router.vtysh", "/usr/local/bin/vtysh"),
        ("dns.pulse", True),
        ("dns.pulse", False),
        ("dns.pulse-interval", "10ms"),
        ("dns.pulse-interval", "1h"),
        ("dns.pid-file", "/run/unbound.pid"),
        ("dns.half-life", 0),
        ("dns.half-life", "24h"),
        ("dns.on-fail", "lower"),
        ("anycast.drain-time", "0s"),
        ("anycast.drain-time", "1h"),
        ("anycast.floor", 200),
        ("daemon.on-stop", "keep"),
        ("bgp.other-neighbors", "accept"),
        ("daemon.state-dir", "/srv/anycast"),
        ("router.template-dir", "/etc/anycast routed/templates"),
    ],
)
def test_these_values_are_accepted(
    anycast_dns: Raw, faults: Faults, path: str, value: object
) -> None:
    change(anycast_dns, path, value)
    assert faults(anycast_dns) == {}
