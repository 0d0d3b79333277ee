"""The faults that anycast-routed must withstand, and what must happen; tests name the rows."""

from __future__ import annotations

from tests.support.fault_row import Row
from tests.support.patience_rows import PATIENCE_AND_GROWTH

PREFACE = """\
# Faults that anycast-routed withstands

Each row names a fault, what must happen, and the tests that cause the fault.

- Where a route is at stake, the tests judge by the table of a BGP peer that records every message;
  `anycast-routed status` must agree with that table.
- The tests run real routers and DNS servers in network namespaces: BIRD, FRR, unbound, NSD, Knot
  and five other DNS servers. Some faults must occur at a rare moment: where possible, the kernel
  causes them, by signals, resource limits, full disks or nftables.
- A withdrawal is one message for each prefix. The peer receives no message about other prefixes,
  and the BGP sessions stay established.
- A busy machine makes these tests slower, and does not make them fail: they wait for events.
  The benchmarks measure how fast a withdrawal is ([performance.md](performance.md)).
- `make test` runs all tests that need no booted Debian, and a part of each long one. `make soak`
  runs the long ones in full, and `make booted` those that need a booted Debian.
- In addition, random schedules of overlapping faults run on both routers: 13 in `make test` and
  200 in `make soak` ([test_schedules.py](../tests/supervisor/test_schedules.py)). In every second
  schedule the server dies or hangs together with a fault of the daemon, the router or the config,
  or with something that the operator does by hand: disabling a session, trying a config of BIRD,
  or announcing the same addresses by other means.

`make reliability` generates this file from the markers of the tests (`pytest.mark.fault`).

"""


