"""What takes bytes from elsewhere, as functions of those bytes, for the fuzzers.

Each takes any bytes, and raises where a promise of ours is broken; `make fuzz` and
`tests/test_surfaces.py` call them.
"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING

from anycast_routed.announce.bird import readback
from anycast_routed.announce.bird.socket import ControlSocket
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
    """Load a config whose first byte says JSON or TOML: it is right, or every fault has words."""
    try:
        text = data[1:].decode()
    except UnicodeDecodeError:
        return None
    config, said = None, ""
    try:
        config = loads(text, name="config", toml=data[:1] > b"0")
    except ConfigError as error:
        said = str(error)
    assert said.replace("\n", "").isprintable() or not said
    if config is None:
        return None
    decision = plan(config, observed(Verdict.UP))
    for router in ("bird", "frr"):
        text_of(router, decision)
    return config


def judge_reply(data: bytes) -> Reply | Stray:
    """Judge a DNS message whose first byte says UDP or TCP: a value, and safe words."""
    over_tcp, wire = bool(data[:1] > b"\x7f"), data[1:]
    found = _QUERY.judge(wire, int.from_bytes(wire[:2]), over_tcp=over_tcp)
    assert found.reason.isprintable()
    assert len(found.reason) <= _LONGEST
    if isinstance(found, Reply):
        assert all(text.isprintable() for text in found.ede)
    return found


def read_bird(data: bytes) -> Readback | None:
    """Read BIRD back, which says just this on its control socket, and closes it."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(data[: 1 << 16])
        theirs.shutdown(socket.SHUT_WR)
        try:
            with _Connected(ours) as bird:
                return readback.readback(bird)
        except AnycastRoutedError:
            return None


def read_frr(data: bytes) -> Readback | None:
    """Read FRR back, whose vtysh answers each call with the next part of this, after a NUL."""
    try:
        return Reader(_Vtysh(data.decode("utf-8", "replace").split("\0"))).readback()
    except AnycastRoutedError:
        return None


class _Connected(ControlSocket):
    """A control socket that is connected already."""

    def __init__(self, connected: socket.socket) -> None:
        super().__init__(Path("/run/bird/bird.ctl"), within=1.0)
        self._connected = connected

    def _connect(self) -> None:
        self._socket.close()
        self._socket = self._connected
        self._socket.settimeout(1.0)


class _Vtysh(Vtysh):
    """A vtysh that answers what it is told to."""

    def __init__(self, answers: Sequence[str]) -> None:
        super().__init__(Path("/run/frr"), "vtysh")
        self._answers = iter(answers)

    def ask(self, daemon: str, commands: Sequence[str]) -> str:
        """Answer, whoever asks for what."""
        del daemon, commands
        return next(self._answers, "")


SURFACES: dict[str, Callable[[bytes], object]] = {
    "config": load_config,
    "reply": judge_reply,
    "bird": read_bird,
    "frr": read_frr,
}
