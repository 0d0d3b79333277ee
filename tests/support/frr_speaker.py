"""FRR of a host as a speaker in the process of the test, for calls that no verb makes."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from anycast_routed.announce.frr.speaker import FrrSpeaker

if TYPE_CHECKING:
    from pathlib import Path

    from anycast_routed.lab import Host

_RUN = "/run/frr"
# vtysh of the host's own release, which knows its daemons. In the host, their sockets are where
# vtysh looks for them.
_VTYSH = """\
#!/bin/sh
[ "$1" != --vty_socket ] || shift 2
exec {command} "$@"
"""


def frr_speaker(host: Host, file: Path, frr_conf: str = "/etc/frr/frr.conf") -> FrrSpeaker:
    """Return the speaker; its vtysh runs in the host."""
    text = _VTYSH.format(command=shlex.join(host.command("vtysh")))
    program = host.write("/run/lab-vtysh", text, mode=0o755)
    return FrrSpeaker(host.path(_RUN), str(program), file, host.path(frr_conf))
