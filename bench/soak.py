"""Run the daemon for long under load, loss and flapping, and verify at the peer what it announced.

`python -m bench.soak` (root) takes about two hours; with `--minutes N` each part is shortened so
that all parts end in about that time. The first failure ends the program with exit code 1 and its
reason.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from anycast_routed.errors import AnycastRoutedError
from anycast_routed.lab import large_dns
from bench import faults, resources
from bench.cases import saturate
from bench.daemon_site import DaemonSite, Setting, site_config

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
_SAMPLES = 200  # measurements of memory and descriptors
_GROWTH = 1.0  # MiB by which the medians may differ; a leak of 100 bytes a reconcile is 10
_TRANSIENT = 1  # descriptors; of the minima, since checks open and close some
_MOST_CHANGES = 24  # announcements and withdrawals in a minute: four of each, for three prefixes
_RECONCILES = 100_000


class FailedError(Exception):
    """The daemon did something that it must never do."""


class Part(NamedTuple):
    """One part: full length in seconds, share of `--minutes`, function, rows of the fault table."""

    name: str
    seconds: float
    share: float
    run: Callable[[float], str]
    rows: tuple[int, ...]


def main() -> int:
    """Run all selected parts, up to the first failure."""
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
            result = part.run(seconds)
        except (FailedError, AnycastRoutedError) as error:
            print(f"FAILED: {part.name}: {error}")
            for note in getattr(error, "__notes__", ()):
                print(note, file=sys.stderr)
            return 1
        print(f"  passed: {result}; {time.monotonic() - begun:.0f} s", flush=True)
    return 0


def _saturated_unbound(seconds: float) -> str:
    with DaemonSite(Setting("bird"), site_config()) as site:
        return _saturated(site, faults.unbound(site.host), seconds)


def _saturated_nsd(seconds: float) -> str:
    with DaemonSite(Setting("bird"), site_config()) as site:
        return _saturated(site, faults.nsd(site.host), seconds)


def _saturated(site: DaemonSite, server: Dns, seconds: float) -> str:
    """Ask a server more than it can answer: nothing may be withdrawn."""
    site.start()
    site.peer.read()
    result = saturate(site.host, seconds).result()
    _require_no_withdrawal(site)
    if not result.lost or not server.daemon.alive:
        message = f"the server was not overloaded: {result}"
        raise FailedError(message)
    return f"no WITHDRAW; {result.qps:,.0f} answers a second, {result.lost / result.sent:.1%} lost"


def _lossy(seconds: float) -> str:
    """Drop 30 % of the packets to the server, and 30 % of the packets from the server."""
    with DaemonSite(Setting("bird"), site_config()) as site:
        faults.unbound(site.host)
        site.start()
        site.peer.read()
        site.host.run("nft", "-f", "-", stdin=_LOSS)
        time.sleep(seconds)
        _require_no_withdrawal(site)
        verdicts = site.daemon.log().count(" verdict service=dns ")
        if verdicts != 1:
            message = f"the log has {verdicts} verdicts instead of one"
            raise FailedError(message)
        return "no WITHDRAW, no transition"


def _reloading(name: str, seconds: float) -> str:
    """Reload a server with large data again and again: nothing may be withdrawn."""
    config = site_config()
    config["dns"]["rrtype"] = "A"
    with DaemonSite(Setting("bird"), config) as site:
        server = large_dns.SERVERS[name](site.host)
        site.start()
        site.peer.read()
        end, count = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            server.reload()
            count += 1
        time.sleep(2)  # the last check has ended then
        _require_no_withdrawal(site)
        return f"no WITHDRAW in {count} reloads"


def _require_no_withdrawal(site: DaemonSite) -> None:
    if count := site.peer.withdrawals():
        log = site.daemon.log()[-2000:]
        message = f"the peer received {count} withdrawals instead of none\n{log}"
        raise FailedError(message)


@dataclass(frozen=True)
class Size:
    """Memory (MiB) and open descriptors of the daemon at one moment."""

    rss: float
    descriptors: int


def cycles(seconds: float) -> str:
    """Add and remove a labelled address, and wait each time for the UPDATE at the peer.

    Each time is at least one reconcile of the daemon with a real BIRD: addresses, plan, render,
    check, load and read-back.

    Raises:
        FailedError: memory or descriptors grow.
    """
    with DaemonSite(Setting("bird"), site_config()) as site:
        faults.unbound(site.host)
        site.start()
        sizes, count = _change_addresses(site, seconds)
    kept = sizes[len(sizes) // 4 :]  # the first quarter still fills caches and loads modules
    early, late = kept[: len(kept) // 2], kept[len(kept) // 2 :]
    rss = [statistics.median(one.rss for one in half) for half in (early, late)]
    fds = [min(one.descriptors for one in half) for half in (early, late)]
    result = f"{count:,} cycles; {rss[0]:.1f}, then {rss[1]:.1f} MiB; "
    result += f"at least {fds[0]}, then {fds[1]} descriptors"
    if rss[1] - rss[0] > _GROWTH or fds[1] - fds[0] > _TRANSIENT:
        message = f"memory or descriptors grow: {result}"
        raise FailedError(message)
    return result


def _change_addresses(site: DaemonSite, seconds: float) -> tuple[list[Size], int]:
    """Add and remove the address for `seconds`; return the sizes, and the number of changes."""
    pipe, pid = "/run/ip-commands", site.daemon.pid
    site.host.run("mkfifo", pipe)
    # One ip process reads all commands: starting one for each would take most of the time.
    reader = site.host.start("ip", "-batch", pipe, name="ip")
    sizes: list[Size] = []
    begun, done = time.monotonic(), 0
    with site.host.path(pipe).open("w") as commands:
        while done < _RECONCILES and (passed := time.monotonic() - begun) < seconds:
            verb, count = ("add", 4) if done % 2 == 0 else ("del", 3)
            label = "label lo:dns9" if verb == "add" else ""
            commands.write(f"address {verb} {_EXTRA} dev lo {label}\n")
            commands.flush()
            site.peer.wait(count, _WITHIN, every=0.001)
            done += 1
            if len(sizes) < _SAMPLES * max(passed / seconds, done / _RECONCILES):
                sizes.append(Size(resources.rss(pid), resources.descriptors(pid)))
    reader.wait(within=5)
    return sizes, done


def _flapping(seconds: float) -> str:
    """Kill the server each second, start it half a second later: withdrawn at the end."""
    config = site_config()
    del config["dns"]["half-life"]
    with DaemonSite(Setting("bird"), config) as site:
        fault = faults.Killed(faults.unbound(site.host))
        site.start()
        site.peer.read()
        changes = 0
        for _ in range(int(seconds)):
            fault.cause()
            time.sleep(0.5)
            fault.clear()
            time.sleep(0.5)
            changes += len(site.peer.read())
        time.sleep(2)  # long enough for an announcement
        changes += len(site.peer.read())
        if site.peer.routes or changes > _MOST_CHANGES:
            message = f"{changes} changes; at the end the peer has {len(site.peer.routes)} prefixes"
            raise FailedError(message)
        return f"{int(seconds)} kills, {changes} changes of prefixes, withdrawn at the end"


PARTS = (
    Part("saturated unbound", 300, 0.18, _saturated_unbound, (36,)),
    Part("saturated nsd", 300, 0.18, _saturated_nsd, (36,)),
    Part("30 % loss each way", 300, 0.18, _lossy, (7,)),
    Part("100,000 cycles", 3600, 0.18, cycles, (39,)),
    *(
        Part(f"reloads of {name}", 300, 0.02, partial(_reloading, name), (60,))
        for name in large_dns.SERVERS
    ),
    Part("flapping", 60, 0.1, _flapping, (13,)),
)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, help="shorten every part (default: full length)")
    parser.add_argument("--only", default="", help="run only parts with this text in their name")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
