"""Replies on BIRD's control socket that a real BIRD rarely sends; the other end is simulated.

Real replies are in test_bird_behaviour.py and wherever BIRD runs.
"""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from anycast_routed.announce.bird.socket import ControlSocket
from anycast_routed.errors import AccessDeniedError, RouterUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GREETING = b"0001 BIRD 2.0.12 ready.\n"


@contextmanager
def answering(path: Path, *parts: bytes, stay: bool = False) -> Iterator[None]:
    """Greet, and answer the first command with these parts; then close, or `stay` silent."""
    done = threading.Event()

    def serve() -> None:
        client, _ = server.accept()
        with client, suppress(OSError):  # the client may have closed
            client.sendall(GREETING)
            client.recv(1 << 10)
            for part in parts:
                client.sendall(part)
                done.wait(0.01)
            if stay:
                done.wait(10)

    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bird.ctl"


LISTING = (
    b"1007-Table master4:\n 10.0.0.1/32 unicast\n 1234 is no number here\n1008-\t2001 BGP\n0000 \n"
)


@pytest.mark.parametrize("at", range(1, len(LISTING), 3))
def test_a_reply_is_complete_however_it_is_split_into_packets(path: Path, at: int) -> None:
    with answering(path, LISTING[:at], LISTING[at:]), ControlSocket(path, within=2) as bird:
        assert bird.greeting == "BIRD 2.0.12 ready."
        reply = bird.ask("show route")
    lines = ["Table master4:", "10.0.0.1/32 unicast", "1234 is no number here", "\t2001 BGP", ""]
    assert (reply.code, reply.failed, reply.lines) == (0, False, lines)


def test_asynchronous_lines_are_no_part_of_a_reply(path: Path) -> None:
    with (
        answering(path, b"+trace\n0013-up\n+trace 0000 \n0013 up\n"),
        ControlSocket(path, within=2) as bird,
    ):
        assert bird.ask("show status").lines == ["up", "up"]


def test_two_commands_at_once_have_a_reply_each(path: Path) -> None:
    with (
        answering(path, b"0013 up\n0003 Reconfigured\n"),
        ControlSocket(path, within=1) as bird,
    ):
        first, second = bird.ask_at_once("show status", "configure")
    assert (first.text, second.text) == ("up", "Reconfigured")


def test_two_replies_at_once_are_two(path: Path) -> None:
    with (
        answering(path, b"0011 a: enabled\n0008 b: already\n"),
        ControlSocket(path, within=2) as bird,
    ):
        assert (bird.ask("enable a").code, bird.ask("enable b").code) == (11, 8)


@pytest.mark.fault(22)
@pytest.mark.parametrize("part", [b"", b"1007-Table master4:\n", b"000", b"0000 no newline"])
def test_half_a_reply_and_then_nothing(path: Path, part: bytes) -> None:
    late = pytest.raises(RouterUnavailableError, match="did not answer")
    with answering(path, part, stay=True), ControlSocket(path, within=0.2) as bird, late:
        bird.ask("show route")


@pytest.mark.fault(22)
@pytest.mark.parametrize("part", [b"", b"1007-Table master4:\n", b"0000 no newline"])
def test_half_a_reply_and_then_the_end(path: Path, part: bytes) -> None:
    cut = pytest.raises(RouterUnavailableError)
    with answering(path, part), ControlSocket(path, within=2) as bird, cut:
        bird.ask("show route")


@pytest.mark.fault(22)
def test_a_trickle_does_not_lengthen_the_deadline(path: Path) -> None:
    begun = time.monotonic()
    trickle = [b" a line\n"] * 6_000  # for a minute
    with answering(path, *trickle, stay=True), ControlSocket(path, within=0.3) as bird:
        with pytest.raises(RouterUnavailableError, match="within 0.3 s"):
            bird.ask("show route")
        assert time.monotonic() - begun < 50


@pytest.mark.fault(22)
def test_a_denied_command_is_access_denied(path: Path) -> None:
    denied = pytest.raises(AccessDeniedError, match="configure")
    with answering(path, b"8007 Access denied\n"), ControlSocket(path, within=2) as bird, denied:
        bird.ask("configure")


@pytest.mark.fault(22)
def test_nobody_listens(path: Path) -> None:
    with pytest.raises(RouterUnavailableError, match="No such file"), ControlSocket(path, within=1):
        pass
    path.touch()
    with pytest.raises(RouterUnavailableError, match="refused"), ControlSocket(path, within=1):
        pass
