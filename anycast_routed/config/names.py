"""Parse the names, strings and paths of the config file.

Each of them ends up in the config of a router or in a command line, and neither BIRD nor vtysh has
an escape character. So each one has an alphabet, and other characters are refused.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from anycast_routed.config.values import Refused, Value, quoted, refuse, text
from anycast_routed.password import Password

IFNAMSIZ = 15
"""The longest interface name and address label that the kernel accepts, in octets."""
LONGEST_PATH = 255
LONGEST_SOCKET_PATH = 107
"""The size of sun_path without the NUL (unix(7)), in octets."""
_LONGEST_NAME = 253
_LONGEST_LABEL = 63
_LONGEST_DESCRIPTION = 80

RRTYPES = (
    *("A", "AAAA", "CAA", "CDNSKEY", "CDS", "CNAME", "DNAME", "DNSKEY", "DS", "HINFO", "HTTPS"),
    *("LOC", "MX", "NAPTR", "NS", "NSEC", "NSEC3PARAM", "PTR", "SOA", "SRV", "SSHFP", "SVCB"),
    *("TLSA", "TXT", "URI"),
)
_META_TYPES = ("ANY", "AXFR", "IXFR", "MAILA", "MAILB", "OPT", "TKEY", "TSIG")

_DESCRIPTION = re.compile(rf"(?! )(?!.*  )(?!.* \Z)[ -~]{{0,{_LONGEST_DESCRIPTION}}}")
_DESCRIPTION_BANNED = frozenset('"\\|;{}$#`')


def matching(pattern: str, longest: int, what: str) -> Callable[[object], str]:
    """Return a parser of short strings; `what` describes in words what `pattern` matches."""
    alphabet = re.compile(pattern)

    def parse(value: object) -> str:
        given = text(value)
        if not given:
            refuse("must not be empty", f"write {what}")
        if len(given) > longest or not alphabet.fullmatch(given):
            refuse(
                f"must be {what}, at most {longest} characters, not {quoted(given)}",
            )
        return given

    return parse


def interface(value: object) -> str:
    """Parse the name of a network interface, without a label."""
    given = text(value)
    if given in {".", ".."}:
        refuse(f"must be the name of an interface, not {quoted(given)}")
    device, colon, _ = given.partition(":")
    if colon and re.fullmatch(_INTERFACE, device):
        refuse(f"must be an interface, not the label {quoted(given)}", f'write "{device}"')
    return matching(_INTERFACE, IFNAMSIZ, "letters, digits and . _ @ + -")(given)


def label_prefix(value: object) -> str:
    """Parse the start of a label: the part after the interface's name and the colon."""
    given = text(value)
    if not given:
        refuse("must not be empty: every labelled address would match", 'write "dns"')
    _, colon, rest = given.partition(":")
    if colon:
        hint = f'write "{rest}"' if re.fullmatch(_LABEL, rest) else ""
        refuse(f"must be the part after the colon, not {quoted(given)}", hint)
    return matching(_LABEL, IFNAMSIZ - 2, "letters, digits and . _ -")(given)


def dns_name(value: object) -> str:
    """Parse a DNS name (RFC 1035, host names plus `_`); return it with its trailing dot."""
    given = text(value)
    if not given:
        refuse("must not be empty", 'write a name such as "example.com.", or "." for root')
    if given == ".":
        return given
    if not given.isascii():
        refuse(f"must be ASCII, not {quoted(given)}", "write its xn-- form")
    bare = given.removesuffix(".")
    if len(bare) > _LONGEST_NAME:
        refuse(f"must be at most {_LONGEST_NAME} characters, not {len(bare)}")
    for label in bare.split("."):
        if not label:
            refuse(f"must not have an empty label: {quoted(given)}")
        if len(label) > _LONGEST_LABEL:
            longest = _LONGEST_LABEL
            refuse(f"must have labels of at most {longest} characters: {quoted(label)}")
        if not re.fullmatch("[A-Za-z0-9_-]+", label):
            refuse(f"must be letters, digits, - and _ between dots, not {quoted(given)}")
    return f"{bare}."


def rrtype(value: object) -> str:
    """Parse the mnemonic of a record type that a plain query may ask for."""
    given = text(value)
    name = given.upper() if given.isascii() else given
    if name in _META_TYPES:
        refuse(f"must not be {name}: many servers give no full answer to it", "write SOA")
    if name not in RRTYPES:
        refuse(f"must be a record type, not {quoted(given)}", "such as SOA, A or AAAA")
    return name


