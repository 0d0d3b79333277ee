"""Start a DNS client that asks one address at a fixed rate and counts the lost questions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anycast_routed.lab.failures import LabError
from anycast_routed.lab.programs import module

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anycast_routed.lab.daemon import Daemon
    from anycast_routed.lab.host import Host

_STOPS_WITHIN = 10.0  # seconds: 2 for the last answers, the rest for a busy machine


@dataclass(frozen=True, slots=True)
class Question:
    """One question: when the client sent it, and the answer that arrived within 2 s.

    `at` is in seconds of time.monotonic(), which all processes of a machine share. `took` is in
    seconds. `took` and `rcode` (0: NOERROR, 2: SERVFAIL) are None if no answer arrived.
    """

    at: float
    took: float | None
    rcode: int | None


class Client:
    """A running client. `daemon` is its process."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon

    def stop(self) -> tuple[Question, ...]:
        """Stop sending, wait for the last answers, and return all questions in order.

        Raises:
            LabError: the client failed; the hint has the end of its log.
            LateError: the client did not end within 10 s.
        """
        code = self.daemon.terminate(_STOPS_WITHIN)
        log = self.daemon.log()
        if code != 0:
            message = f"{self.daemon.name} ended with code {code}"
            raise LabError(message, hint=log[-2000:])
        return tuple(Question(*row) for row in json.loads(log.splitlines()[-1]))


def start(  # noqa: PLR0913 - one value each, all by name
    host: Host,
    server: str,
    *,
    rate: float = 1000.0,
    ports: int = 64,
    port: int = 53,
    question: str = "google.com.",
) -> Client:
    """Start to ask `server`, an address, for the SOA of `question`; return when the client asks.

    The client sends `rate` questions a second at even intervals, without waiting for answers. It
    uses `ports` source ports in turn, so that ECMP and SO_REUSEPORT, which hash the ports, spread
    the questions.

    Raises:
        LabError: the client ended, for example because `server` is not an address.
    """
    argv, env = module("anycast_routed.lab.dns_client_process")
    argv += ["--rate", str(rate), "--ports", str(ports), "--port", str(port)]
    daemon = host.start(*argv, server, question, name="client", env=env)
    daemon.wait_ready(lambda: "asking" in daemon.log(), within=30.0, every=0.005, why="asks")
    return Client(daemon)


def lost(questions: Iterable[Question]) -> list[Question]:
    """Return the questions without an answer."""
    return [question for question in questions if question.took is None]


def failed(questions: Iterable[Question]) -> list[Question]:
    """Return the questions without an answer or with an rcode other than NOERROR."""
    return [question for question in questions if question.rcode != 0]
