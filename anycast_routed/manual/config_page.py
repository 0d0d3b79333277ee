"""Generate anycast-routed.toml(5): every section and key of the config file."""

from __future__ import annotations

from anycast_routed.config import DEFAULTS
from anycast_routed.config.json_schema import reference
from anycast_routed.config.keys import every, inner
from anycast_routed.manual import roff

_DESCRIPTION = (
    (
        "The config file of `anycast-routed`(8) is in TOML, or in JSON if its name ends in "
        "`.json`. `--config` gives its path, else `$ANYCAST_ROUTED_CONFIG`, else the first "
        "existing file under FILES is used."
    ),
    (
        "Keys with a default are optional. An unknown key is a fault. `anycast-routed validate` "
        "prints all faults at once, each with its key; `anycast-routed config schema` prints the "
        "JSON Schema, for editors. The daemon loads a changed file by itself. If the new config "
        "has a fault, the daemon keeps the old one."
    ),
    (
        "A file with one service has `[dns]` and `[anycast]` at the top level. With several "
        "services, each is a `[[services]]` table with a `name`, and contains both sections: "
        "`dns.ip` is then `services.dns.ip`."
    ),
)
_VALUES = (
    ("duration", 'Text such as `"1s"`, `"250ms"` or `"1m30s"`, or a number of seconds.'),
    ("prefix", 'One address as a host prefix: `"192.0.2.1/32"` or `"2001:db8::1/128"`.'),
    (
        "path",
        (
            "The absolute path of a file or directory. Sandboxed units, such as those of the "
            "package, cannot see `/home`, and can write only to `/run/anycast-routed` and "
            "`/var/lib/anycast-routed`. `ReadWritePaths=` in a drop-in allows other directories."
        ),
    ),
)
EXAMPLE = """\
[dns]
ip = "127.0.0.1"
query = "example.com"

# The addresses on lo whose label starts with lo:dns:
#   ip address add 10.10.10.10/32 dev lo label lo:dns1
[anycast]
interface = "lo"
prefix = "dns"
localpref = 200
decrease = 10
nexthop-interface = "eth0"
routes = [{ label = "v6-primary", ip = "fd00::10:10:10:10/128" }]

# Leave this section out if your own router config has the sessions.
[bgp]
id = "172.17.2.1"
as = 64512
peers = [{ ip = "172.17.2.254", description = "edge", as = 64512 }]
"""
SEVERAL = """\
[[services]]
name = "resolver"
dns = { ip = "127.0.0.1", query = "example.com" }
anycast = { interface = "lo", prefix = "dns", nexthop-interface = "eth0" }

[[services]]
name = "authority"
dns = { ip = "127.0.0.1", port = 5353, query = "example.org", rise = 3 }

[services.anycast]
nexthop-interface = "eth0"
routes = [{ label = "ns1", ip = "192.0.2.53/32", localpref = 150 }]
"""


def page(date: str) -> str:
    """Return the man page in roff. `date` is "2026-01-31", or "" for no date."""
    name = "anycast-routed.toml"
    return roff.page(
        [
            *roff.title(name, 5, "config file of anycast-routed", date),
            *roff.heading("DESCRIPTION"),
            *(line for text in _DESCRIPTION for line in roff.paragraph(text)),
            *roff.heading("VALUES"),
            *(line for name, text in _VALUES for line in roff.entry(name, text)),
            *roff.heading("SECTIONS"),
            *_sections(),
            *roff.heading("EXAMPLES"),
            *roff.paragraph("One service, and the BGP sessions of the host:"),
            *roff.example(EXAMPLE),
            *roff.paragraph("Two services, with the BGP sessions in the router's own config:"),
            *roff.example(SEVERAL),
            *roff.heading("FILES"),
            *(line for path in DEFAULTS for line in roff.entry(str(path), "The config file.")),
            *roff.entry(
                "/usr/share/doc/anycast-routed/examples", "Examples, from the Debian package."
            ),
            *roff.heading("SEE ALSO"),
            *roff.paragraph("`anycast-routed`(8), `bird`(8), `vtysh`(1), `systemd.exec`(5)"),
        ]
    )


def _sections() -> list[str]:
    sections: dict[str, list[str]] = {}
    for key, row in zip(every(), reference(), strict=True):
        section = inner(key.field.annotation)
        if section is not None and not row.path.startswith("services[]."):
            path = f"{row.path}[]" if row.type == "list of sections" else row.path
            head = f"[[{row.path}]]" if path != row.path else f"[{row.path}]"
            head = head.replace("[].", ".")
            sections[path] = [*roff.subheading(head), *roff.paragraph(section.__doc__ or "")]
        if key.place:
            sections[key.place] += _key(key.name, row.type, row.default, row.description)
    return [line for lines in sections.values() for line in lines]


def _key(name: str, kind: str, default: str, description: str) -> list[str]:
    shown = {"": "", "required": "; required"}.get(default, f"; default {default}")
    return roff.entry(name, f"({kind}{shown}) {description}")
