"""Build a DNS query, and judge a packet that came back. No I/O, no clock."""

import re
import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rdtypes.ANY.CNAME

# dnspython imports these at the first reply, and without a free descriptor treats them as unknown.
import dns.rdtypes.ANY.NS
import dns.rdtypes.ANY.OPT
import dns.rdtypes.ANY.SOA
import dns.rrset

from anycast_routed.model import Outcome

PAYLOAD: Final = 1232
"""Octets of UDP payload to offer (EDNS0, RFC 6891): no fragments on any usual path."""
_HEADER: Final = struct.Struct("!6H")
_RCODE = 0x0F
_BARE = frozenset({dns.rcode.FORMERR, dns.rcode.SERVFAIL, dns.rcode.NOTIMP, dns.rcode.REFUSED})
"""The rcodes of replies without a question."""
_OPCODE: Final = 0x7800
_LONGEST_TEXT: Final = 120
_MOST_CNAMES: Final = 16
_MOST_EDE: Final = 4
_UNNAMED = re.compile(r"^(\d+) \(\1\)")


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply to the query, and the result that it means for the server."""

    outcome: Outcome
    reason: str
    rcode: str
    ede: tuple[str, ...] = ()
    truncated: bool = False
    """TC=1: no verdict yet, the whole reply must be requested over TCP (RFC 7766 section 5)."""


@dataclass(frozen=True, slots=True)
class Stray:
    """A packet that is not a reply to the query: forged, late for another query, or malformed."""

    reason: str


class Query:
    """One question (class IN, recursion desired, EDNS0) that can be sent under any ID.

    Raises ValueError if the name or the type cannot be put into a DNS message.
    """

    def __init__(self, name: str, rrtype: str) -> None:
        try:
            message = dns.message.make_query(name, rrtype, use_edns=0, payload=PAYLOAD)
        except dns.exception.DNSException as error:
            raise ValueError(printable(f"cannot ask for {name} {rrtype}: {error}")) from error
        self._question = message.question
        self._tail = message.to_wire()[2:]
        wire_name = self._question[0].name.to_wire() or b""
        self._name_end = _HEADER.size + len(wire_name)
        self._name = wire_name.lower()
        """In lower case. The length octets of labels are never upper-case letters."""
        self._type_and_class = self._tail[self._name_end - 2 : self._name_end + 2]
        self._latest: tuple[bytes, Reply] | None = None
        """The latest reply without its ID, and its verdict: most servers repeat it exactly."""

    def wire(self, ident: int) -> bytes:
        """Return the message with this ID (0 to 65535), without the length prefix of TCP."""
        return ident.to_bytes(2) + self._tail

    def judge(self, wire: bytes, ident: int, *, over_tcp: bool = False) -> Reply | Stray:
        """Judge one message that came for the query with this ID. Never raises.

        It is a reply if QR, ID, opcode and the question match (RFC 5452 section 9.1; the case of
        the name does not matter) and if all of it can be parsed. A refusal without any question is
        a reply too. Over TCP the TC bit is ignored.
        """
        if fault := _header_fault(wire, ident):
            return Stray(fault)
        try:
            # The records of a truncated reply may be cut off anywhere: only its question is read.
            if not (_is_bare_error(wire) or self._has_question(wire)):
                return Stray("another question")
            if wire[2] & dns.flags.TC >> 8 and not over_tcp:
                return Reply(Outcome.FAIL, "truncated", "", truncated=True)
            if self._latest is not None and self._latest[0] == wire[2:]:
                return self._latest[1]
            # Sorting the records into sets costs time, and the verdict does not need them.
            reply = self._verdict(dns.message.from_wire(wire, one_rr_per_rrset=True))
            self._latest = wire[2:], reply
            return reply  # noqa: TRY300 - the exceptions come from the lines above
        except (dns.exception.DNSException, ValueError) as error:
            return Stray(printable(f"malformed: {error}"))

    def _has_question(self, wire: bytes) -> bool:
        """Return whether the message has this question and no other. Raises parser errors."""
        end = self._name_end
        if (
            wire[4:6] == b"\0\1"
            and wire[_HEADER.size : end].lower() == self._name
            and wire[end : end + 4] == self._type_and_class
        ):
            return True  # nearly always, at a tenth of the cost of the parser
        return dns.message.from_wire(wire, question_only=True).question == self._question

    def _verdict(self, message: dns.message.Message) -> Reply:
        rcode = dns.rcode.to_text(message.rcode())
        ede = tuple(printable(text) for text in _extended_errors(message))
        fault = rcode if message.rcode() != dns.rcode.NOERROR else self._missing(message)
        if not fault:
            return Reply(Outcome.PASS, rcode, rcode, ede)
        reason = ", ".join([fault, *(f"EDE {text}" for text in ede[:1])])
        return Reply(Outcome.FAIL, reason, rcode, ede)

    def _missing(self, message: dns.message.Message) -> str:
        """Return why a NOERROR reply is not an answer; empty if it is one."""
        question = self._question[0]
        wanted = dns.rdatatype.to_text(question.rdtype)
        name = question.name
        for _ in range(_MOST_CNAMES):
            at_name = {rrset.rdtype: rrset for rrset in message.answer if rrset.name == name}
            if question.rdtype in at_name:
                return ""
            alias = at_name.get(dns.rdatatype.CNAME)
            if alias is None:
                break
            name = alias[0].target
        else:
            return f"more than {_MOST_CNAMES} CNAMEs, no {wanted}"
        authority = {rrset.rdtype: rrset for rrset in message.authority}
        referral = authority.get(dns.rdatatype.NS)
        if referral and not message.answer and dns.rdatatype.SOA not in authority:
            return f"lame: referral to {printable(referral.name.to_text())}, no answer"
        return f"NODATA: {printable(name.to_text())} has no {wanted}"


query = lru_cache(maxsize=1024)(Query)
"""Return the query for a name and a type, cached: building it costs as much as a check."""


def printable(text: str) -> str:
    """Return text from the network as printable ASCII of at most 120 characters."""
    if not (text.isascii() and text.isprintable()):
        text = text.encode("unicode_escape").decode("ascii")
    return text if len(text) <= _LONGEST_TEXT else f"{text[: _LONGEST_TEXT - 3]}..."


def _header_fault(wire: bytes, ident: int) -> str:
    if len(wire) < _HEADER.size:
        return f"only {len(wire)} octets"
    given, flags, *_ = _HEADER.unpack_from(wire)
    if given != ident:
        return "another ID"
    return "" if flags & dns.flags.QR and not flags & _OPCODE else "not a response to a query"


def _is_bare_error(wire: bytes) -> bool:
    """Return whether a message has no question, and an rcode that needs none.

    Unbound refuses a client outside of its access-control in this form.
    """
    return wire[4:6] == b"\0\0" and wire[3] & _RCODE in _BARE


def _extended_errors(message: dns.message.Message) -> list[str]:
    """Return the Extended DNS Errors (RFC 8914), such as `22 (No Reachable Authority)`.

    From Python 3.12 on, dnspython names an unknown code by its number, `49152 (49152)`.
    """
    found = [option for option in message.options if isinstance(option, dns.edns.EDEOption)]
    return [
        _UNNAMED.sub(r"\1", option.to_text().removeprefix("EDE ")) for option in found[:_MOST_EDE]
    ]
