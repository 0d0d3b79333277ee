"""The readers of input from outside (config files, DNS replies, routers), for fuzzing.

Each function takes any bytes, and raises where the reader breaks its contract. `make fuzz` and
tests/bench/test_fuzz_surfaces.py call them.
"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING

from anycast_routed.announce.bird import readback
from anycast_routed.announce.bird.owned import Owned
from anycast_routed.announce.bird.socket import ControlSocket
from anycast_routed.announce.frr.known_neighbors import KnownNeighbors
from anycast_routed.announce.frr.readback import Reader
from anycast_routed.announce.frr.vtysh import Vtysh
from anycast_routed.config import loads
from anycast_routed.decide.plan import plan
from anycast_routed.errors import AnycastRoutedError, ConfigError
from anycast_routed.model import Readback, Verdict
from anycast_routed.observe.checks.dns_message import Query, Reply, Stray
from tests.support.plans import observed, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from anycast_routed.config import Config

_LONGEST = 400
_QUERY = Query("google.com.", "SOA")


def load_config(data: bytes) -> Config | None:
    """Load a config whose first byte selects JSON or TOML; return None if it is refused.

    Every refusal must have a printable message, and every accepted config must render for both
    routers.
    """
    try:
        text = data[1:].decode()
    except UnicodeDecodeError:
        return None
    config, message = None, ""
    try:
        config = loads(text, name="config", toml=data[:1] > b"0")
    except ConfigError as error:
        message = str(error)
    assert message.replace("\n", "").isprintable() or not message
    if config is None:
        return None
    decision = plan(config, observed(Verdict.UP))
    for router in ("bird", "frr"):
        text_of(router, decision)
    return config


def judge_reply(data: bytes) -> Reply | Stray:
    """Judge a DNS message whose first byte selects UDP or TCP; its texts must be printable."""
    over_tcp, wire = bool(data[:1] > b"\x7f"), data[1:]
    found = _QUERY.judge(wire, int.from_bytes(wire[:2]), over_tcp=over_tcp)
    assert found.reason.isprintable()
    assert len(found.reason) <= _LONGEST
    if isinstance(found, Reply):
        assert all(text.isprintable() for text in found.ede)
    return found


def read_bird(data: bytes) -> Readback | None:
    """Read back from a BIRD that sends `data` on its control socket and closes the socket."""
    client, server = socket.socketpair()
    with client, server:
        server.sendall(data[: 1 << 16])
        server.shutdown(socket.SHUT_WR)
        try:
            with _ConnectedSocket(client) as bird:
                return readback.readback(bird, Owned())
        except AnycastRoutedError:
            return None


def read_frr(data: bytes) -> Readback | None:
    """Read back from an FRR whose vtysh calls return the parts of `data`, separated by NUL."""
    try:
        vtysh = _PreparedVtysh(data.decode("utf-8", "replace").split("\0"))
        return Reader(vtysh, KnownNeighbors(Path("/nonexistent/frr.conf"))).readback()
    except AnycastRoutedError:
        return None


class _ConnectedSocket(ControlSocket):
    """A control socket that is already connected."""

    def __init__(self, connected: socket.socket) -> None:
        super().__init__(Path("/run/bird/bird.ctl"), within=1.0)
        self._connected = connected

    def _connect(self) -> None:
        self._socket.close()
        self._socket = self._connected
        self._socket.settimeout(1.0)


class _PreparedVtysh(Vtysh):
    """A vtysh with prepared answers, and empty ones after them."""

    def __init__(self, answers: Sequence[str]) -> None:
        super().__init__(Path("/run/frr"), "vtysh")
        self._answers = iter(answers)

    def ask(self, daemon: str, commands: Sequence[str]) -> str:
        """Return the next answer, whatever the commands are."""
        del daemon, commands
        return next(self._answers, "")


SURFACES: dict[str, Callable[[bytes], object]] = {
    "config": load_config,
    "reply": judge_reply,
    "bird": read_bird,
    "frr": read_frr,
}
