"""The prebuilt questions for one server, and the little that is read of their answers."""

from typing import Final

import dns.message
import dns.opcode
import dns.rdataclass

from anycast_routed.observe.checks.dns_message import Query

HEADER: Final = 12
"""Octets of a DNS header (RFC 1035 section 4.1.1): all that is ever read of an answer."""
BASE: Final = -1
"""The form of the base question; the liveness questions are numbered from 0."""
NO_RECURSION: Final = 0
FORMS: Final = 3
_LOCAL_REFUSALS: Final = frozenset((1, 4, 5, 9))  # FORMERR, NOTIMP, REFUSED, NOTAUTH


class Questions:
    """The messages without their ID: put two octets before one, and it can be sent.

    The base question is the configured one: what it is answered tells how the service does, but a
    recursor may rightly take long for it. The liveness questions are such as a living server
    answers at once from what it has: the configured one without RD (recursion desired), its
    version (class CH), and an opcode that nobody implements (STATUS).

    Raises ValueError where the name or the type can't be put into a DNS message.
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

    def form(self, number: int) -> bytes:
        """Give the question of this form."""
        return self.base if number == BASE else self.liveness[number]


def meaning(header: bytes) -> tuple[int, bool] | None:
    """Give what an answer says: its rcode, and whether it has any records in its answer section.

    None when it is truncated: a server under rate limiting (RRL) sends such to see who is real.
    """
    return None if header[2] & 0x02 else (header[3] & 0x0F, header[6:8] != b"\0\0")


def is_local(form: int, header: bytes) -> bool:
    """Return whether the server has answered this without asking anyone else.

    A forwarder may pass the configured name on even without RD, and is then as slow as whom it asks
    when its cache expires; its quick answer from the cache proves nothing. Not so an authoritative
    answer (AA) or a refusal.
    """
    if form != NO_RECURSION:
        return True
    return bool(header[2] & 0x04) or header[3] & 0x0F in _LOCAL_REFUSALS
