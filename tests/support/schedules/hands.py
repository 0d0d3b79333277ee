"""What the operator does by hand while a schedule runs, and what must be true of it.

`own`: disable and enable a session of the operator. `trial`: `configure timeout`, which only BIRD
has. `origin`: announce the service's addresses by other means, on the operator's own session.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from anycast_routed.lab import bgp_receiver, bird
from anycast_routed.lab.bird import Bird
from anycast_routed.lab.programs import find
from anycast_routed.model import Code
from tests.support.router_faults import frr_of
from tests.support.schedules.model import LABELS, OURS, V4, World
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from anycast_routed.lab import Lab
    from anycast_routed.lab.bgp_receiver import Event
    from tests.support.dns_site import Held
    from tests.support.watched_site import Watched

HERE, THERE = "198.18.0.1", "198.18.0.2"
"""The ends of the operator's session."""
_BIRD = f"""\
protocol bgp upstream {{
  local {HERE} as 64512;
  neighbor {THERE} as 64512;
  connect delay time 1;
  ipv4 {{ import none; export all; next hop self; }};
}}
"""
_ORIGINS = {
    "": "",
    "direct": 'protocol direct addresses { interface "lo"; ipv4; }\n',
    "static": f"protocol static own {{ ipv4; route {V4} blackhole; }}\n",
}
_FRR = f"""\
router bgp 64512
 neighbor {THERE} remote-as 64512
 neighbor {THERE} timers connect 1
 address-family ipv4 unicast
  neighbor {THERE} activate
 exit-address-family
exit
"""
_REDISTRIBUTED = {"direct": "connected", "static": "static"}
_TRIAL = "300"  # seconds: it ends before, by another step
_BGP = ("router bgp 64512", "address-family ipv4 unicast")


def own_config(router_name: str) -> str:
    """Return what the operator has in the router's config: a session of their own."""
    return _BIRD if router_name == "bird" else _FRR


