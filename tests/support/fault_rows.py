"""The faults that anycast-routed must stand, and what must happen then; tests name them by number.

`A` and `W` are short for announced and withdrawn, as in the table that is made of this.
"""

from __future__ import annotations

from typing import NamedTuple

PREFACE = """\
# What it withstands

Each line is a fault, what must happen then, and the tests that bring it about.
**A** is announced, **W** withdrawn.

- The judge is always the table of a BGP peer that writes down every message, wherever a route is at
  stake; `anycast-routed status` must say the same.
- Routers and DNS servers are the real ones: BIRD, FRR, unbound, NSD and Knot in network namespaces.
  What has to fail at a rare moment is made to fail by the kernel wherever it can: signals, limits,
  full disks, nftables.
- A withdrawal is told once of each prefix. No other prefix is told of, and the sessions stay up.
- `make test` runs all of them, with short intervals, and of some a part; `make soak` those that
  need time, in full.
- Beside them schedules of faults that overlap are drawn at random, for both routers: 13 in
  `make test`, 200 in `make soak` ([test_schedules.py](../tests/daemon/test_schedules.py)). In each
  second one the server dies or hangs beside another fault, of the daemon, the router or the config.

`make reliability` writes this file from the markers in the tests (`pytest.mark.fault`).

"""


class Row(NamedTuple):
    """One fault; `later` says what a coming version adds."""

    fault: str
    required: str
    later: str = ""


ROWS: dict[str, Row] = {
    "1": Row("The DNS server is killed", "W, each prefix once; sessions stay up"),
    "2": Row("The DNS server hangs, its port open", "W; nothing of ours waits for it"),
    "3": Row("No packet reaches the DNS server", "W"),
    "4": Row(
        "It answers SERVFAIL, REFUSED, NXDOMAIN, nothing of the type, or a referral",
        "W, with the reason and the extended error (RFC 8914)",
    ),
    "5": Row("Its answer is cut short over UDP, and TCP is dead", "TCP is tried; then W"),
    "6": Row("It is slow, but in time", "A"),
    "7": Row("30 % of the packets are lost for five minutes", "No change"),
    "8": Row("Forged replies come before the true one", "They are ignored; A"),
    "9": Row("Malformed packets come", "They are ignored, and cost no time"),
    "10": Row(
        "The zone is stale or expired, its signatures broken",
        "W or lowered, where the config asks for it",
        "Comes with a later version",
    ),
    "11": Row("The server does not listen on the anycast address itself", "W where that is asked"),
    "12": Row("TCP alone is dead, or IPv6 alone", "W for what is checked that way, A for all else"),
    "13": Row("The server comes and goes each second", "Few UPDATEs; W in the end, and it is told"),
    "14": Row(
        "A check cannot run: no descriptors, no ports",
        "It is told, and nothing changes for 30 s; after that it counts as down",
    ),
    "15": Row(
        "Labels come, go, are renamed; a thousand at once",
        "A or W at once, one UPDATE for each prefix, a few reloads in all",
    ),
    "16": Row(
        "A label or description is hostile", "Refused or skipped, never in a router's config"
    ),
    "17": Row(
        "The next hop's interface is down, or has another address, none, or two",
        "Planned anew at once, one UPDATE; always the same choice",
    ),
    "18": Row("An IPv6 address is tentative, or another host has it", "Not A"),
    "19": Row("The kernel drops news of addresses", "All is read anew at once"),
    "20": Row(
        "The router is not there, is killed, restarts, while DNS lives or dies",
        "Waited for; what is healthy is A within 5 s, what died meanwhile W from the start",
    ),
    "21": Row(
        "Reboot with a late DNS server; FRR has saved our lines", "W until a healthy verdict"
    ),
    "22": Row(
        "The router's socket hangs, is missing, refuses us, breaks off; no process can be started",
        "Each call ends in time: exit 69 or 77 with a hint; nothing piles up",
    ),
    "23": Row("bird.conf is broken while DNS dies, and then mended", "W at once, and still W then"),
    "24": Row("Our text is bad, by the operator's template", "The file is as before; not loaded"),
    "25": Row(
        "FRR takes a part of it, or bgpd is dead behind exit code 0",
        "Seen by the read-back and put back; exit 4 or 69",
    ),
    "26": Row("A filter refuses the export", "Told, with the prefix and the peer; exit 4"),
    "27": Row(
        "Our file is edited, emptied, deleted, a FIFO; the include line is gone; strays lie about",
        "Put right, or named with the fix; nothing hangs",
    ),
    "28": Row("The operator reconfigures the router all the time", "No change is lost"),
    "29": Row(
        "A peer is down, has another password, or takes no more prefixes",
        "A at the others; told with the session's state, and the reason where BIRD says it; "
        "nothing is loaded again and again",
    ),
    "30": Row(
        "We are killed at any step of a change",
        "The file is the old or the new one; the next run brings all in order. `make soak`: at "
        "every step, a hundred in all; `make test`: at each third of BIRD's, each fourth of FRR's",
    ),
    "31": Row(
        "SIGTERM; too many restarts; a hung loop; an upgrade",
        "As `on-stop` says; W by the guard unit; no sign of life to systemd; no UPDATE",
    ),
    "31b": Row("We are killed in the middle of a withdrawal", "What is dead never comes back"),
    "32": Row("Two instances, twenty at once", "One works, the others end with exit 75 at once"),
    "33": Row(
        "The disk is full, read-only, or hangs",
        "The old file is whole; a withdrawal is done all the same; exit 73. The daemon: with BIRD",
    ),
    "34": Row(
        "The state is corrupt, of another boot, a link, another user's",
        "Set aside or refused; the router itself is read",
    ),
    "35": Row(
        "The config is broken, half written, emptied, gone; swapped by rename or link",
        "The old one stays in force until there is a good one",
    ),
    "36": Row(
        "The clock jumps; the host was suspended; no processor time is left",
        "No change; our own lateness is never taken for the server's",
    ),
    "37": Row(
        "Nobody reads our log; stderr is closed or full; the state folder cannot be written",
        "It goes on, and says so where it can",
        "Metrics come with a later version",
    ),
    "38": Row("The host's resolver is the server that has died", "No name is ever asked for"),
    "39": Row("A hundred thousand reconciles", "No more memory or descriptors than before"),
    "40": Row(
        "Any text for any string of the config",
        "Refused, or within its key's alphabet (10,000 texts for each); one value in the router's "
        "config (2,000 texts for each router)",
    ),
}
