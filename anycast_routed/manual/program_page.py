"""Generate anycast-routed(8): verbs, options, exit codes, units, signals, environment, files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from anycast_routed.config import DEFAULTS, VARIABLE
from anycast_routed.errors import Exit
from anycast_routed.manual import roff

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anycast_routed.manual.verbs import Option, Verb

_DESCRIPTION = (
    (
        "`anycast-routed` checks the DNS server on this host. While the server answers, BIRD or "
        "FRR on the same host announces the anycast addresses. When the server fails, "
        "`anycast-routed` withdraws them and reads the state of the router back to confirm the "
        "withdrawal. It is not a BGP router: BIRD or FRR holds the sessions."
    ),
    (
        "It runs as a daemon (`daemon`), or once per call (`apply`), for example from a timer. "
        "While one instance runs, another one ends with exit code 75. The config file, "
        "`anycast-routed.toml`(5), defines the checks and the prefixes."
    ),
    (
        "Root is not needed: members of group `bird` can control BIRD, and members of group "
        "`frrvty` can control FRR and also read its BGP passwords."
    ),
    (
        "In the output of the verbs, `+` means announced, `-` withdrawn, `~` changed, and `!` "
        "withheld or wrong."
    ),
)
EXITS: Final = {
    Exit.OK: "Success, also for a correct withdrawal.",
    Exit.DOWN: "`check`: the check of a service fails.",
    Exit.CHANGE_PENDING: "`plan --exit-code`: `apply` would change something.",
    Exit.NOT_CONFIRMED: "The router refused the change or did not confirm it (the change is then "
    "undone as far as possible), or no peer receives a prefix.",
    Exit.USAGE: "Wrong usage: unknown verb, option, service or prefix.",
    Exit.UNAVAILABLE: "The router does not answer, a program is missing, the addresses of the host "
    "cannot be read, or no daemon runs.",
    Exit.BUG: "A bug in anycast-routed.",
    Exit.CANNOT_WRITE: "A file cannot be written.",
    Exit.LOCKED: "Another instance is running.",
    Exit.PERMISSION: "Permission denied.",
    Exit.CONFIG: "The config file has a fault, is impossible for the router, or would withdraw "
    "most of the announced prefixes.",
}
_SIGNALS = (
    (
        "SIGTERM, SIGINT",
        (
            "The daemon withdraws everything and ends. With `on-stop` set to `keep`, or after "
            "`handover`, it leaves the prefixes announced."
        ),
    ),
    ("SIGHUP", "The daemon loads its config file again. `reload` also waits for the result."),
)
_ENVIRONMENT = (
    (VARIABLE, "The config file, if `--config` is not given."),
    ("ANYCAST_ROUTED_DEBUG", "If set, a bug prints its full traceback."),
    ("NO_COLOR", "If set, the output has no colours, also on a terminal."),
    (
        "CREDENTIALS_DIRECTORY",
        "Set by systemd: the directory of the password files that the config gives by name only.",
    ),
    (
        "NOTIFY_SOCKET, WATCHDOG_USEC",
        "Set by systemd: the daemon reports its state and feeds the watchdog.",
    ),
)
_UNITS = (
    ("anycast-routed.service", "The daemon."),
    (
        "anycast-routed-handover.service",
        "Start it before a restart of the daemon: the prefixes stay announced during the restart.",
    ),
    (
        "anycast-routed-withdraw.service",
        "Withdraws everything. systemd starts it when the daemon fails repeatedly.",
    ),
    (
        "anycast-routed-apply.timer",
        (
            "Runs `apply` every ten seconds through anycast-routed-apply.service, instead of the "
            "daemon."
        ),
    ),
)
_FILES = (
    *((str(path), "The config file; the first existing one is used.") for path in DEFAULTS),
    (
        "/run/anycast-routed",
        (
            "The run directory: the file that BIRD includes, the lock, the record of the last run, "
            "and the status of the daemon. A reboot deletes it, so BIRD announces nothing at boot."
        ),
    ),
    (
        "/var/lib/anycast-routed",
        "The state directory, which survives a reboot: drains, and the history of changes.",
    ),
    (
        "/etc/bird/bird.conf",
        (
            "The config of BIRD. It needs one include line: `setup` shows it and `setup --write` "
            "adds it."
        ),
    ),
)
_EXAMPLES = (
    (
        "Set up anycast-routed on a host with BIRD, and start it:",
        (
            "anycast-routed validate\nanycast-routed setup --write && birdc configure\nsystemctl "
            "enable --now anycast-routed"
        ),
    ),
    (
        "Take the host out of service for at most ten minutes, and put it back:",
        "anycast-routed drain --for 10m --wait\nanycast-routed undrain --wait",
    ),
    (
        "Restart the daemon, and keep the prefixes announced:",
        "systemctl start anycast-routed-handover && systemctl restart anycast-routed",
    ),
    ("See why a prefix is not announced:", "anycast-routed explain 192.0.2.53/32"),
)


def page(verbs: tuple[Verb, ...], date: str) -> str:
    """Return the man page in roff. `date` is "2026-01-31", or "" for no date."""
    program, *below = verbs
    return roff.page(
        [
            *roff.title(
                "anycast-routed", 8, "announce anycast addresses while the DNS server works", date
            ),
            *roff.heading("SYNOPSIS"),
            "\\fBanycast\\-routed\\fP [\\fIOPTIONS\\fP] \\fIVERB\\fP [\\fIARGUMENTS\\fP]",
            *roff.heading("DESCRIPTION"),
            *(line for text in _DESCRIPTION for line in roff.paragraph(text)),
            *roff.heading("OPTIONS"),
            *roff.paragraph("Options may stand before or after the verb."),
            *_options(program.options),
            *roff.heading("VERBS"),
            *(line for verb in below for line in _verb(verb)),
            *_list('"EXIT STATUS"', ((str(int(code)), text) for code, text in EXITS.items())),
            *roff.heading("UNITS"),
            *roff.paragraph(
                "The units run as user `anycast-routed` without any capability. Without a config "
                "file the daemon and the timer do nothing."
            ),
            *(line for unit in _UNITS for line in roff.entry(*unit)),
            *_list("SIGNALS", _SIGNALS),
            *_list("ENVIRONMENT", _ENVIRONMENT),
            *_list("FILES", _FILES),
            *roff.heading("EXAMPLES"),
            *(
                line
                for text, lines in _EXAMPLES
                for line in (*roff.paragraph(text), *roff.example(lines))
            ),
            *roff.heading('"SEE ALSO"'),
            *roff.paragraph("`anycast-routed.toml`(5), `bird`(8), `birdc`(8), `vtysh`(1)"),
        ]
    )


def _verb(verb: Verb) -> list[str]:
    arguments = " ".join(shown for shown, _ in verb.arguments)
    head, _, rest = verb.text.partition("\n\n")
    paragraphs = [head, *rest.split("\n\n")] if rest else [head]
    return [
        *roff.subheading(f"{verb.name} {arguments}".rstrip()),
        *(line for text in paragraphs for line in roff.paragraph(text)),
        *(line for shown, text in verb.arguments for line in roff.entry(shown, text)),
        *_options(one for one in verb.options if "--help" not in one.names),
    ]


def _options(options: Iterable[Option]) -> list[str]:
    return [
        line
        for one in options
        for line in roff.entry(f"{', '.join(one.names)} {one.value}".rstrip(), one.text)
    ]


def _list(title: str, entries: Iterable[tuple[str, str]]) -> list[str]:
    return [*roff.heading(title), *(line for entry in entries for line in roff.entry(*entry))]
