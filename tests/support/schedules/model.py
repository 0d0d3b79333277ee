"""Schedules of faults, and a model of the peer's table after each, without the tested code.

A schedule is a list of steps in plain words, each after a short wait. Every step is valid in every
state of the host: one that is impossible, such as killing a dead process, does nothing. So any step
can be left out when a failing schedule is shrunk.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from tests.support.watched_site import QUICK, quick

if TYPE_CHECKING:
    from tests.support.dns_site import Held

Schedule = list[tuple[float, str]]
"""Seconds to wait, and the next step."""

LABELS = {
    "dns1": "10.10.10.10/32",
    "dns2": "10.10.10.11/32",
    "dns3": "10.10.10.12/32",
    "web1": "10.10.10.20/32",
}
V4, V6_A, V6_B = "10.10.10.30/32", "fd00::10:10:10:10/128", "fd00::10:10:10:11/128"
OTHER = "10.10.20.20/32"
"""The prefix of another service, whose server no schedule touches."""
EDITED = "10.10.10.99/32"
"""The prefix that an operator writes into our file in place of V4."""
OURS = frozenset({*LABELS.values(), V4, V6_A, V6_B})
"""Every prefix of the service that the schedules are about."""
HOPS = {"first": "192.0.2.5", "second": "198.51.100.7"}
HOP6, HOP_OTHER = "fd00:99::5", "192.0.2.99"
PORT_OTHER = 5353

_WAITS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.3)
_STEPS = {
    "server": ("dead", "up", "hung", "up", "servfail"),
    "label": ("dns1 gone", "dns1 there", "dns3 there", "dns3 gone"),
    "hop": ("second", "both", "first", "none"),
    "config": ("preferred", "renamed", "normal", "broken", "half", "missing"),
    "drain": ("dns on", "dns off", "v6 on", "v6 off"),
    "router": ("dead", "up", "paused", "up"),
    "daemon": ("dead", "up", "hup", "up"),
    "operator": ("reloads", "breaks", "repairs", "reloads"),
    "file": ("edited", "half", "missing"),
    "apply": ("",),
    "own": ("off", "on", "off"),
    "trial": ("begins", "confirmed", "begins", "undone"),
    "origin": ("direct", "static", "gone", "direct"),
}
HANDS = ("own", "trial", "origin")
"""The kinds of steps that the operator takes by hand."""


@dataclass(frozen=True, slots=True)
class ConfigVariant:
    """The keys of the config file that schedules change."""

    local_pref: int = 200
    label: str = "dns"

    def config(self, half_life: int) -> dict[str, Any]:
        """Return the whole config: the service of the schedules, and the other service."""
        made = quick()
        made["dns"]["half-life"] = half_life
        routes: list[dict[str, Any]] = [
            {"label": "v4", "ip": V4},
            {"label": "v6-a", "ip": V6_A, "localpref": 180},
            {"label": "v6-b", "ip": V6_B},
        ]
        # Their addresses are not on the host: FRR announces them only with a route in the kernel.
        routes = [{**route, "blackhole": True} for route in routes]
        dns, anycast = made.pop("dns"), made.pop("anycast")
        ours = {"localpref": self.local_pref, "prefix": self.label, "routes": routes}
        ours |= {"nexthop-interface": "hop0", "drain-time": "300ms"}
        other = {
            "name": "other",
            "dns": {"ip": "127.0.0.1", "port": PORT_OTHER, "query": "google.com.", **QUICK},
            "anycast": {
                "localpref": 150,
                "next-hop-ipv4": HOP_OTHER,
                "routes": [{"label": "other", "ip": OTHER, "blackhole": True}],
            },
        }
        service = {"name": "dns", "dns": dns, "anycast": anycast | ours}
        return {"services": [service, other], **made}


VARIANTS = {
    "normal": ConfigVariant(),
    "preferred": ConfigVariant(local_pref=250),
    "renamed": ConfigVariant(label="web"),
}


@dataclass(frozen=True, slots=True)
class World:
    """The state of a host. The numbers count restarts: states with different numbers differ."""

    server: str = "up"
    labels: frozenset[str] = frozenset({"dns1", "dns2", "web1"})
    hops: frozenset[str] = frozenset({"first"})
    configs: tuple[ConfigVariant, ...] = (ConfigVariant(),)
    """The configs that may be in force: only the last one, unless the file is broken."""
    file: str = "well"
    """The state of the config file."""
    drained: frozenset[str] = frozenset()
    router: str = "up"
    daemon: str = "up"
    operator: str = "well"
    """The state of the operator's part of the router's config."""
    own: str = "on"
    """Whether the operator's own session is disabled by hand."""
    trial: bool = False
    """The operator tries a config of BIRD, which BIRD will undo."""
    origin: str = ""
    """How the operator announces addresses of the service by other means."""
    known: bool = False
    """The daemon has reported that the server is down."""
    lives: int = 0
    daemon_lives: int = 0
    router_lives: int = 0

    @property
    def down(self) -> bool:
        """Whether the server gives no good answer."""
        return self.server != "up"

    @property
    def at_work(self) -> bool:
        """Whether the daemon and the router run, and the router's config is valid and settled."""
        is_well = (self.daemon, self.router, self.operator) == ("up", "up", "well")
        return is_well and not self.trial

    def with_config(self, config: ConfigVariant) -> World:
        """Return the world with this config in an intact file."""
        return replace(self, configs=(*self.configs, config), file="well")

    def tables(self) -> list[Held]:
        """Return the tables that the peer may hold when the host is quiet, one for each config."""
        configs = self.configs if self.file != "well" else self.configs[-1:]
        return [self.table(config) for config in dict.fromkeys(configs)]

    def table(self, config: ConfigVariant) -> Held:
        """Return the peer's table when the host is quiet and this config is in force."""
        held: Held = {OTHER: (150, HOP_OTHER)}
        if self.down or "dns" in self.drained:
            return held
        if "v6" not in self.drained:
            held[V6_A] = (180, HOP6)
        held[V6_B] = (config.local_pref, HOP6)
        if self.hops:
            hop = min(HOPS[name] for name in self.hops)
            held[V4] = (config.local_pref, hop)
            matching = sorted(one for one in self.labels if one.startswith(config.label))
            for place, label in enumerate(matching):
                held[LABELS[label]] = (config.local_pref - 10 * place, hop)
        return held


