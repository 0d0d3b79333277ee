"""A client that asks one address many times a second, and knows which questions were lost."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anycast_routed.lab.failures import LabError
from anycast_routed.lab.programs import module
from anycast_routed.lab.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anycast_routed.lab.daemon import Daemon
    from anycast_routed.lab.host import Host

_TO_THE_END = 10.0  # seconds: 2 for the last answers, and the rest for a busy machine


@dataclass(frozen=True, slots=True)
class Asked:
    """One question: when it was sent, and what came back within 2 s.

    `at` is in seconds of time.monotonic(), which all processes of a machine share; `took` is in
    seconds, and None without an answer, as is `rcode` (0: NOERROR, 2: SERVFAIL).
    """

    at: float
    took: float | None
    rcode: int | None


class Client:
    """A running client: `daemon` is its process."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon

    def stop(self) -> tuple[Asked, ...]:
        """Send no more, wait for the last answers, and return all questions in their order.

        Raises:
            LabError: the client has failed; the message says how.
            LateError: it has not ended after 10 s.
        """
        code = self.daemon.terminate(_TO_THE_END)
        log = self.daemon.log()
        if code != 0:
            message = f"{self.daemon.name} ended with code {code}"
            raise LabError(message, hint=log[-2000:])
        return tuple(Asked(*one) for one in json.loads(log.splitlines()[-1]))


def start(  # noqa: PLR0913 - one value each, all by name
    host: Host,
    server: str,
    *,
    rate: float = 1000.0,
    ports: int = 64,
    port: int = 53,
    question: str = "google.com.",
) -> Client:
    """Start to ask `server`, an address, for the SOA of `question`; return when it has begun.

    It sends `rate` questions a second evenly, whether earlier ones are answered or not, from as
    many `ports` in turn: what spreads flows by their ports (ECMP, SO_REUSEPORT) spreads these.

    Raises:
        LabError: the client ended, for example because `server` is not an address.
    """
    argv, env = module("anycast_routed.lab.dns_client_process")
    argv += ["--rate", str(rate), "--ports", str(ports), "--port", str(port)]
    daemon = host.start(*argv, server, question, name="client", env=env)
    eventually(
        lambda: not daemon.alive or "asking" in daemon.log(),
        within=10.0,
        every=0.005,
        why=f"{daemon.name} asks",
    )
    daemon.check()
    return Client(daemon)


def lost(asked: Iterable[Asked]) -> list[Asked]:
    """Return the questions without an answer."""
    return [one for one in asked if one.took is None]


def failed(asked: Iterable[Asked]) -> list[Asked]:
    """Return the questions that did not help: without an answer, or answered with an error."""
    return [one for one in asked if one.rcode != 0]
