"""The site of a router with a full table: a feeder, and eight sessions of the operator."""

from __future__ import annotations

import json
import re
import time
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from anycast_routed.lab import bird, eventually, frr
from bench import resources
from bench.daemon_site import AS, HOST, INCLUDE, PEER, DaemonSite, site_config

if TYPE_CHECKING:
    from anycast_routed.lab import Daemon, Lab
    from bench.daemon_site import Setting

FEEDER, _FEEDER_AS = "172.17.2.200", 64999
_CLIENTS = tuple(f"172.17.2.{number}" for number in range(101, 108))
"""The peers that are sent the whole table. The eighth one records every message, so it is not."""
_FIRST, _STEP = IPv4Address("16.0.0.0"), 256
_WITHIN = 120.0
_LINES = re.MULTILINE | re.DOTALL
_STEADY = 3.0  # seconds without CPU time of the router, after which it has sent everything

_TABLE = "/etc/bird/table.conf"
_CONF = "log stderr all; router id {address};\nprotocol device {{}}\n"
_FEED = f"""\
protocol static table4 {{ ipv4;
include "{_TABLE}";
}}
protocol bgp dns1 {{
  local {FEEDER} as {_FEEDER_AS}; neighbor 172.17.2.1 as {AS}; connect delay time 0;
  ipv4 {{ import none; export all; }};
}}
"""
_CLIENT = f"""\
protocol bgp dns1 {{{{
  local {{address}} as {AS}; neighbor 172.17.2.1 as {AS}; connect delay time 0;
  ipv4 {{{{ import none; export none; }}}};
  ipv6 {{{{ import none; export none; }}}};
}}}}
"""
_LEARN = f"""\
protocol bgp feed {{
  local 172.17.2.1 as {AS}; neighbor {FEEDER} as {_FEEDER_AS}; connect delay time 0;
  ipv4 {{ import all; export none; }};
}}
"""
_SEND = f"""\
protocol bgp {{name}} {{{{
  local 172.17.2.1 as {AS}; neighbor {{address}} as {AS}; connect delay time 0;
  ipv4 {{{{ import none; export {{sent}}; next hop self; }}}};
  ipv6 {{{{ import none; export {{sent}}; next hop address fd00:17:2::1; }}}};
}}}}
"""
_OURS = 'where proto ~ "anycast_*"'


class FullTableSite(DaemonSite):
    """A DNS host whose router learns `routes` from a feeder, without `bgp` in the config.

    The operator has eight sessions. Seven peers are sent the whole table. The eighth one records
    every message and is sent only the anycast prefixes. A context manager.
    """

    bird_options = ""
    """Lines above the config of BIRD."""

    def __init__(self, setting: Setting, routes: int, **router: str) -> None:
        """`router` are keys of the section `router` of the config."""
        config = site_config() | {"router": router}
        config.pop("bgp")
        super().__init__(setting, config)
        self.routes = routes

    def add_hosts(self, lab: Lab) -> None:
        """Start the feeder and the seven peers."""
        # BIRD has one session with an address, so each peer is a BIRD of its own.
        # A prefix whose address is not on the host would need a blackhole route in the kernel.
        self.host.address("lo", "fd00::10:10:10:10/128")
        feeder = lab.host("feeder")
        clients = [lab.host(f"client{number}") for number in range(len(_CLIENTS))]
        lab.lan("lan", feeder, *clients)
        feeder.address("eth0", f"{FEEDER}/24")
        # Not in bird.conf, which the lab prints when something fails.
        feeder.write(_TABLE, _table(self.routes))
        bird.start(feeder, _CONF.format(address=FEEDER) + _FEED)
        for client, address in zip(clients, _CLIENTS, strict=True):
            client.address("eth0", f"{address}/24")
            bird.start(client, (_CONF + _CLIENT).format(address=address))

    def start_router(self) -> Daemon:
        """Start the router with the operator's sessions."""
        if self.setting.router == "bird":
            return bird.start(self.host, self.bird_options + _bird()).daemon
        return frr.start(self.host, _frr()).daemons["bgpd"]

    def wait_for_table(self) -> None:
        """Wait until all sessions are up, and the router has the table."""
        eventually(self._has_table, within=_WITHIN, every=0.2, why="the table and all sessions")

    def wait_for_clients(self) -> None:
        """Wait until the router has sent the table to the seven peers."""
        used, since = -1.0, time.monotonic()

        def steady() -> bool:
            nonlocal used, since
            latest = resources.cpu(self.router.pid)
            if latest > used:
                used, since = latest, time.monotonic()
            return time.monotonic() - since > _STEADY

        eventually(steady, within=_WITHIN, every=1.0, why="the router has sent the table")

    def _has_table(self) -> bool:
        if self.setting.router == "bird":
            shown = self.host.run("birdc", "show", "protocols", "all").out
            learned = re.search(r"^feed .*?Routes: +(\d+) imported", shown, _LINES)
            count = int(learned[1]) if learned else 0
            up = shown.count("BGP state:          Established")
        else:
            shown = self.host.run("vtysh", "-c", "show bgp ipv4 unicast summary json").out
            peers = json.loads(shown).get("peers", {})
            count = peers.get(FEEDER, {}).get("pfxRcd", 0)
            up = sum(one.get("state") == "Established" for one in peers.values())
        return count >= self.routes and up == len(_CLIENTS) + 2


def _table(routes: int) -> str:
    return "".join(f"route {_FIRST + number * _STEP}/24 blackhole;\n" for number in range(routes))


def _bird() -> str:
    sessions = "".join(
        _SEND.format(name=f"client{number}", address=address, sent="all")
        for number, address in enumerate(_CLIENTS)
    )
    recorder = _SEND.format(name="recorder", address=PEER, sent=_OURS)
    return _CONF.format(address=HOST) + _LEARN + sessions + recorder + INCLUDE


def _frr() -> str:
    """Return the config. bgpd keeps the table, and gives none of it to the kernel."""
    peers = (*_CLIENTS, PEER)
    neighbors = [f" neighbor {FEEDER} remote-as {_FEEDER_AS}"]
    neighbors += (f" neighbor {address} remote-as {AS}" for address in peers)
    neighbors += (f" neighbor {address} timers connect 1" for address in (FEEDER, *peers))
    active = "\n".join(f"  neighbor {address} activate" for address in peers)
    return f"""\
bgp route-map delay-timer 1
ip prefix-list VIPS seq 5 permit 10.10.10.0/24 le 32
route-map NOTHING deny 10
exit
router bgp {AS}
 bgp router-id {HOST}
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
{chr(10).join(neighbors)}
 address-family ipv4 unicast
  table-map NOTHING
  neighbor {FEEDER} activate
{active}
  neighbor {PEER} prefix-list VIPS out
 exit-address-family
 address-family ipv6 unicast
{active}
 exit-address-family
exit
"""
