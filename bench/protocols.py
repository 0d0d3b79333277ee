"""Measure how long BIRD takes to disable static protocols, by how many there are.

`python -m bench.protocols` (root). By this a large service has one protocol for all its prefixes,
and a small one a protocol for each. The program prints a Markdown table.
"""

from __future__ import annotations

import argparse
import sys
import time
from ipaddress import IPv4Address

from anycast_routed.announce.bird.socket import ControlSocket
from anycast_routed.lab import Lab, bird
from bench.figures import Series, machine, markdown

_HEAD = ("protocols", "disable one, ms", "disable all, ms", "configure, ms")
_CONF = "log stderr all; router id 192.0.2.1; ipv4 table anycast4; protocol device {}\n"
_FIRST = IPv4Address("10.0.0.1")
_WITHIN = 60.0
_RUNS = 10


def main() -> int:
    """Measure each size, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 16, 100, 1_000])
    print(machine())
    rows = [_row(size) for size in parser.parse_args().sizes]
    print(markdown(_HEAD, rows))
    return 0


def _row(size: int) -> tuple[str, ...]:
    with Lab() as lab:
        host = lab.host("dns1")
        host.write(bird.CONF, _CONF + "".join(map(_protocol, range(size))))
        bird.Bird(host)
        with ControlSocket(host.path(bird.CONTROL), within=_WITHIN) as control:
            one, every, configure = Series(), Series(), Series()
            for _ in range(_RUNS):
                one.add(_timed(control, "disable static_0"))
                control.ask("enable static_0")
                every.add(_timed(control, *(f"disable static_{n}" for n in range(size))))
                # It enables all again.
                configure.add(_timed(control, "configure"))
    return (f"{size:,}", one.spread(), every.spread(), configure.spread())


def _protocol(number: int) -> str:
    inside = f"ipv4 {{ table anycast4; }}; route {_FIRST + number}/32 blackhole;"
    return f"protocol static static_{number} {{ {inside} }}\n"


def _timed(control: ControlSocket, *commands: str) -> float:
    begun = time.monotonic()
    for command in commands:
        control.must(command)
    return time.monotonic() - begun


if __name__ == "__main__":
    sys.exit(main())
