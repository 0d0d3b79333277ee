"""A good reply to the query for google.com. SOA, and malformed replies to it."""

from __future__ import annotations

HEADER = b"\x12\x34\x81\x80\0\1\0\1\0\0\0\0"
QUESTION = b"\6google\3com\0\0\6\0\1"
SOA = b"\xc0\x0c\0\6\0\1\0\0\0\x3c\0\x16\0\0" + b"\0\0\0\1" * 5
REPLY = HEADER + QUESTION + SOA


def counted(*counts: int) -> bytes:
    """Return a header with these four record counts."""
    return HEADER[:4] + b"".join(count.to_bytes(2) for count in counts)


MALFORMED: dict[str, bytes] = {
    "nothing": b"",
    "one octet": b"\x12",
    "the header cut": HEADER[:11],
    "the header alone": HEADER,
    "the question cut": HEADER + QUESTION[:-2],
    "the answer cut": REPLY[:-3],
    "a name that points at itself": HEADER + b"\xc0\x0c\0\6\0\1",
    "a name that points ahead": HEADER + QUESTION + b"\xc0\x40" + SOA[2:] + b"\0" * 40,
    "two names that point at each other": HEADER + b"\xc0\x0e\xc0\x0c\0\6\0\1",
    "an owner that points at itself": HEADER + QUESTION + b"\xc0\x1c" + SOA[2:],
    "a label of a reserved kind": HEADER + b"\x40" + QUESTION[1:],
    "no question": counted(0, 1, 0, 0) + SOA,
    "two questions": counted(2, 1, 0, 0) + QUESTION * 2 + SOA,
    "all counts at their maximum": counted(65535, 65535, 65535, 65535) + QUESTION + SOA,
    "more answers than there are": counted(1, 2, 0, 0) + QUESTION + SOA,
    "fewer answers than there are": counted(1, 0, 0, 0) + QUESTION + SOA,
    "data that ends behind the message": REPLY[:-22] + b"\xff" + REPLY[-21:],
    "an SOA without data": HEADER + QUESTION + SOA[:10] + b"\0\0",
    "two OPT records": counted(1, 1, 0, 2) + QUESTION + SOA + (b"\0\0\x29" + b"\0" * 8) * 2,
    "an option cut": counted(1, 1, 0, 1) + QUESTION + SOA + b"\0\0\x29\4\xd0\0\0\0\0\0\4\0\x0f\0\7",
    "an error without its code": counted(1, 1, 0, 1)
    + QUESTION
    + SOA
    + b"\0\0\x29\4\xd0\0\0\0\0\0\4\0\x0f\0\0",
    "octets behind the end": REPLY + b"\0",
    "64 KiB": REPLY + b"\xff" * 65000,
    "a thousand records": counted(1, 1000, 0, 0) + QUESTION + SOA * 1000 + SOA[:-1],
    "a name of 300 octets": HEADER + (b"\x3f" + b"a" * 63) * 5 + b"\0\0\6\0\1",
}
