"""Reload BIRD's config, and leave alone what the operator has done by hand.

`configure` enables each protocol again that the operator has disabled, or that a limit of its own
has shut. It also makes a `configure timeout` of the operator permanent.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from anycast_routed.announce.bird import answers
from anycast_routed.announce.bird.owned import PIPES
from anycast_routed.announce.bird.socket import IN_PROGRESS, QUEUED, succeeded

if TYPE_CHECKING:
    from anycast_routed.announce.bird.owned import Owned
    from anycast_routed.announce.bird.socket import ControlSocket, Reply

_TRIAL = re.compile(r"undo in ([\d.]+) s")
_RUNNING = "Reconfiguration in progress"
ENDS_WITHIN = 0.3
"""Seconds for a reload to end: one with 300,000 routes takes 0.1."""
_EVERY = 0.005


def trial(bird: ControlSocket) -> str:
    """Return in how many seconds BIRD will undo a `configure timeout`; empty without one."""
    found = _TRIAL.search(bird.ask("configure status").text)
    return found[1] if found else ""


def load(bird: ControlSocket, owned: Owned, *, within: float) -> Reply:
    """Load BIRD's config, and disable again what the operator had disabled; return the reply.

    BIRD may work on a reload, or queue it, for `within` seconds: what is enabled by it comes last.
    A protocol that the operator disables in the very millisecond of the reload may come up again.
    """
    _await_stops(bird, owned)
    shown, reply = bird.ask_at_once("show protocols", "configure")
    if reply.failed:
        return reply
    states = _of_operator(succeeded(shown), owned)
    down = [name for name, state in states.items() if state == "down"]
    for name in down:
        # It was enabled again a moment ago, and has not opened its session yet.
        bird.ask(f"disable '{name}'")
    if reply.code in {IN_PROGRESS, QUEUED}:
        await_end(bird, within=within)
        for name in down:
            bird.ask(f"disable '{name}'")
    return reply


def _await_stops(bird: ControlSocket, owned: Owned) -> None:
    """Wait until no protocol of the operator is about to stop, for a short time at most.

    One that the operator has just disabled looks until then like one that has lost its peer.
    """
    until = time.monotonic() + ENDS_WITHIN
    while time.monotonic() < until:
        states = _of_operator(bird.must("show protocols"), owned)
        if answers.STOPPING.isdisjoint(states.values()):
            return
        time.sleep(_EVERY)


def _of_operator(shown: Reply, owned: Owned) -> dict[str, str]:
    """Return the state of each protocol but ours, which get their states from us."""
    states = answers.states(shown)
    return {name: states[name] for name in states if not (owned.has(name) or name in PIPES)}


def is_running(bird: ControlSocket) -> bool:
    """Return whether BIRD still works on a reload, or has one queued."""
    return _RUNNING in bird.ask("configure status").text


def await_end(bird: ControlSocket, *, within: float) -> None:
    """Wait until BIRD works on no reload, at most so many seconds."""
    until = time.monotonic() + within
    while is_running(bird) and time.monotonic() < until:
        time.sleep(_EVERY)
