"""Send lines to FRR's configure mode: as the commands that give each line in its context."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anycast_routed.announce.frr import config_lines
from anycast_routed.announce.masking import quoted_safely

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from anycast_routed.announce.frr.config_lines import Line
    from anycast_routed.announce.frr.vtysh import Vtysh


class Sender:
    """Sends lines through vtysh, and keeps passwords out of its arguments."""

    def __init__(self, vtysh: Vtysh) -> None:
        self._vtysh = vtysh

    def remove_networks(self, lines: Sequence[Line]) -> None:
        """Send the lines that remove networks, some of which may be gone already."""
        if self.send("bgpd", lines):
            # A network that is gone already stopped the others: a file does not stop there.
            self._vtysh.send_file("bgpd", script(lines))

    def send(self, daemon: str, lines: Sequence[Line]) -> str:
        """Send these lines; a password not as an argument, which every user can read.

        All lines of a neighbor with a password are sent last, as a file. So none of our sessions
        comes up without its password, whatever fails in between. Such a session can start 3 s later
        (see `Vtysh.send_file`). So all other lines are sent as arguments.
        """
        names = {config_lines.neighbor(line) for line in lines if config_lines.has_password(line)}
        guarded = [line for line in lines if config_lines.neighbor(line) in names]
        others = [line for line in lines if config_lines.neighbor(line) not in names]
        said = self._vtysh.send(daemon, script(others)) if others else ""
        if guarded and not said:
            said = self._vtysh.send_file(daemon, script(guarded))
        return quoted_safely(said, "".join(f"{line.text}\n" for line in guarded))


def script(lines: Iterable[Line]) -> list[str]:
    """Return the commands of configure mode that give each line in its context.

    There is no `exit` from one route-map to the next: with each, bgpd 8.4.4 commits what it got,
    and a commit takes the longer the more route-maps there are.
    """
    commands: list[str] = []
    inside: tuple[str, ...] = ()
    for line in lines:
        opened = (*line.context, line.text)
        if inside == opened:
            continue  # a context that is open already
        if inside != line.context and all(map(_is_map_header, (*inside, opened[0]))):
            inside = ()
        while inside != line.context[: len(inside)]:
            commands.append("exit-address-family" if inside[-1].startswith("address-") else "exit")
            inside = inside[:-1]
        commands += (*line.context[len(inside) :], line.text)
        inside = opened if config_lines.is_header(line.text) else line.context
    return commands


def _is_map_header(text: str) -> bool:
    return text.startswith("route-map ")
