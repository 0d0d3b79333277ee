"""Ask one daemon of FRR on its own socket: a question takes 1 ms, and with vtysh 100 ms.

vtysh speaks to the daemons like this too (vtysh/vtysh.c, vtysh_client_run): a command ends with one
NUL, an answer with three NULs and the result. Like vtysh, this module ignores the result: it is 1
(CMD_WARNING) also for an empty table.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from anycast_routed.lab.failures import LabError

if TYPE_CHECKING:
    from pathlib import Path

_END = b"\0\0\0"
_CHUNK = 1 << 16


def ask(path: Path, command: str, *, within: float = 30.0) -> str:
    """Return the answer to a show command from the daemon with the socket `path`.

    Raises:
        LabError: the daemon ended the connection.
        OSError: there is no such socket, or no answer within `within` seconds.
    """
    answer = b""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(within)
        connection.connect(str(path))
        connection.sendall(command.encode() + b"\0")
        while answer[-4:-1] != _END:
            chunk = connection.recv(_CHUNK)
            if not chunk:
                message = f"{path.name} closed the connection"
                raise LabError(message, hint=command)
            answer += chunk
    return answer[:-4].decode("utf-8", "replace")
