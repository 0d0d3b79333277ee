"""Configs of an operator who has sessions to both peers of the site, without `bgp` in ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.support.dns_site import Site, lay_out
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from anycast_routed.lab import Lab

ACTIVE = "neighbor 172.17.2.254 activate\n  neighbor 172.17.2.253 activate"
"""Both peers in an address family of FRR."""
OPEN4 = 'ipv4 { import none; export where proto ~ "anycast_*"; next hop self; };'
OPEN6 = 'ipv6 { import none; export where proto ~ "anycast_*"; next hop address fd00:17:2::1; };'
"""A channel of BIRD with the line from docs/config.md."""


def frr_sessions(*, ipv4: str = ACTIVE, ipv6: str = ACTIVE, asn: int = 64512) -> str:
    """Return a BGP instance of FRR with both peers and these lines in its families."""
    return f"""\
router bgp {asn}
 bgp router-id 172.17.2.1
 neighbor 172.17.2.254 remote-as 64512
 neighbor 172.17.2.254 timers connect 1
 neighbor 172.17.2.253 remote-as 64512
 neighbor 172.17.2.253 timers connect 1
 address-family ipv4 unicast
  {ipv4}
 exit-address-family
 address-family ipv6 unicast
  {ipv6}
 exit-address-family
exit
route-map NOTHING deny 10
exit
"""


def bird_session(name: str, peer: str, *channels: str, option: str = "") -> str:
    """Return a session of BIRD with these channels; a name with a colon needs quotes in BIRD."""
    return (
        f"protocol bgp '{name}' {{ local 172.17.2.1 as 64512; neighbor {peer} as 64512;\n"
        f"  connect delay time 0; {option}\n  {' '.join(channels)} }}\n"
    )


def bird_sessions(*channels: str) -> str:
    """Return the sessions of BIRD with both peers, with the same channels."""
    edge = bird_session("edge", "172.17.2.254", *channels)
    return edge + bird_session("gobgp:core", "172.17.2.253", *channels)


def lay_out_operators(lab: Lab, config: dict[str, Any], router_name: str, own: str) -> Site:
    """Lay out the site with the operator's own config, without `bgp` in ours."""
    site = lay_out(lab, router_name, own=own)
    config.pop("bgp", None)
    site.configure(config)
    return site


def await_sessions(site: Site) -> None:
    """Wait until dns1 has both sessions; `status` may end with 4 meanwhile."""
    eventually(
        lambda: all(one["established"] for one in site.document("status", check=False)["sessions"]),
        why="both sessions are up",
    )
