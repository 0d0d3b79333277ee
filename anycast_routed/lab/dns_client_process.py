"""The process of `dns_client`: sends questions at a fixed rate, and prints the results on SIGTERM.

The last line of the output is a JSON list with one item for each question: [time sent, seconds
until the answer or null, rcode or null].
"""

from __future__ import annotations

import argparse
import contextlib
import json
import select
import signal
import socket
import struct
import sys
import time
from dataclasses import dataclass, field
from typing import Final

_TIMEOUT: Final = 2.0  # seconds: a question without an answer for so long is lost
_SOA, _IN = 6, 1
_HEADER = struct.Struct("!HHHHHH")  # RFC 1035, 4.1.1
_QR, _RD = 0x8000, 0x0100


@dataclass
class QuestionLog:
    """All questions sent so far, by number. The DNS message ID of question n is n modulo 65,536."""

    name: bytes
    sent: list[float] = field(default_factory=list)
    took: list[float | None] = field(default_factory=list)
    rcodes: list[int | None] = field(default_factory=list)

    def next(self) -> bytes:
        """Return the bytes of one more question and record it as sent now."""
        number = len(self.sent) & 0xFFFF
        self.sent.append(time.monotonic())
        self.took.append(None)
        self.rcodes.append(None)
        return _HEADER.pack(number, _RD, 1, 0, 0, 0) + self.name + struct.pack("!HH", _SOA, _IN)

    def answered(self, reply: bytes) -> None:
        """Record a reply; ignore it if it does not answer a question of the last 2 s."""
        now = time.monotonic()
        if len(reply) < _HEADER.size:
            return
        identifier, flags, *_ = _HEADER.unpack_from(reply)
        last = len(self.sent) - 1
        number = last - ((last - identifier) & 0xFFFF)
        if number < 0 or not flags & _QR or self.took[number] is not None:
            return
        if now - self.sent[number] <= _TIMEOUT:
            self.took[number] = now - self.sent[number]
            self.rcodes[number] = flags & 0xF

    def is_complete(self) -> bool:
        """Return whether every question is answered or lost."""
        oldest = time.monotonic() - _TIMEOUT
        for at, took in zip(reversed(self.sent), reversed(self.took), strict=True):
            if at < oldest:
                return True
            if took is None:
                return False
        return True


class Sender:
    """Sends the questions at a fixed rate from several sockets, and reads the replies."""

    def __init__(self, server: tuple[str, int], ports: int, rate: float) -> None:
        family = socket.AF_INET6 if ":" in server[0] else socket.AF_INET
        self._server = server
        self._rate = rate
        self._sockets = [socket.socket(family, socket.SOCK_DGRAM) for _ in range(ports)]
        self._poll = select.epoll()
        for udp in self._sockets:
            udp.setblocking(False)  # noqa: FBT003 - the signature of the socket module
            self._poll.register(udp, select.EPOLLIN)
        self._by_descriptor = {udp.fileno(): udp for udp in self._sockets}
        self.stopped = False

    def stop(self, *_: object) -> None:
        """Stop sending. This is the handler of SIGTERM."""
        self.stopped = True

    def run(self, log: QuestionLog) -> None:
        """Send questions until `stop`, then read replies until every question is complete."""
        begun = time.monotonic()
        while True:
            # After a pause of this process, send the missed questions at once: the number of
            # questions depends on the time only, and is at least one.
            while len(log.sent) <= (time.monotonic() - begun) * self._rate:
                self._send(log)
            if self.stopped:
                break
            due = begun + len(log.sent) / self._rate
            self._receive(log, due - time.monotonic())
        while not log.is_complete():
            self._receive(log, 0.05)

    def _send(self, log: QuestionLog) -> None:
        udp = self._sockets[len(log.sent) % len(self._sockets)]
        # Without a route the question counts as lost.
        with contextlib.suppress(OSError):
            udp.sendto(log.next(), self._server)

    def _receive(self, log: QuestionLog, seconds: float) -> None:
        for descriptor, _ in self._poll.poll(max(0.0, seconds)):
            # The sockets are not connected: an ICMP error does not fail a later question.
            with contextlib.suppress(OSError):
                while True:
                    reply, sender = self._by_descriptor[descriptor].recvfrom(4096)
                    if sender[:2] == self._server:
                        log.answered(reply)


def _encode_name(name: str) -> bytes:
    labels = [label.encode("ascii") for label in name.rstrip(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def _main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--ports", type=int, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("server")
    parser.add_argument("question")
    args = parser.parse_args()
    family = socket.AF_INET6 if ":" in args.server else socket.AF_INET
    # Normalise the address: it is compared with the sender addresses that the kernel returns.
    address = socket.inet_ntop(family, socket.inet_pton(family, args.server))
    log = QuestionLog(_encode_name(args.question))
    sender = Sender((address, args.port), args.ports, args.rate)
    signal.signal(signal.SIGTERM, sender.stop)
    print("asking", flush=True)  # noqa: T201 - `dns_client.start` waits for this line
    sender.run(log)
    rows = zip(log.sent, log.took, log.rcodes, strict=True)
    json.dump(list(rows), sys.stdout)
    sys.stdout.write("\n")


if __name__ == "__main__":
    _main()
