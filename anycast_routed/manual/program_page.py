"""anycast-routed(8): the program, every verb and option, and what stands around them."""

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
        "`anycast-routed` watches the DNS server on this host, and while it answers, has BIRD or "
        "FRR on the same host announce the anycast addresses. When the server dies they are "
        "withdrawn; the router is then read back, to prove it. It is not a BGP router: BIRD or FRR"
        " holds the sessions."
    ),
    (
        "It runs as a daemon (`daemon`), or once at each call (`apply`), from a timer. Never both:"
        " one of them ends with 75. What is checked and announced stands in the config, "
        "`anycast-routed.toml`(5)."
    ),
    (
        "Root is not needed: members of group `bird` may talk to BIRD, and members of group "
        "`frrvty` to FRR, whose BGP passwords they can read too."
    ),
    (
        "In what the verbs print, `+` is announced, `-` withdrawn, `~` changed, and `!` withheld "
        "or not as it should be."
    ),
)
EXITS: Final = {
    Exit.OK: "Done, a correct withdrawal included.",
    Exit.DOWN: "`check`: a service does not pass.",
    Exit.CHANGE_PENDING: "`plan --exit-code`: something would change.",
    Exit.NOT_CONFIRMED: "Refused by the router or not confirmed (what can be put back is put "
    "back), or a prefix that no peer gets.",
    Exit.USAGE: "Wrong usage: no such verb, option, service or prefix.",
    Exit.UNAVAILABLE: "The router does not answer, a program is missing, the kernel does not tell "
    "the addresses, or no daemon runs.",
    Exit.BUG: "A bug.",
    Exit.CANNOT_WRITE: "A file cannot be written.",
    Exit.LOCKED: "Another instance is at work.",
    Exit.PERMISSION: "Permission denied.",
    Exit.CONFIG: "The config is wrong, asks of the router what cannot be, or would withdraw most "
    "of what is announced.",
}
_SIGNALS = (
    (
        "SIGTERM, SIGINT",
        "The daemon withdraws everything and ends. With `on-stop` or after `handover` it keeps it.",
    ),
    ("SIGHUP", "The daemon takes its config file anew. `reload` also waits until it has."),
)
_ENVIRONMENT = (
    (VARIABLE, "The config file, where `--config` is not given."),
    ("ANYCAST_ROUTED_DEBUG", "If set, a bug shows its whole traceback."),
    ("NO_COLOR", "If set, nothing is coloured, on a terminal either."),
    ("CREDENTIALS_DIRECTORY", "Set by systemd: where passwords are that are named, not placed."),
    ("NOTIFY_SOCKET, WATCHDOG_USEC", "Set by systemd: it is told of the state, and fed."),
)
_UNITS = (
    ("anycast-routed.service", "The daemon."),
    (
        "anycast-routed-handover.service",
        "Start it right before a restart of the daemon, and what is announced stays meanwhile.",
    ),
    (
        "anycast-routed-withdraw.service",
        "Withdraws everything. systemd starts it when the daemon does not come up any more.",
    ),
    (
        "anycast-routed-apply.timer",
        "Runs `apply` every ten seconds, in place of the daemon, by anycast-routed-apply.service.",
    ),
)
_FILES = (
    *((str(path), "The config; the first that is there.") for path in DEFAULTS),
    (
        "/run/anycast-routed",
        (
            "The file that BIRD includes, the lock, the state of the last run, and the daemon's "
            "status. It is gone after a boot, and with it all that BIRD would announce."
        ),
    ),
    ("/var/lib/anycast-routed", "What outlives a boot: drains, and the history of changes."),
    (
        "/etc/bird/bird.conf",
        "BIRD's own config. It needs one line of ours, which `setup` shows and writes.",
    ),
)
_EXAMPLES = (
    (
        "Set it up on a host with BIRD, and start it:",
        (
            "anycast-routed validate\nanycast-routed setup --write && birdc configure\nsystemctl "
            "enable --now anycast-routed"
        ),
    ),
    (
        "Take the host out of service for ten minutes, and put it back:",
        "anycast-routed drain --for 10m --wait\nanycast-routed undrain --wait",
    ),
    (
        "Restart the daemon, and keep what is announced:",
        "systemctl start anycast-routed-handover && systemctl restart anycast-routed",
    ),
    ("See why a prefix is not announced:", "anycast-routed explain 192.0.2.53/32"),
)


def page(verbs: tuple[Verb, ...], date: str) -> str:
    """Return the page."""
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
            *roff.paragraph("They may stand before or after the verb."),
            *_options(program.options),
            *roff.heading("VERBS"),
            *(line for verb in below for line in _verb(verb)),
            *_list('"EXIT STATUS"', ((str(int(code)), text) for code, text in EXITS.items())),
            *roff.heading("UNITS"),
            *roff.paragraph(
                "They run as user `anycast-routed`, without any capability. Without a config the "
                "daemon and the timer do nothing."
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
    takes = " ".join(shown for shown, _ in verb.arguments)
    head, _, rest = verb.text.partition("\n\n")
    paragraphs = [head, *rest.split("\n\n")] if rest else [head]
    return [
        *roff.subheading(f"{verb.name} {takes}".rstrip()),
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
