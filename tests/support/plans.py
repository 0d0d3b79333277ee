"""Observed facts of the host of the anycast-dns config, and plans rendered without a router."""

from __future__ import annotations

from ipaddress import IPv4Interface, IPv6Interface
from typing import TYPE_CHECKING

from anycast_routed.announce.bird import layout as bird_layout
from anycast_routed.announce.frr import layout
from anycast_routed.announce.render import Renderer
from anycast_routed.decide.plan import plan
from anycast_routed.model import Health, HostAddress, Observed, Verdict
from tests.support.configs import config_of
from tests.support.health import checks_of

if TYPE_CHECKING:
    from anycast_routed.model import Plan
    from tests.support.configs import Raw

OWNER = "/run/anycast-routed"
RENDERERS = {"bird": Renderer("bird"), "frr": Renderer("frr")}


def observed(verdict: Verdict, labels: tuple[str, ...] = ("lo:dns1", "lo:dns2")) -> Observed:
    """Return the facts of that host; `labels` are the labels of its addresses on `lo`."""
    own = (
        HostAddress("eth0", IPv4Interface("172.17.2.1/24")),
        HostAddress("eth0", IPv6Interface("fd00:17:2::1/64")),
    )
    labelled = tuple(
        HostAddress("lo", IPv4Interface(f"10.10.10.{10 + number}/32"), label)
        for number, label in enumerate(labels)
    )
    health = {"dns": Health(verdict), "web-2": Health(verdict)}
    return Observed(checks_of(health), frozenset({"lo", "eth0"}), (*own, *labelled))


def text_of(router: str, decision: Plan) -> str:
    """Return the rendered text of a plan, for `bird` or `frr`."""
    if router == "bird":
        return RENDERERS[router].render(bird_layout.variables(decision, owner=OWNER))
    local_as = decision.sessions.local_as if decision.sessions else 64512
    return RENDERERS[router].render(layout.variables(decision, local_as, owner=OWNER))


def rendered(router: str, config: Raw, facts: Observed) -> str:
    """Return the rendered text of a config, given as a dictionary, and facts."""
    return text_of(router, plan(config_of(config), facts))
