"""The config files of DNS servers with large data, as text.

Each server answers `google.com.` with the address 192.0.2.1, and has thousands of other names or
zones, as a host with block lists or with many customers has.
"""

from __future__ import annotations

import ipaddress
from typing import Final

ANSWER: Final = "192.0.2.1"
HOSTS: Final = "/etc/large/hosts"
"""A file of names as in hosts(5)."""
NAMES: Final = "/etc/large/names"
"""A file of names, one a line."""
KEY: Final = "A" * 43 + "="
"""The key of a control channel that only the lab host's own loopback interface has."""
_ZONE_FILE: Final = "/etc/large/zone"
_ZONE: Final = f"""\
$TTL 60
@ IN SOA ns.invalid. hostmaster.invalid. 1 900 900 1800 60
@ IN NS ns.invalid.
@ IN A {ANSWER}
"""


def hosts(count: int) -> str:
    """Return a hosts file with `count` names, each with its own address, and `google.com`."""
    first = ipaddress.IPv4Address("10.0.0.0")
    others = (f"{first + number} host{number}.example" for number in range(count))
    return "\n".join((f"{ANSWER} google.com", *others, ""))


def names(count: int) -> str:
    """Return `count` names to block, one a line."""
    return "".join(f"host{number}.blocked.example\n" for number in range(count))


def unbound(zones: int) -> str:
    """Return lines for the end of an unbound.conf that block so many names."""
    blocked = (f'  local-zone: "host{number}.blocked.example" refuse' for number in range(zones))
    return "\n".join(("server:", *blocked, ""))


def bind(zones: int) -> dict[str, str]:
    """Return a named.conf with so many zones, and its other files."""
    lines = [
        'options { directory "/run/named"; pid-file none; listen-on { 127.0.0.1; };',
        "  listen-on-v6 { none; }; recursion no; notify no; empty-zones-enable no; };",
        f'key lab {{ algorithm hmac-sha256; secret "{KEY}"; }};',
        "controls { inet 127.0.0.1 port 953 allow { 127.0.0.1; } keys { lab; }; };",
        *(f'zone "{zone}" {{ type primary; file "{_ZONE_FILE}"; }};' for zone in _zones(zones)),
    ]
    client = [
        f'key lab {{ algorithm hmac-sha256; secret "{KEY}"; }};',
        "options { default-key lab; default-server 127.0.0.1; };",
    ]
    return {
        "/etc/large/named.conf": "\n".join([*lines, ""]),
        "/etc/large/rndc.conf": "\n".join([*client, ""]),
        "/run/named/.keep": "",
        _ZONE_FILE: _ZONE,
    }


def nsd(zones: int) -> dict[str, str]:
    """Return an nsd.conf with so many zones, and its zone file."""
    lines = [
        "server:",
        "  ip-address: 127.0.0.1",
        '  username: ""',
        '  database: ""',
        '  pidfile: "/run/nsd/nsd.pid"',
        '  xfrdfile: "/run/nsd/xfrd.state"',
        '  zonelistfile: "/run/nsd/zone.list"',
        '  xfrdir: "/run/nsd"',
        "  rrl-ratelimit: 0",
        "remote-control:",
        "  control-enable: yes",
        '  control-interface: "/run/nsd/nsd.ctl"',
        *(f"zone:\n  name: {zone}\n  zonefile: {_ZONE_FILE}" for zone in _zones(zones)),
    ]
    return {
        "/etc/large/nsd.conf": "\n".join([*lines, ""]),
        "/run/nsd/.keep": "",
        _ZONE_FILE: _ZONE,
    }


def knot(zones: int) -> dict[str, str]:
    """Return a knot.conf with so many zones, and its zone file."""
    lines = [
        "server:",
        "  listen: 127.0.0.1@53",
        '  rundir: "/run/knot"',
        "database:",
        '  storage: "/run/knot"',
        "zone:",
        *(f'  - domain: {zone}\n    file: "{_ZONE_FILE}"' for zone in _zones(zones)),
    ]
    return {
        "/etc/large/knot.conf": "\n".join([*lines, ""]),
        "/run/knot/.keep": "",
        _ZONE_FILE: _ZONE,
    }


def kresd() -> str:
    """Return the config of a Knot Resolver that answers from the file `HOSTS`."""
    return f"""\
net.listen("127.0.0.1", 53)
modules.unload("priming")
trust_anchors.remove(".")
modules = {{ "hints > iterate" }}
hints.config("{HOSTS}")
policy.add(policy.suffix(policy.PASS, {{ todname("google.com.") }}))
policy.add(policy.all(policy.REFUSE))
"""


def dnsdist() -> str:
    """Return the config of a dnsdist that answers itself, and blocks the names in `NAMES`."""
    return f"""\
setLocal("127.0.0.1:53")
controlSocket("127.0.0.1:5199")
setKey("{KEY}")
function load_names()
  local blocked = newSuffixMatchNode()
  for name in io.lines("{NAMES}") do
    blocked:add(newDNSName(name))
  end
  setRules({{
    newRuleAction(SuffixMatchNodeRule(blocked), RCodeAction(DNSRCode.REFUSED)),
    newRuleAction(QNameRule("google.com."), SpoofAction("{ANSWER}")),
    newRuleAction(AllRule(), RCodeAction(DNSRCode.REFUSED))
  }})
end
load_names()
"""


def _zones(count: int) -> list[str]:
    return ["google.com.", *(f"zone{number}.example." for number in range(count))]
