"""Build the questions for one server, and read what matters from the header of an answer."""

from typing import Final

import dns.message
import dns.opcode
import dns.rdataclass

from anycast_routed.observe.checks.dns_message import Query

HEADER: Final = 12
"""Octets of a DNS header (RFC 1035 section 4.1.1): nothing else is read of an answer."""
BASE: Final = -1
"""The form of the base question; the liveness questions are numbered from 0."""
NO_RECURSION: Final = 0
"""The form that asks the configured question without RD."""
FORMS: Final = 3
_LOCAL_REFUSALS: Final = frozenset((1, 4, 5, 9))  # FORMERR, NOTIMP, REFUSED, NOTAUTH


class Questions:
    """The messages without their ID: two octets in front make a complete message.

    The base question is the configured one: its answer shows how the service is, but a resolver may
    take long for it. The liveness questions are answered at once by a living server: the configured
    question without RD (recursion desired), its version (class CH), and an opcode that no server
    implements (STATUS).

    Raises ValueError if the name or the type cannot be put into a DNS message.
    """

    def __init__(self, name: str, rrtype: str) -> None:
        self.base = Query(name, rrtype).wire(0)[2:]
        status = dns.message.make_query(name, rrtype, flags=0)
        status.set_opcode(dns.opcode.STATUS)
        messages = (
            dns.message.make_query(name, rrtype, flags=0),
            dns.message.make_query("version.bind.", "TXT", dns.rdataclass.CH, flags=0),
            status,
        )
        self.liveness = tuple(message.to_wire()[2:] for message in messages)


def meaning(header: bytes) -> tuple[int, bool] | None:
    """Return the rcode of an answer, and whether its answer section has records.

    None if it is truncated: response rate limiting (RRL) sends truncated answers to check that a
    client is real.
    """
    return None if header[2] & 0x02 else (header[3] & 0x0F, header[6:8] != b"\0\0")


def is_local(form: int, header: bytes) -> bool:
    """Return whether the server answered without a query to another server.

    A forwarder may forward the configured name even without RD: then an answer from its cache comes
    at once, and after the cache expires it is as slow as the other server. So only an authoritative
    answer (AA) or a refusal shows that the server itself answered.
    """
    if form != NO_RECURSION:
        return True
    return bool(header[2] & 0x04) or header[3] & 0x0F in _LOCAL_REFUSALS
