"""Start dnsperf in a host of the lab, to put load on a DNS server."""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anycast_routed.lab.failures import LabError
from anycast_routed.lab.programs import find

if TYPE_CHECKING:
    from anycast_routed.lab.daemon import Daemon
    from anycast_routed.lab.host import Host

_QUESTIONS = "/etc/dnsperf/questions"
_DEFAULT_TIMEOUT = 5.0  # seconds: dnsperf waits so long for the last answers


@dataclass(frozen=True, slots=True)
class Result:
    """The counters of dnsperf. Answers with any rcode are completed; `qps` counts these."""

    sent: int
    completed: int
    lost: int
    qps: float


class Load:
    """A running dnsperf. `daemon` is its process."""

    def __init__(self, daemon: Daemon, seconds: float) -> None:
        self.daemon = daemon
        self._seconds = seconds

    def stop(self) -> Result:
        """End dnsperf now, and return its counters."""
        self.daemon.signal(signal.SIGINT)
        return self.result()

    def result(self) -> Result:
        """Wait for the end of dnsperf, and return its counters.

        Raises:
            LabError: dnsperf failed, for example because the server cannot be reached.
            LateError: dnsperf did not end within its run time and 10 s.
        """
        code = self.daemon.wait(self._seconds + _DEFAULT_TIMEOUT + 5.0)
        log = self.daemon.log()
        if code != 0:
            message = f"{self.daemon.name} ended with code {code}"
            raise LabError(message, hint=log[-2000:])
        return Result(
            sent=int(_number("Queries sent", log)),
            completed=int(_number("Queries completed", log)),
            lost=int(_number("Queries lost", log)),
            qps=_number("Queries per second", log),
        )


def start(  # noqa: PLR0913 - one value each, all by name
    host: Host,
    server: str,
    *,
    seconds: float,
    qps: float | None = None,
    clients: int = 1,
    outstanding: int = 100,
    patience: float = _DEFAULT_TIMEOUT,
    port: int = 53,
    question: str = "google.com SOA",
) -> Load:
    """Start to ask `server`, an address, for `seconds`; return at once.

    dnsperf asks as fast as the server answers, with `outstanding` questions unanswered at a time,
    unless `qps` limits the rate. A question is lost after `patience` seconds. Many outstanding
    questions with a short `patience` keep the server's socket buffers full. Each of the `clients`
    has its own source port.

    Raises:
        LabUnavailableError: dnsperf is not installed.
    """
    host.write(_QUESTIONS, f"{question}\n")
    argv = [find("dnsperf"), "-s", server, "-p", str(port), "-d", _QUESTIONS]
    argv += ["-l", f"{seconds:g}", "-c", str(clients)]
    argv += ["-q", str(outstanding), "-t", f"{patience:g}"]
    argv += ["-Q", f"{qps:g}"] if qps else []
    return Load(host.start(*argv), seconds)


def _number(name: str, log: str) -> float:
    found = re.search(rf"^ *{name}: +([\d.]+)", log, re.MULTILINE)
    if found is None:
        message = f'dnsperf did not print "{name}"'
        raise LabError(message, hint=log[-2000:])
    return float(found[1])