class Hands:
    """The operator's hands, and the peer of the operator's session."""

    def __init__(self, lab: Lab, watched: Watched) -> None:
        self._watched = watched
        upstream = lab.host("upstream")
        lab.link(watched.dns1, upstream, names=("op0", "op0"))
        watched.dns1.address("op0", f"{HERE}/24")
        upstream.address("op0", f"{THERE}/24")
        self._peer = bgp_receiver.start(upstream, asn=64512, router_id=THERE, peers={HERE: 64512})
        self._is_bird = isinstance(watched.router, Bird)
        self._bird_conf = watched.dns1.read(bird.CONF) if self._is_bird else ""

    def conf(self, world: World, more: str = "") -> None:
        """Write the operator's bird.conf, which BIRD reads when it is told to."""
        self._watched.dns1.write(bird.CONF, self._bird_conf + _ORIGINS[world.origin] + more)

    def configure(self, world: World) -> World:
        """Reload BIRD's config as the operator: it enables what was disabled, and ends a trial."""
        if not self._birdc("configure"):
            return world
        return replace(world, own="on", trial=False)

    def own(self, how: str, world: World) -> World:
        """Disable or enable the operator's own session."""
        if world.router != "up" or how == world.own:
            return world
        if self._is_bird:
            assert self._birdc({"off": "disable", "on": "enable"}[how], "upstream")
        else:
            word = {"off": "", "on": "no "}[how]
            frr_of(self._watched).configure(_BGP[0], f"{word}neighbor {THERE} shutdown")
        if how == "off":
            eventually(lambda: not self._peer.sessions(), why="the operator's session is down")
        return replace(world, own=how)

    def trial(self, how: str, world: World) -> World:
        """Try a config for a while, and keep it or undo it."""
        if not self._is_bird or world.router != "up" or (how == "begins") == world.trial:
            return world
        if how != "begins":
            assert self._birdc("configure", {"confirmed": "confirm", "undone": "undo"}[how])
            return replace(world, trial=False, own="on" if how == "undone" else world.own)
        if world.operator != "well" or not self._birdc("configure", "timeout", _TRIAL):
            return world
        return replace(world, trial=True, own="on")

    def origin(self, how: str, world: World) -> World:
        """Announce addresses of the service by other means, or end that."""
        made = replace(world, origin="" if how == "gone" else how)
        if world.router != "up" or world.operator != "well" or world.trial or made == world:
            return world
        if self._is_bird:
            self.conf(made)
            if self._birdc("configure"):
                return replace(made, own="on")
            self.conf(world)  # the file of anycast-routed is harmed, so BIRD has refused all
            return world
        lines = [f"no redistribute {_REDISTRIBUTED[world.origin]}"] if world.origin else []
        lines += [f"redistribute {_REDISTRIBUTED[made.origin]}"] if made.origin else []
        frr_of(self._watched).configure(*_BGP, *lines)
        return made

    def forgotten(self, world: World) -> World:
        """Return the world after the router has died: it starts with its config file."""
        origin = world.origin if self._is_bird else ""
        return replace(world, own="on", trial=False, origin=origin)

    def mark(self) -> int:
        """Return a mark of this moment for `since`."""
        return self._peer.mark()

    def since(self, mark: int) -> list[Event]:
        """Return what the operator's peer received since the mark."""
        return self._peer.since(mark)

    def check(self, world: World) -> None:
        """Check that what the operator did last is as it was left."""
        if world.router != "up":
            return
        if self._is_bird:
            pending = "undo in" in self._answer("configure", "status")
            assert pending == world.trial, f"a trial of the operator: {pending}"
        # A reload of anycast-routed may have enabled it, and disables it again at once.
        eventually(
            lambda: self._is_off() == (world.own == "off"), why=f"the session is {world.own}"
        )

    def agree(self, world: World, table: Held) -> None:
        """Wait until `status` names what the operator announces and should be gone, and no more."""
        made = made_by_operator(world, self._is_bird) if world.own == "on" else frozenset[str]()
        theirs = made if self._is_bird else made | (table.keys() & OURS)
        if world.own == "on":
            eventually(
                lambda: (
                    {one for one in self._peer.table() if one in OURS and ":" not in one}
                    == {one for one in theirs if ":" not in one}
                ),
                why=f"the operator's peer holds {theirs}",
            )
        wanted = (made & managed(world)) - table.keys()
        if not (world.down or "dns" in world.drained or world.hops):
            # A healthy service without a next hop should not be gone: that is only a warning.
            wanted = frozenset()

        def named() -> bool:
            found = self._watched.document("status", check=False)["findings"]
            shown = {one["about"] for one in found if one["code"] == Code.NOT_WITHDRAWN}
            assert shown == wanted, found
            return True

        eventually(named, why=f"`status` names {wanted}")

    def _is_off(self) -> bool:
        if self._is_bird:
            return " down " in self._answer("show", "protocols", "upstream")
        return f"neighbor {THERE} shutdown" in frr_of(self._watched).vtysh("show running-config")

    def _birdc(self, *command: str) -> bool:
        return self._watched.dns1.run(find("birdc"), *command, check=False).code == 0

    def _answer(self, *command: str) -> str:
        return self._watched.dns1.run(find("birdc"), *command).out


def made_by_operator(world: World, is_bird: bool) -> frozenset[str]:  # noqa: FBT001 - a pair
    """Return the addresses of the service that the operator announces by other means."""
    if world.origin == "direct":
        return frozenset(LABELS[name] for name in world.labels)
    # FRR has no other static route for it than the one of anycast-routed, which goes with it.
    return frozenset({V4}) if world.origin == "static" and is_bird else frozenset()


def managed(world: World) -> frozenset[str]:
    """Return the prefixes of the service that the config in force announces or withholds."""
    label = world.configs[-1].label
    return frozenset({V4, *(LABELS[one] for one in world.labels if one.startswith(label))})


def stayed_off(events: list[Event], begun: float, ended: float) -> None:
    """Check that the operator's session did not come up while the operator had disabled it."""
    up = [one for one in events if one.kind == "up" and begun < one.at < ended]
    assert not up, f"the session that the operator has disabled came up: {up}"