def description(value: object) -> str:
    """Parse the description of a peer, which both BIRD and FRR keep unchanged. It may be empty."""
    given = text(value)
    banned = sorted(_DESCRIPTION_BANNED & set(given))
    if banned:
        refuse(f"must not contain {' '.join(banned)} (a router cannot quote it): {quoted(given)}")
    if not _DESCRIPTION.fullmatch(given):
        refuse(
            f"must be printable ASCII, at most {_LONGEST_DESCRIPTION} characters, "
            f"without outer or double spaces, not {quoted(given)}"
        )
    return given


def path(longest: int = LONGEST_PATH) -> Callable[[object], Path]:
    """Return a parser of absolute paths that need no quoting anywhere."""

    def parse(value: object) -> Path:
        given = str(value) if isinstance(value, Path) else text(value)
        if not given.startswith("/"):
            refuse(f"must be an absolute path, not {quoted(given)}", "start it with /")
        if len(given) > longest:
            refuse(f"must be at most {longest} characters, not {len(given)}")
        if not re.fullmatch(_PATH, given) or {".", ".."} & {*given.split("/")}:
            refuse(
                "must be a path of letters, digits, single spaces "
                f"and . _ @ + = : , ~ -, without the names . and .., not {quoted(given)}"
            )
        return Path(given)

    return parse


def password_file(value: object) -> Password:
    """Parse the location of a password: an absolute path, or the name of a systemd credential.

    The message does not repeat a refused value: it may be the password itself.
    """
    if isinstance(value, Password):
        return value
    given = text(value) if isinstance(value, str) else ""
    try:
        return Password(path()(given) if "/" in given else Path(_credential(given)))
    except Refused:
        refuse(
            "must be the path of a file, or the name of a systemd credential",
            "start a path with /; write the password itself into that file",
        )


def program(value: object) -> str:
    """Parse a program: a name, which is searched for in PATH, or an absolute path."""
    given = text(value)
    if "/" in given:
        return str(path()(given))
    return matching(_PROGRAM, LONGEST_PATH, "a program's name")(given)


_INTERFACE = "[A-Za-z0-9._@+-]+"
_LABEL = "[A-Za-z0-9._-]+"
_SERVICE = "[a-z][a-z0-9-]*"
_WORD = "[A-Za-z0-9._@+=:,~-]+"
_CREDENTIAL = "[A-Za-z0-9_][A-Za-z0-9._-]*"
_PROGRAM = "[A-Za-z0-9_+][A-Za-z0-9._+-]*"
_PATH = f"(?:/{_WORD}(?: {_WORD})*)+/?"

service_name = matching(_SERVICE, 32, "lower-case letters, digits and -, a letter first")
_credential = matching(_CREDENTIAL, LONGEST_PATH, "a credential's name")
route_label = matching(_LABEL, 64, "letters, digits and . _ -")


def _string(pattern: str, longest: int) -> dict[str, object]:
    return {"type": "string", "pattern": f"^{pattern}$", "minLength": 1, "maxLength": longest}


ServiceName = Annotated[
    str,
    Value("name", service_name, _string(_SERVICE, 32)),
]
RouteLabel = Annotated[str, Value("name", route_label, _string(_LABEL, 64))]
InterfaceName = Annotated[str, Value("interface", interface, _string(_INTERFACE, IFNAMSIZ))]
LabelPrefix = Annotated[str, Value("text", label_prefix, _string(_LABEL, IFNAMSIZ - 2))]
DnsName = Annotated[
    str,
    Value("DNS name", dns_name, _string(r"(?:\.|[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?)", 254)),
]
RrType = Annotated[
    str,
    Value("record type", rrtype, _string("[A-Za-z0-9]+", max(map(len, RRTYPES)))),
]
Description = Annotated[
    str,
    Value(
        "text",
        description,
        {
            "type": "string",
            "pattern": r"^(?:[^\u0000- \"\\|;{}$#`\u007f-\uffff]+ ?)*$",
            "maxLength": _LONGEST_DESCRIPTION,
        },
    ),
]
PathValue = Annotated[Path, Value("path", path(), _string(_PATH, LONGEST_PATH))]
SocketPath = Annotated[
    Path, Value("path", path(LONGEST_SOCKET_PATH), _string(_PATH, LONGEST_SOCKET_PATH))
]
PasswordFile = Annotated[
    Password,
    Value("path or name", password_file, _string(f"(?:{_PATH}|{_CREDENTIAL})", LONGEST_PATH)),
]
Program = Annotated[
    str, Value("program", program, _string(f"(?:{_PATH}|{_PROGRAM})", LONGEST_PATH))
]
