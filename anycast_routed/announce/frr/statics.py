"""Our static routes, in the daemon that holds them: staticd, or mgmtd since FRR 9."""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from anycast_routed.announce.frr import config_lines
from anycast_routed.announce.frr.config_lines import Line
from anycast_routed.announce.frr.running_config import Running
from anycast_routed.announce.frr.sender import script
from anycast_routed.announce.frr.vtysh import documents
from anycast_routed.errors import RouterUnavailableError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from anycast_routed.announce.frr.readback import Reader
    from anycast_routed.announce.frr.vtysh import Vtysh
    from anycast_routed.model import Prefix

_MOST_TRIES = 10
_IN_VAIN = 3  # tries in a row that had no effect
_TABLES = ("show ip route static json", "show ipv6 route static json")
_EVERY = 0.1  # seconds: another vtysh holds mgmtd's lock about as long


class Statics:
    """Adds and removes our static routes."""

    def __init__(self, vtysh: Vtysh, reader: Reader) -> None:
        self._vtysh = vtysh
        self._reader = reader

    def send(self, lines: Sequence[Line]) -> str:
        """Send lines that add or remove statics; return FRR's complaint or the empty string.

        mgmtd drops a command with exit code 0, or refuses it for a moment, while another vtysh
        configures it (10.3, 10.7.1). So the lines that its config does not show are sent again.

        A mgmtd that was restarted alone has forgotten a static that is still in the kernel. So such
        a one is added first: mgmtd refuses to remove it otherwise.

        Raises:
            RouterUnavailableError, AccessDeniedError: as `Vtysh.ask`.
        """
        if not lines:
            return ""
        release = self._reader.release()
        if silence := self._reader.silence(release.statics):
            raise silence
        if not release.loses_statics:
            # A file is one transaction for staticd, and each argument is one of its own.
            return self._vtysh.send_file(release.statics, script(lines))
        if forgotten := self._forgotten(lines):
            self._vtysh.send(release.statics, script(forgotten))
        refused, in_vain = "", 0
        for tries in range(_MOST_TRIES):
            if tries:
                time.sleep(_EVERY)
            refused = self._vtysh.send(release.statics, script(lines))
            left = _missing(lines, self._held())
            in_vain = in_vain + 1 if len(left) == len(lines) else 0
            lines = left
            if not lines or in_vain == _IN_VAIN:
                break
        if silence := self._reader.silence(release.statics):
            raise silence  # its config, which shows nothing now, proves nothing
        if not lines:
            return ""
        lost = "; ".join(line.text for line in lines[:3])
        return refused or f"{release.statics} does not take: {lost}"

    def add(self, lines: Sequence[Line]) -> str:
        """Add statics; return why they were not all taken, or the empty string."""
        try:
            return self.send(lines)
        except RouterUnavailableError as error:
            return error.message

    def remove(self, statics: Mapping[Prefix, Line], gone: Collection[Prefix]) -> None:
        """Remove the statics of these prefixes. Without their daemon none exists."""
        lines = [Line((), f"no {line.text}") for one, line in statics.items() if one in gone]
        with contextlib.suppress(RouterUnavailableError):
            self.send(lines)

    def _forgotten(self, lines: Sequence[Line]) -> list[Line]:
        """Return the statics to remove that zebra has and the config does not."""
        removed = [
            replace(line, text=line.text.removeprefix("no "))
            for line in lines
            if line.text.startswith("no ")
        ]
        if not (unknown := _missing(removed, self._held()) if removed else []):
            return []
        try:
            tables = documents(self._vtysh.ask("zebra", _TABLES))
            there = {one for table in tables for one, routes in (table or {}).items() if routes}
        except (ValueError, AttributeError) as error:
            message = "the answer of FRR's zebra cannot be understood"
            raise RouterUnavailableError(message, hint="systemctl status frr") from error
        return [line for line in unknown if str(config_lines.static(line)) in there]

    def _held(self) -> Running:
        return Running(self._reader.statics())


def _missing(lines: Sequence[Line], running: Running) -> list[Line]:
    """Return the lines that have had no effect yet."""
    held = {line.text for line in running.statics.values()}
    return [
        line
        for line in lines
        if (line.text.removeprefix("no ") in held) == line.text.startswith("no ")
    ]
