"""The process of `bgp_receiver`: a passive BGP speaker that prints each event of its sessions.

`python -m anycast_routed.lab.bgp_receiver_process --listen ADDRESS --as N --id A.B.C.D
--peer ADDRESS=AS` writes one JSON object a line to standard output and flushes each line: an
event, see `bgp_receiver.Event`. The program uses the standard library only and announces nothing.
No message of a peer can end it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
import time
from typing import Any

from anycast_routed.lab import bgp_messages

_HEADER = 19
_OPEN_WITHIN = 30.0
_OPEN_ERROR, _UPDATE_ERROR, _HOLD_TIMER_EXPIRED = 2, 3, 4  # RFC 4271, 4.5


class Listener:
    """Accepts BGP sessions from the configured peers; a new session of a peer replaces the old."""

    def __init__(self, asn: int, router_id: str, hold_time: int, peers: dict[str, int]) -> None:
        self._asn = asn
        self._router_id = router_id
        self._hold_time = hold_time
        self._peers = peers
        self._updates = 0
        self._current: dict[str, asyncio.StreamWriter] = {}

    async def serve(self, address: str | None, port: int) -> None:
        """Accept sessions until cancelled."""
        server = await asyncio.start_server(self._session, address, port)
        async with server:
            _write("ready", "")
            await server.serve_forever()

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = str(writer.get_extra_info("peername")[0])
        established = False
        why = "the peer closed the connection"
        try:
            if peer not in self._peers:
                _write("odd", peer, text="not a configured peer")
                return
            hello = await asyncio.wait_for(self._open(reader, writer, peer), _OPEN_WITHIN)
            if before := self._current.pop(peer, None):
                before.close()
            self._current[peer] = writer
            established = True
            _write("up", peer, text=f"AS {hello.asn}, router ID {hello.router_id}")
            await self._receive(reader, writer, peer, hello)
        except bgp_messages.MalformedError as error:
            why = str(error)
            _write("odd", peer, text=why)
            _notify(writer, _UPDATE_ERROR if established else _OPEN_ERROR)
        except TimeoutError:
            why = "the hold timer expired"
            _notify(writer, _HOLD_TIMER_EXPIRED)
        except (OSError, asyncio.IncompleteReadError, EOFError) as error:
            why = str(error) or why
        finally:
            if self._current.get(peer) is writer:
                del self._current[peer]
            if established:
                _write("down", peer, text=why)
            writer.close()
            with contextlib.suppress(OSError, TimeoutError):
                await asyncio.wait_for(writer.wait_closed(), 1)

    async def _open(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: str
    ) -> bgp_messages.Open:
        writer.write(bgp_messages.open_message(self._asn, self._hold_time, self._router_id))
        kind, body = await _read(reader)
        if kind != bgp_messages.OPEN:
            text = f"message {kind} instead of an OPEN"
            raise bgp_messages.MalformedError(text)
        hello = bgp_messages.parse_open(body)
        if hello.asn != self._peers[peer]:
            text = f"AS {hello.asn} instead of {self._peers[peer]}"
            raise bgp_messages.MalformedError(text)
        writer.write(bgp_messages.message(bgp_messages.KEEPALIVE))
        kind, body = await _read(reader)
        if kind != bgp_messages.KEEPALIVE:
            text = f"message {kind} instead of a KEEPALIVE: {body.hex()}"
            raise bgp_messages.MalformedError(text)
        return hello

    async def _receive(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        peer: str,
        hello: bgp_messages.Open,
    ) -> None:
        hold = min(self._hold_time, hello.hold_time)
        with _Keepalives(writer, hold / 3):
            while True:
                kind, body = await asyncio.wait_for(_read(reader), hold or None)
                if kind == bgp_messages.UPDATE:
                    self._update(peer, body, four_octet=hello.four_octet)
                elif kind == bgp_messages.NOTIFICATION:
                    _write("odd", peer, text=f"NOTIFICATION {body[:2].hex()}")
                elif kind not in (bgp_messages.KEEPALIVE, bgp_messages.ROUTE_REFRESH):
                    _write("odd", peer, text=f"message of type {kind}")

    def _update(self, peer: str, body: bytes, *, four_octet: bool) -> None:
        now = time.monotonic()
        self._updates += 1
        shared = {"update": self._updates, "at": now}
        try:
            update = bgp_messages.parse_update(body, four_octet=four_octet)
        except bgp_messages.MalformedError as error:
            _write("odd", peer, text=f"{error}: {body.hex()}", **shared)
            return
        for prefix in update.withdrawn:
            _write("withdraw", peer, prefix=prefix, **shared)
        for prefix, next_hop in update.announced:
            _write(
                "announce",
                peer,
                prefix=prefix,
                next_hop=next_hop,
                local_pref=update.local_pref,
                med=update.med,
                as_path=update.as_path,
                communities=update.communities,
                **shared,
            )
        if update.end_of_rib:
            _write("end-of-rib", peer, text=update.end_of_rib, **shared)


async def _read(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    size, kind = bgp_messages.header(await reader.readexactly(_HEADER))
    return kind, await reader.readexactly(size)


class _Keepalives:
    """Sends a KEEPALIVE each `every` seconds while the `with` block runs; none if `every` is 0."""

    def __init__(self, writer: asyncio.StreamWriter, every: float) -> None:
        self._writer = writer
        self._every = every
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> None:
        if self._every:
            self._timer = asyncio.get_running_loop().call_later(self._every, self._send)

    def __exit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _send(self) -> None:
        self._writer.write(bgp_messages.message(bgp_messages.KEEPALIVE))
        self.__enter__()


def _notify(writer: asyncio.StreamWriter, code: int) -> None:
    with contextlib.suppress(OSError):
        writer.write(bgp_messages.message(bgp_messages.NOTIFICATION, bytes((code, 0))))


def _write(kind: str, peer: str, **facts: Any) -> None:  # noqa: ANN401 - any JSON value
    line = json.dumps({"at": time.monotonic(), "kind": kind, "peer": peer} | facts)
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    """Read the command line and run the speaker until it is killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listen", help="default: every address, IPv4 and IPv6")
    parser.add_argument("--port", type=int, default=179)
    parser.add_argument("--as", type=int, required=True, dest="asn")
    parser.add_argument("--id", required=True, dest="router_id")
    parser.add_argument("--hold-time", type=int, default=90)
    parser.add_argument("--peer", action="append", default=[], metavar="ADDRESS=AS")
    given = parser.parse_args()
    peers = {address: int(asn) for address, asn in (peer.rsplit("=", 1) for peer in given.peer)}
    listener = Listener(given.asn, given.router_id, given.hold_time, peers)
    asyncio.run(listener.serve(given.listen, given.port))


if __name__ == "__main__":
    main()