ROWS: dict[str, Row] = {
    "1": Row("The DNS server is killed", "Withdrawn, one message per prefix; the sessions stay up"),
    "2": Row(
        "The DNS server hangs, and its port stays open",
        "Withdrawn; nothing else in the daemon waits for the server",
    ),
    "3": Row("No packet reaches the DNS server", "Withdrawn"),
    "4": Row(
        "The DNS server answers SERVFAIL, REFUSED, NXDOMAIN, NODATA or a referral",
        "Withdrawn; the reason and the extended DNS error (RFC 8914) are reported",
    ),
    "5": Row(
        "The answer is truncated over UDP, and TCP does not work",
        "The check tries TCP; then withdrawn",
    ),
    "6": Row("The DNS server is slow, but answers before the timeout", "Announced"),
    "7": Row("30 % of the packets are lost for five minutes", "No change"),
    "8": Row(
        "Forged replies arrive before the genuine one", "The forged replies are ignored; announced"
    ),
    "9": Row("Malformed packets arrive", "They are ignored and do not delay the check"),
    "10": Row(
        "The zone is stale or expired, or its signatures are invalid",
        "Withdrawn or lowered, if the config asks for it",
        "Not built yet",
    ),
    "11": Row(
        "The DNS server does not listen on the anycast address itself",
        "Withdrawn, if the check asks that address",
    ),
    "12": Row(
        "Only TCP, or only IPv6, does not work",
        "Services that are checked that way are withdrawn; all others stay announced",
    ),
    "13": Row(
        "The DNS server goes down and comes up every second",
        "Few UPDATEs; in the end the service stays withdrawn, and this is reported",
    ),
    "14": Row(
        "A check cannot run: no file descriptors or no free ports are left",
        "Reported; nothing changes for 30 s, then the service counts as down",
    ),
    "15": Row(
        "Labels appear, disappear or are renamed; a thousand change at once",
        "Announced or withdrawn at once, with one UPDATE per prefix and a few reloads in all",
    ),
    "16": Row(
        "A label or a description is hostile", "Refused or skipped; never in a router's config"
    ),
    "17": Row(
        "The interface of the next hop goes down, or has another address, none, or two",
        "Planned again at once, with one UPDATE; the choice is always the same",
    ),
    "18": Row(
        "An IPv6 address is tentative, or another host has the same address", "Not announced"
    ),
    "19": Row("The kernel drops notifications of address changes", "All addresses are read again"),
    "20": Row(
        "The router is missing, is killed or restarts, while DNS is up or goes down",
        "The daemon waits for the router. Healthy services are announced again; a service "
        "that died meanwhile is withdrawn from the start",
    ),
    "21": Row(
        "The host reboots and the DNS server starts late; FRR has saved our lines",
        "anycast-routed withdraws the saved lines when it starts, and announces nothing until the "
        "first healthy verdict; until it starts, FRR announces the saved lines",
    ),
    "22": Row(
        "The router's socket hangs, is missing, refuses us or breaks off; no process can be "
        "started",
        "Each call has a deadline: exit code 69 or 77 with a hint; no threads or descriptors "
        "accumulate",
    ),
    "23": Row(
        "bird.conf is broken when the DNS server dies, and is repaired afterwards",
        "Withdrawn at once, and still withdrawn after the repair",
    ),
    "24": Row(
        "The operator's template renders a wrong config",
        "Nothing of the wrong text is loaded; prefixes that must be withdrawn are still withdrawn",
    ),
    "25": Row(
        "FRR loads a part of the config, or bgpd is dead and vtysh still ends with 0",
        "The read-back detects it, and the change is undone; `apply` ends with 4 or 69",
    ),
    "26": Row(
        "An export filter refuses a prefix",
        "Reported with the prefix and the peer; exit code 4 if no peer gets the prefix",
    ),
    "27": Row(
        "Our config file is edited, emptied, deleted or a FIFO; the include line is missing; "
        "other files are in the run directory",
        "Repaired, or reported with the fix; nothing hangs",
    ),
    "28": Row("The operator reconfigures the router all the time", "No change is lost"),
    "29": Row(
        "A peer is down, has another password, or accepts no more prefixes",
        "Announced to the other peers; reported with the state of the session, and with the "
        "reason if BIRD gives one; no repeated loads",
    ),
    "30": Row(
        "anycast-routed is killed at any step of a change",
        "The file is either the old or the new one; the next run completes the change. "
        "`make soak` kills at every step, at least a hundred in all; `make test` at every third "
        "step with BIRD and every fourth with FRR",
    ),
    "31": Row(
        "SIGTERM; too many restarts; a hung loop; an upgrade",
        "SIGTERM: as `on-stop` says. Too many restarts: `anycast-routed-withdraw.service` "
        "withdraws. A hung loop: systemd restarts the daemon. An upgrade: no UPDATE",
    ),
    "31b": Row(
        "anycast-routed is killed in the middle of a withdrawal",
        "A dead service is never announced again",
    ),
    "32": Row(
        "Two instances start, or twenty at once",
        "One works; the others end with exit code 75 and do not wait",
    ),
    "33": Row(
        "The disk is full, read-only or hangs",
        "The old file stays complete; a withdrawal succeeds nevertheless; exit code 73. The "
        "daemon is tested with BIRD only",
    ),
    "34": Row(
        "A state file is corrupt, of another boot, a link, or another user's",
        "Set aside or refused; the state is read from the router",
    ),
    "35": Row(
        "The config file is broken, half written, empty or missing; replaced by rename or link",
        "The old config stays in force until the new one is valid",
    ),
    "36": Row(
        "The clock jumps; the host was suspended; no processor time is left",
        "No change; the daemon never takes its own lateness for a fault of the DNS server",
    ),
    "37": Row(
        "Nothing reads our log; stderr is closed or full; the state directory is not writable",
        "The daemon continues, and reports it where it can",
    ),
    "38": Row(
        "The host's resolver is the DNS server that died", "anycast-routed never resolves a name"
    ),
    "39": Row("A hundred thousand cycles", "No more memory or descriptors than before"),
    "40": Row(
        "Any text in any string of the config",
        "Refused, or within the alphabet of its key (10,000 texts for each key); it adds no "
        "statement to the router's config (2,000 texts for each router)",
    ),
    "41": Row(
        "FRR cannot take one prefix: staticd or mgmtd is dead, a filter refuses its static route, "
        "or the operator has its `network`",
        "All other prefixes are announced, and no session is reset; reported; exit code 4",
    ),
    "42": Row(
        "Another part of the router's config announces the prefix of a dead service",
        "Reported with the protocol or command that makes it; exit code 4; never answered by a "
        "withdrawal of other prefixes",
    ),
    "43": Row(
        "The operator has disabled a protocol, tries a config, or has saved a broken one",
        "It stays so: a death and a return load no config; one prefix goes alone",
    ),
    "44": Row(
        "Two instances with different run directories use one router, or start there at once; "
        "another user holds a lock",
        "One announces; the other ends with exit code 75, changes nothing, and takes over once "
        "the first has ended. A lock of a user without rights on the router keeps nobody out",
    ),
    "45": Row(
        "A prefix whose address is not on this host, beside a route to it",
        "No blackhole route reaches the kernel: the prefix is announced without one, or withheld "
        "with the reason, unless its route says `blackhole = true`",
    ),
    "46": Row(
        "Nothing answers DNS on an announced address, or the address is not on this host",
        "`validate`, `plan`, `apply`, `status` and the log tell it; nothing is withdrawn for it",
    ),
    "48": Row(
        "The DNS server or a BGP session is in a VRF, in another network namespace or in a "
        "container",
        "Named, with what to do; nothing else changes",
    ),
    "49": Row(
        "Another user opens the address and port of the living DNS server, or of its clients only",
        "Reported with both users in `status`, the log and the status file",
    ),
    **PATIENCE_AND_GROWTH,
}