NORMAL = World()


_BESIDE = (
    *("daemon dead", "router dead", "router paused", "operator breaks", "config broken"),
    *("drain dns on", "file half", "label dns1 gone", "hop none"),
    *("own off", "trial begins", "origin direct", "origin static"),
)
PAIRS = tuple((server, other) for server in ("server dead", "server hung") for other in _BESIDE)
"""Steps that must occur together: the server's death, and a fault that may hide or undo it."""


@st.composite
def schedules(draw: st.DrawFn, pair: tuple[str, ...]) -> Schedule:
    """Draw steps of a few kinds: with all kinds mixed, each step would hide another.

    Most also have steps that the operator takes by hand.

    The steps of the pair, if any, follow each other in either order, some with a rest between.
    """
    words = {step.split()[0] for step in pair}
    others = sorted(_STEPS.keys() - {"server"} - words)
    kinds = draw(st.lists(st.sampled_from(others), min_size=1, max_size=3, unique=True))
    kinds = [*sorted(words), *kinds[: 3 - len(words)]]
    kinds += ["server"] if not pair and draw(st.booleans()) else []
    hand = draw(st.sampled_from(("", *HANDS)))
    kinds += [hand] if hand and hand not in kinds else []
    names = ["rest", *(f"{kind} {what}".strip() for kind in kinds for what in _STEPS[kind])]
    wait = st.sampled_from(_WAITS)
    step = st.tuples(wait, st.sampled_from(names))
    steps = draw(st.lists(step, min_size=4 - len(pair), max_size=8 - len(pair)))
    if pair:
        first, second = draw(st.permutations(pair))
        between = draw(st.sampled_from(([], ["rest"])))
        place = draw(st.integers(0, len(steps)))
        steps[place:place] = [(draw(wait), one) for one in (first, *between, second)]
    return steps


def affected(steps: list[str], router_name: str) -> frozenset[str]:
    """Return the prefixes about which the peer may receive messages because of these steps."""
    found: frozenset[str] = frozenset()
    for step in steps:
        found |= _CONCERNED.get(step) or _CONCERNED.get(step.split()[0], frozenset())
    if router_name == "bird" and any(step.startswith("file ") for step in steps):
        found |= {*OURS, OTHER, EDITED}  # FRR never reads the file.
    return found


_LABELLED = frozenset(LABELS.values())
_CONCERNED = {
    "server dead": OURS,
    "server hung": OURS,
    "server servfail": OURS,
    "drain dns on": OURS,
    "drain v6 on": frozenset({V6_A}),
    "label": _LABELLED,
    "hop": _LABELLED | {V4},
    "config renamed": _LABELLED,
    "config preferred": _LABELLED | {V4, V6_B},
    "router dead": OURS | {OTHER},
    # BIRD enables and disables each protocol as it was when BIRD last read a config before.
    "trial undone": OURS | {OTHER},
}
