"""What must never happen, watched for long: the peer is the judge.

`python -m bench.soak` (root) takes its full time, about an hour; with `--minutes N` each part
is shortened so that all of them end in about that time. It ends with code 1 and says why as soon
as something is wrong.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from anycast_routed.errors import AnycastRoutedError
from bench import faults, resources
from bench.cases import saturate
from bench.daemon_site import Setting, Stand, seed

if TYPE_CHECKING:
    from collections.abc import Callable

    from anycast_routed.lab.dns import Dns

_EXTRA = "10.10.10.99/32"
_WITHIN = 5.0
_LOSS = """\
table inet soak {
  chain input {
    type filter hook input priority 0
    meta l4proto { tcp, udp } th dport 53 numgen random mod 100 < 30 drop
    meta l4proto { tcp, udp } th sport 53 numgen random mod 100 < 30 drop
  }
}
"""
_SAMPLES = 200  # looks at memory and descriptors
_GROWTH = 1.0  # MiB that the medians of memory may differ by; a leak of 100 bytes a turn is 10
_TRANSIENT = 1  # descriptors; the least count, since checks and connections come and go
_MOST_TOLD = 24  # prefixes announced or withdrawn in a minute of flapping: four turns of three


class FailedError(Exception):
    """Something happened that must not."""


class Part(NamedTuple):
    """One story: its full seconds, its share where time is short, and the faults it is about."""

    name: str
    seconds: float
    share: float
    tell: Callable[[float], str]
    rows: tuple[int, ...]


def main() -> int:
    """Go through all parts, as long as nothing is wrong."""
    options = _options()
    for part in PARTS:
        seconds = part.seconds
        if options.minutes:
            seconds = min(seconds, options.minutes * 60 * part.share)
        if options.only not in part.name:
            continue
        print(f"{part.name}: {seconds:.0f} s", flush=True)
        begun = time.monotonic()
        try:
            said = part.tell(seconds)
        except (FailedError, AnycastRoutedError) as error:
            print(f"FAILED: {part.name}: {error}")
            for note in getattr(error, "__notes__", ()):
                print(note, file=sys.stderr)
            return 1
        print(f"  well: {said}; {time.monotonic() - begun:.0f} s", flush=True)
    return 0


def _saturated_unbound(seconds: float) -> str:
    with Stand(Setting("bird"), seed()) as stand:
        return _saturated(stand, faults.unbound(stand.host), seconds)


def _saturated_nsd(seconds: float) -> str:
    with Stand(Setting("bird"), seed()) as stand:
        return _saturated(stand, faults.nsd(stand.host), seconds)


def _saturated(stand: Stand, server: Dns, seconds: float) -> str:
    """Have a server asked more than it can answer: nothing may be withdrawn."""
    stand.start()
    stand.ear.hear()
    result = saturate(stand.host, seconds).result()
    _nothing_withdrawn(stand)
    if not result.lost or not server.daemon.alive:
        message = f"the server was not overloaded: {result}"
        raise FailedError(message)
    return f"no WITHDRAW; {result.qps:,.0f} answers a second, {result.lost / result.sent:.1%} lost"


def _lossy(seconds: float) -> str:
    """Lose 30 % of the packets to the server, and 30 % of those from it."""
    with Stand(Setting("bird"), seed()) as stand:
        faults.unbound(stand.host)
        stand.start()
        stand.ear.hear()
        stand.host.run("nft", "-f", "-", stdin=_LOSS)
        time.sleep(seconds)
        _nothing_withdrawn(stand)
        verdicts = stand.ours.log().count(" verdict service=dns ")
        if verdicts != 1:
            message = f"{verdicts} verdicts in the log instead of one"
            raise FailedError(message)
        return "no WITHDRAW, no transition"


def _nothing_withdrawn(stand: Stand) -> None:
    if count := stand.ear.withdrawals():
        log = stand.ours.log()[-2000:]
        message = f"{count} withdrawals at the peer, and none should be\n{log}"
        raise FailedError(message)


@dataclass(frozen=True)
class Size:
    """What the daemon holds at one moment."""

    rss: float
    descriptors: int


def reconciles(seconds: float) -> str:
    """Add and remove a labelled address; each time the peer must be told before the next.

    So each turn is one reconcile of the daemon at the least: addresses, plan, render, check, load
    and read-back, with a real BIRD.
    """
    with Stand(Setting("bird"), seed()) as stand:
        faults.unbound(stand.host)
        stand.start()
        sizes, turns = _turn(stand, seconds)
    kept = sizes[len(sizes) // 4 :]  # by then all that is loaded once, or is bounded, is there
    early, late = kept[: len(kept) // 2], kept[len(kept) // 2 :]
    rss = [statistics.median(one.rss for one in half) for half in (early, late)]
    fds = [min(one.descriptors for one in half) for half in (early, late)]
    said = f"{turns:,} reconciles; {rss[0]:.1f}, then {rss[1]:.1f} MiB; "
    said += f"at least {fds[0]}, then {fds[1]} descriptors"
    if rss[1] - rss[0] > _GROWTH or fds[1] - fds[0] > _TRANSIENT:
        message = f"it grows: {said}"
        raise FailedError(message)
    return said


def _turn(stand: Stand, seconds: float) -> tuple[list[Size], int]:
    """Turn as often as it goes, at most `_TURNS` times; return sizes, and how often it was."""
    pipe, pid = "/run/turns", stand.ours.pid
    stand.host.run("mkfifo", pipe)
    # One ip that reads its commands from us: to start one for each turn would take most time.
    reader = stand.host.start("ip", "-batch", pipe, name="turns")
    sizes: list[Size] = []
    begun, turns = time.monotonic(), 0
    with stand.host.path(pipe).open("w") as commands:
        while turns < _TURNS and (passed := time.monotonic() - begun) < seconds:
            verb, count = ("add", 4) if turns % 2 == 0 else ("del", 3)
            label = "label lo:dns9" if verb == "add" else ""
            commands.write(f"address {verb} {_EXTRA} dev lo {label}\n")
            commands.flush()
            stand.ear.until(count, _WITHIN, every=0.001)
            turns += 1
            if len(sizes) < _SAMPLES * max(passed / seconds, turns / _TURNS):
                sizes.append(Size(resources.rss(pid), resources.descriptors(pid)))
    reader.wait(within=5)
    return sizes, turns


def _flapping(seconds: float) -> str:
    """Kill the server each second, and start it half a second later: it must end withdrawn."""
    config: dict[str, Any] = seed()
    del config["dns"]["half-life"]
    with Stand(Setting("bird"), config) as stand:
        fault = faults.Killed(faults.unbound(stand.host))
        stand.start()
        stand.ear.hear()
        told = 0
        for _ in range(int(seconds)):
            fault.strike()
            time.sleep(0.5)
            fault.heal()
            time.sleep(0.5)
            told += len(stand.ear.hear())
        time.sleep(2)  # long enough to be announced, if it were to be
        told += len(stand.ear.hear())
        if stand.ear.table or told > _MOST_TOLD:
            message = f"{told} messages, and {len(stand.ear.table)} prefixes at the end"
            raise FailedError(message)
        return f"{int(seconds)} deaths, {told} prefixes told of, withdrawn at the end"


_TURNS = 100_000
PARTS = (
    Part("saturated unbound", 300, 0.22, _saturated_unbound, (36,)),
    Part("saturated nsd", 300, 0.22, _saturated_nsd, (36,)),
    Part("30 % loss each way", 300, 0.22, _lossy, (7,)),
    Part("100,000 reconciles", 3600, 0.22, reconciles, (39,)),
    Part("flapping", 60, 0.1, _flapping, (13,)),
)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, help="shorten every part (default: full length)")
    parser.add_argument("--only", default="", help="only parts with this in their name")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
