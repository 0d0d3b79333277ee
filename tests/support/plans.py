"""The seed's plan and rendering without a router: what its host looks like, as facts."""

from __future__ import annotations

import json
from ipaddress import IPv4Interface, IPv6Interface
from typing import TYPE_CHECKING, Any

from anycast_routed.announce.bird import layout as bird_layout
from anycast_routed.announce.frr import layout
from anycast_routed.announce.render import Renderer
from anycast_routed.config import loads
from anycast_routed.decide.plan import plan
from anycast_routed.model import Health, HostAddress, Observed, Verdict

if TYPE_CHECKING:
    from anycast_routed.model import Plan

RENDERERS = {"bird": Renderer("bird"), "frr": Renderer("frr")}


def observed(verdict: Verdict, labels: tuple[str, ...] = ("lo:dns1", "lo:dns2")) -> Observed:
    """Return what the seed's host looks like."""
    own = (
        HostAddress("eth0", IPv4Interface("172.17.2.1/24")),
        HostAddress("eth0", IPv6Interface("fd00:17:2::1/64")),
    )
    labelled = tuple(
        HostAddress("lo", IPv4Interface(f"10.10.10.{10 + number}/32"), label)
        for number, label in enumerate(labels)
    )
    health = {"dns": Health(verdict), "web-2": Health(verdict)}
    return Observed(health, frozenset({"lo", "eth0"}), (*own, *labelled))


def text_of(router: str, decision: Plan) -> str:
    """Render a plan for `bird` or `frr`."""
    if router == "bird":
        return RENDERERS[router].render(bird_layout.variables(decision))
    local_as = decision.sessions.local_as if decision.sessions else 64512
    return RENDERERS[router].render(layout.variables(decision, local_as))


def rendered(router: str, config: dict[str, Any], facts: Observed) -> str:
    """Render a config that is a JSON object."""
    loaded = loads(json.dumps(config), name="config.json", toml=False)
    return text_of(router, plan(loaded, facts))
