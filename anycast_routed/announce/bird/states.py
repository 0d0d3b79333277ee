"""Enable and disable our static protocols in a running BIRD: it reads no config for that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anycast_routed.announce.bird import answers, configure, protocols
from anycast_routed.announce.bird.socket import NO_SUCH_PROTOCOL

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from anycast_routed.announce.bird.socket import ControlSocket

_AT_ONCE = 32  # commands: BIRD reads 4 KB at once
_WITHIN = 1.0  # seconds for a reload of the operator to end


def differing(bird: ControlSocket, text: str) -> Mapping[str, bool]:
    """Return the protocols of a text that BIRD has in another state: name -> to be disabled.

    A protocol that BIRD does not have at all counts as one in another state.
    """
    shown = bird.ask(f'show protocols "{answers.OURS}"')
    down = {} if shown.code == NO_SUCH_PROTOCOL else answers.down(shown)
    wanted = protocols.states(text)
    return {name: disabled for name, disabled in wanted.items() if down.get(name) is not disabled}


def bring(bird: ControlSocket, text: str) -> None:
    """Bring every protocol of a text that BIRD runs into its state. Withdrawals come first."""
    for _ in range(2):
        todo = differing(bird, text)
        disable(bird, (name for name, disabled in todo.items() if disabled))
        for name, disabled in todo.items():
            if not disabled:
                bird.ask(f"enable {name}")
        if not configure.is_running(bird):
            break
        # An operator's reload has read the file as it was.
        configure.await_end(bird, within=_WITHIN)


def disable(bird: ControlSocket, names: Iterable[str]) -> None:
    """Disable these protocols; BIRD's next `configure` finds the same in our file."""
    # A protocol that a reload has removed meanwhile holds nothing, so its refusal is ignored.
    commands = [f"disable {name}" for name in names]
    for begin in range(0, len(commands), _AT_ONCE):
        bird.ask_at_once(*commands[begin : begin + _AT_ONCE])
