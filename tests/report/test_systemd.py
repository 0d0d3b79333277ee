"""The notifications for systemd, over a real datagram socket."""

from __future__ import annotations

import contextlib
import secrets
import socket
import time
from typing import TYPE_CHECKING

import pytest

from anycast_routed.report.systemd import Notify
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(params=["path", "abstract"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return a NOTIFY_SOCKET: a path, and an abstract address."""
    return str(tmp_path / "notify") if request.param == "path" else f"@{secrets.token_hex(8)}"


def listen(address: str) -> socket.socket:
    server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    server.bind(address.replace("@", "\0"))
    server.settimeout(5.0)
    return server


def test_each_state_is_one_datagram(address: str) -> None:
    with listen(address) as server:
        notify = Notify({"NOTIFY_SOCKET": address})
        notify.ready()
        notify.status("announces 3 prefixes\nMAINPID=1 \udcff")
        notify.watchdog()
        notify.stopping()
        heard = [server.recv(1000).decode("ascii") for _ in range(4)]
    assert heard == [
        "READY=1",
        "STATUS=announces 3 prefixes\\nMAINPID=1 \\udcff",
        "WATCHDOG=1",
        "STOPPING=1",
    ]


def test_progress_extends_the_start_and_is_sent_once_a_second(address: str) -> None:
    with listen(address) as server:
        notify = Notify({"NOTIFY_SOCKET": address})
        notify.progress()
        notify.progress()
        notify.ready()
        heard = [server.recv(1000).decode("ascii") for _ in range(2)]
    assert heard == ["WATCHDOG=1\nEXTEND_TIMEOUT_USEC=30000000", "READY=1"]


def test_a_reload_carries_its_time(address: str) -> None:
    with listen(address) as server:
        before = time.monotonic_ns() // 1000
        Notify({"NOTIFY_SOCKET": address}).reloading()
        state, _, stamp = server.recv(1000).decode("ascii").partition("\n")
    assert state == "RELOADING=1"
    name, _, usec = stamp.partition("=")
    assert name == "MONOTONIC_USEC"
    assert before <= int(usec) <= time.monotonic_ns() // 1000


def say_everything(notify: Notify) -> None:
    notify.ready()
    notify.status("")
    notify.reloading()
    notify.stopping()
    notify.watchdog()


@pytest.mark.parametrize(
    "wrong",
    ["", "@", "/nowhere", "relative", "vsock:2:1234", "/" + "x" * 200, "/nul\0", "/\udcff\ud800"],
)
def test_a_missing_or_wrong_socket_is_no_error(wrong: str) -> None:
    say_everything(Notify({"NOTIFY_SOCKET": wrong}))
    say_everything(Notify({}))


def test_a_full_socket_blocks_only_for_a_short_time(address: str) -> None:
    with listen(address), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as filler:
        filler.settimeout(0.0)
        filler.connect(address.replace("@", "\0"))
        with contextlib.suppress(BlockingIOError):
            for _ in range(10_000):
                filler.send(b"STATUS=full")
        begun = time.monotonic()
        spent = time.process_time()
        Notify({"NOTIFY_SOCKET": address}).watchdog()
        assert 0.01 < time.monotonic() - begun < PATIENCE
        assert time.process_time() - spent < 0.1  # It sleeps while it waits.
