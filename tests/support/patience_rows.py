"""The faults of too much and too little patience, and of work that grows too fast."""

from __future__ import annotations

from tests.support.fault_row import Row

PATIENCE_AND_GROWTH: dict[str, Row] = {
    "60": Row(
        "The DNS server is silent while it reloads large data, waits for a CPU or in the kernel, "
        "or loops; or its processes are unknown",
        "Left to the check: 20 reloads of each of eight servers withdraw nothing",
    ),
    "61": Row(
        "A proxy on this host loses the first of its two backends",
        "Announced: the proxy has not hung",
    ),
    "66": Row(
        "A typo in the check of a healthy service: another name, server, port or timeout",
        "The old check decides until the changed one passes; `reload` and `apply` end with 78, and "
        "name the key. When both fail, the service is withdrawn",
    ),
    "67": Row(
        "The only address that can be a next hop is deprecated: its preferred lifetime is over",
        "Announced with it; an address that is not deprecated is preferred",
    ),
    "68": Row(
        "The DNS server restarts while nothing is announced, or hangs for less than the timeout",
        "It does not count as flapping: announced as soon as it can be",
    ),
    "69": Row(
        "The daemon hangs five times in a row, while it runs or in its start, and Python does not "
        "start; or its router answers slowly",
        "systemd fails the unit after the fifth hang, and a script without Python withdraws ours "
        "and nothing else. Slow calls that work get no daemon killed",
    ),
    "70": Row(
        "The service of thousands of prefixes dies, half of which are drained one by one",
        "All are withdrawn at once: a pass costs no more than its prefixes, and a withdrawal no "
        "more than that of a small service",
    ),
    "71": Row(
        "Hundreds of prefixes have a LocalPref each on FRR, and a load of them breaks off",
        "They come up in portions; the next load goes on, and no withdrawal waits for it",
    ),
    "72": Row(
        "Interfaces and addresses that the config does not name come and go all the time, as those "
        "of containers",
        "The router is neither asked nor loaded for them; what matters among them is seen at once",
    ),
}
