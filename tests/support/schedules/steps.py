"""Take the steps of a schedule on a real host, and return its state after each."""

from __future__ import annotations

import json
import signal
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from anycast_routed.lab import bird
from anycast_routed.lab.bird import Bird
from anycast_routed.lab.dns import Unbound
from anycast_routed.lab.frr import Frr
from anycast_routed.lab.programs import find
from anycast_routed.state import drain_orders
from tests.support.router_faults import frr_of, revive
from tests.support.schedules.model import EDITED, HOPS, LABELS, V4, V6_A, VARIANTS, World
from tests.support.waiting import eventually
from tests.support.watched_site import CONFIG, RUN_DIR, STATE_DIR, Watched

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.schedules.file_judge import FileWatch
    from tests.support.schedules.hands import Hands

_ZONE = "google.com."
_TARGETS = {"dns": "dns", "v6": V6_A}
_BROKEN = "this is not BIRD's language\n"
_PREFIX_LIST = "ip prefix-list operators seq 5 permit any"
_LOCKED = 75


@dataclass
class StepTaker:
    """Takes steps on the host. A step that is already done, or impossible now, changes nothing."""

    watched: Watched
    files: FileWatch
    hands: Hands
    half_life: int
    """Seconds, of the service's penalty for its flapping."""

    def take(self, step: str, world: World) -> World:
        """Take one step, and return the state of the host after it."""
        verb, _, what = step.partition(" ")
        takes: dict[str, Callable[[str, World], World]] = {
            "server": self._server,
            "router": self._router,
            "daemon": self._daemon,
            "label": self._label,
            "hop": self._hop,
            "config": self._config,
            "drain": self._drain,
            "operator": self._operator,
            "file": self._harm,
            "apply": self._apply,
            "own": self.hands.own,
            "trial": self.hands.trial,
            "origin": self.hands.origin,
        }
        return takes[verb](what, world)

    def begun(self) -> bool:
        """Tell whether the daemon has made its first pass."""
        return (self.watched.file(RUN_DIR) / "status.json").exists()

    def _server(self, how: str, world: World) -> World:
        server = self.watched.server
        assert isinstance(server, Unbound)
        if how == world.server:
            return world
        if how == "dead":
            server.daemon.kill()
            return replace(world, server=how)
        if how == "hung" and world.server != "dead":
            server.daemon.pause()
            return replace(world, server=how)
        if world.server == "dead":
            server.restart()
        else:
            server.daemon.resume()
            server.heal(_ZONE)
        if how == "hung":
            server.daemon.pause()
        elif how == "servfail":
            server.servfail(_ZONE)
        return replace(world, server=how, known=False, lives=world.lives + 1)

    def _router(self, how: str, world: World) -> World:
        router = self.watched.router
        bgp = router.daemon if isinstance(router, Bird) else router.daemons["bgpd"]
        if how == world.router or (how, world.router) == ("paused", "dead"):
            return world
        if how == "dead":
            bgp.kill()
            world = self.hands.forgotten(world)
        elif how == "paused":
            bgp.pause()
        elif world.router == "paused":
            bgp.resume()
        else:
            world = self._operator("repairs", world)
            self._wait_until_it_can_start(world)
            revive(self.watched)
        return replace(world, router=how, router_lives=world.router_lives + 1)

    def _wait_until_it_can_start(self, world: World) -> None:
        """Wait until the daemon has repaired its file; without a daemon, delete it."""
        if self._can_start():
            return
        if world.daemon == "up":
            eventually(self._can_start, why="BIRD can start with our file")
        else:
            self.watched.router_file().unlink()

    def _can_start(self) -> bool:
        if isinstance(self.watched.router, Frr):
            return True
        return self.watched.dns1.run(find("bird"), "-p", "-c", bird.CONF, check=False).code == 0

    def _daemon(self, how: str, world: World) -> World:
        ours = self.watched.process()
        if how == "hup":
            # systemd sends no SIGHUP to a daemon that is not ready (Type=notify).
            if world.daemon == "up" and self.begun():
                ours.signal(signal.SIGHUP)
            return world
        if how == world.daemon:
            return world
        if how == "dead":
            ours.kill()
            return replace(world, daemon=how)
        world = self._repair(world)
        (self.watched.file(RUN_DIR) / "status.json").unlink(missing_ok=True)
        self.watched.daemon_process = self.watched.dns1.start(*ours.argv, name="anycast-routed")
        return replace(world, daemon=how, daemon_lives=world.daemon_lives + 1)

    def _label(self, what: str, world: World) -> World:
        name, how = what.split()
        if (how == "there") == (name in world.labels):
            return world
        if how == "there":
            self.watched.dns1.address("lo", LABELS[name], label=f"lo:{name}")
        else:
            self.watched.dns1.remove_address("lo", LABELS[name])
        return replace(world, labels=world.labels ^ {name})

    def _hop(self, which: str, world: World) -> World:
        wanted = {"both": frozenset(HOPS), "none": frozenset[str]()}.get(which, frozenset({which}))
        # Add the first one first and delete it last: the kernel then reports no state between.
        changes = [("add", name) for name in sorted(wanted - world.hops)]
        changes += [("del", name) for name in sorted(world.hops - wanted, reverse=True)]
        lines = (f"address {verb} {HOPS[name]}/24 dev hop0\n" for verb, name in changes)
        if changes:
            self.watched.dns1.run("ip", "-batch", "-", stdin="".join(lines))
        return replace(world, hops=wanted)

    def _config(self, how: str, world: World) -> World:
        file = self.watched.file(CONFIG)
        match how:
            case "broken":
                self.watched.replace_config("{")
            case "half":
                text = json.dumps(world.configs[-1].config(self.half_life))
                file.write_text(text[: len(text) // 2])
            case "missing":
                file.unlink(missing_ok=True)
            case "repaired":
                return self._repair(world)
            case _:
                return self._write(world.with_config(VARIANTS[how]))
        return replace(world, file=how)

    def _repair(self, world: World) -> World:
        """Restore the config file as it was before it was broken."""
        return world if world.file == "well" else self._write(world.with_config(world.configs[-1]))

    def _write(self, world: World) -> World:
        self.watched.reconfigure(world.configs[-1].config(self.half_life))
        return world

    def _drain(self, what: str, world: World) -> World:
        target, how = what.split()
        state_dir = self.watched.file(STATE_DIR)
        if how == "on":
            drain_orders.order(
                state_dir, drain_orders.Ordered(_TARGETS[target], "a schedule", time.time())
            )
            return replace(world, drained=world.drained | {target})
        drain_orders.lift(state_dir, _TARGETS[target])
        return replace(world, drained=world.drained - {target})

    def _operator(self, how: str, world: World) -> World:
        is_bird = isinstance(self.watched.router, Bird)
        if how == "breaks" and is_bird:
            self.hands.conf(world, _BROKEN)
            return replace(world, operator="broken")
        if how == "repairs":
            if world.operator == "well":
                return world
            if is_bird:
                self.hands.conf(world)
        if world.router == "up" and is_bird:
            world = self.hands.configure(world)
        elif world.router == "up":
            frr_of(self.watched).configure(_PREFIX_LIST)
        return replace(world, operator="well") if how == "repairs" else world

    def _harm(self, how: str, world: World) -> World:
        file = self.watched.router_file()
        if how == "missing" or not file.exists():
            file.unlink(missing_ok=True)
            return world
        text = file.read_text()
        text = text[: len(text) // 2] if how == "half" else text.replace(V4, EDITED)
        self.files.expect(text)
        harm = file.with_name(".harm")
        harm.write_text(text)
        harm.replace(file)
        return world

    def _apply(self, _: str, world: World) -> World:
        """Run `apply` while the daemon runs: the daemon's lock keeps it out."""
        if world.daemon == "up" and self.begun() and world.file == "well":
            done = self.watched.run("apply", check=False)
            assert done.code == _LOCKED, done
        return world
