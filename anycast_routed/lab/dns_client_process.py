"""The process behind `client`: asks at an even pace, and on SIGTERM prints what became of it all.

Its last line is a JSON list with [sent, seconds or null, rcode or null] for each question.
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

_PATIENCE: Final = 2.0  # seconds after which a question is lost, whatever comes later
_SOA, _IN = 6, 1
_HEADER = struct.Struct("!HHHHHH")  # RFC 1035, 4.1.1
_QR, _RD = 0x8000, 0x0100


@dataclass
class Questions:
    """All questions so far, by number; the ID of number n is n, modulo 65,536."""

    name: bytes
    sent: list[float] = field(default_factory=list)
    took: list[float | None] = field(default_factory=list)
    rcodes: list[int | None] = field(default_factory=list)

    def next(self) -> bytes:
        """Return one more question, sent now."""
        number = len(self.sent) & 0xFFFF
        self.sent.append(time.monotonic())
        self.took.append(None)
        self.rcodes.append(None)
        return _HEADER.pack(number, _RD, 1, 0, 0, 0) + self.name + struct.pack("!HH", _SOA, _IN)

    def answered(self, reply: bytes) -> None:
        """Take a reply down, unless it answers nothing of the last 2 s."""
        now = time.monotonic()
        if len(reply) < _HEADER.size:
            return
        identifier, flags, *_ = _HEADER.unpack_from(reply)
        last = len(self.sent) - 1
        number = last - ((last - identifier) & 0xFFFF)
        if number < 0 or not flags & _QR or self.took[number] is not None:
            return
        if now - self.sent[number] <= _PATIENCE:
            self.took[number] = now - self.sent[number]
            self.rcodes[number] = flags & 0xF

    def over(self) -> bool:
        """Whether each question is answered or lost."""
        horizon = time.monotonic() - _PATIENCE
        for at, took in zip(reversed(self.sent), reversed(self.took), strict=True):
            if at < horizon:
                return True
            if took is None:
                return False
        return True


class Asker:
    """The sockets, and the pace."""

    def __init__(self, server: tuple[str, int], ports: int, rate: float) -> None:
        family = socket.AF_INET6 if ":" in server[0] else socket.AF_INET
        self._server = server
        self._rate = rate
        self._sockets = [socket.socket(family, socket.SOCK_DGRAM) for _ in range(ports)]
        self._poll = select.epoll()
        for one in self._sockets:
            one.setblocking(False)  # noqa: FBT003 - the socket module's own signature
            self._poll.register(one, select.EPOLLIN)
        self._by_descriptor = {one.fileno(): one for one in self._sockets}
        self.stopped = False

    def stop(self, *_: object) -> None:
        """Send no more."""
        self.stopped = True

    def run(self, questions: Questions) -> None:
        """Ask until stopped, then listen until each question is answered or lost."""
        begun = time.monotonic()
        while not self.stopped:
            # A pause of ours is made up for at once: the questions of a second are always sent.
            while len(questions.sent) <= (time.monotonic() - begun) * self._rate:
                self._ask(questions)
            due = begun + len(questions.sent) / self._rate
            self._listen(questions, due - time.monotonic())
        while not questions.over():
            self._listen(questions, 0.05)

    def _ask(self, questions: Questions) -> None:
        one = self._sockets[len(questions.sent) % len(self._sockets)]
        # Where there is no route, the question is lost as any other.
        with contextlib.suppress(OSError):
            one.sendto(questions.next(), self._server)

    def _listen(self, questions: Questions, seconds: float) -> None:
        for descriptor, _ in self._poll.poll(max(0.0, seconds)):
            # Not connected, so that an ICMP error is no error of a later question.
            with contextlib.suppress(OSError):
                while True:
                    reply, sender = self._by_descriptor[descriptor].recvfrom(4096)
                    if sender[:2] == self._server:
                        questions.answered(reply)


def _wire(name: str) -> bytes:
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
    # In the kernel's own spelling, since the senders of replies are compared with it.
    address = socket.inet_ntop(family, socket.inet_pton(family, args.server))
    questions = Questions(_wire(args.question))
    asker = Asker((address, args.port), args.ports, args.rate)
    signal.signal(signal.SIGTERM, asker.stop)
    print("asking", flush=True)  # noqa: T201 - a line of the protocol
    asker.run(questions)
    rows = zip(questions.sent, questions.took, questions.rcodes, strict=True)
    json.dump(list(rows), sys.stdout)
    sys.stdout.write("\n")


if __name__ == "__main__":
    _main()
