"""How a query is built and a packet is judged: pure, from octets to a verdict."""

import struct

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anycast_routed.model import Outcome
from anycast_routed.observe.checks.dns_message import Query, Reply, Stray, printable

ID = 4711
QUERY = Query("google.com.", "SOA")
SOA = ("google.com.", 60, "IN", "SOA", "ns.google.com. hostmaster.google.com. 1 2 3 4 5")


def response(*answer: tuple[str, int, str, str, str], query: Query = QUERY) -> dns.message.Message:
    made = dns.message.make_response(dns.message.from_wire(query.wire(ID)))
    made.answer += [dns.rrset.from_text(*record) for record in answer]
    return made


def test_the_query_asks_for_recursion_and_offers_edns() -> None:
    sent = dns.message.from_wire(QUERY.wire(ID))
    assert (sent.id, sent.edns, sent.payload) == (ID, 0, 1232)
    assert sent.flags == dns.flags.RD
    assert sent.question[0].to_text() == "google.com. IN SOA"


def test_a_question_that_cannot_be_a_dns_message_is_a_value_error() -> None:
    for name, rrtype in (("a..b.", "SOA"), ("google.com.", "NO SUCH TYPE"), ("x" * 64, "A")):
        with pytest.raises(ValueError, match="cannot ask for"):
            Query(name, rrtype)


def test_a_record_of_the_type_passes() -> None:
    assert QUERY.judge(response(SOA).to_wire(), ID) == Reply(Outcome.PASS, "NOERROR", "NOERROR")


def test_the_case_of_the_name_does_not_matter() -> None:
    wire = response(SOA).to_wire().replace(b"\x06google", b"\x06GOOgle")
    assert isinstance(QUERY.judge(wire, ID), Reply)


def test_cnames_are_followed_to_their_end() -> None:
    query = Query("a.example.", "SOA")
    aliases = [(f"{x}.example.", 60, "IN", "CNAME", f"{y}.example.") for x, y in ("ab", "bc")]
    end = ("c.example.", *SOA[1:])
    assert query.judge(response(end, *reversed(aliases), query=query).to_wire(), ID) == Reply(
        Outcome.PASS, "NOERROR", "NOERROR"
    )
    dangling = query.judge(response(*aliases, query=query).to_wire(), ID)
    assert dangling.reason == "NODATA: c.example. has no SOA"
    foreign = query.judge(response(SOA, query=query).to_wire(), ID)
    assert foreign.reason == "NODATA: a.example. has no SOA"
    ring = [aliases[0], ("b.example.", 60, "IN", "CNAME", "a.example.")]
    endless = query.judge(response(*ring, query=query).to_wire(), ID)
    assert endless.reason == "more than 16 CNAMEs, no SOA"


@pytest.mark.parametrize("rcode", ["FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"])
def test_an_error_rcode_is_the_reason(rcode: str) -> None:
    made = response()
    made.set_rcode(dns.rcode.from_text(rcode))
    assert QUERY.judge(made.to_wire(), ID) == Reply(Outcome.FAIL, rcode, rcode)


def test_extended_errors_are_shown_and_made_safe() -> None:
    made = response()
    made.set_rcode(dns.rcode.SERVFAIL)
    options: list[dns.edns.Option] = [
        dns.edns.EDEOption(dns.edns.EDECode.make(22), "no server\n\x1b[31m could be reached é"),
        dns.edns.EDEOption(dns.edns.EDECode.make(49152)),
        dns.edns.EDEOption(dns.edns.EDECode.make(0), "x" * 500),
        *(dns.edns.EDEOption(dns.edns.EDECode.make(6)) for _ in range(20)),
    ]
    made.use_edns(0, options=options)
    reply = QUERY.judge(made.to_wire(), ID)
    assert isinstance(reply, Reply)
    assert len(reply.ede) == 4
    assert reply.ede[0].startswith("22 (No Reachable Authority): no server")
    assert reply.ede[1] == "49152"
    assert len(reply.ede[2]) == 120
    assert reply.reason == f"SERVFAIL, EDE {reply.ede[0]}"
    assert all(text.isascii() and text.isprintable() for text in (*reply.ede, reply.reason))


def test_truncation_counts_only_over_udp_wherever_the_reply_is_cut() -> None:
    made = response(SOA)
    made.flags |= dns.flags.TC
    for wire in (made.to_wire(), made.to_wire()[:-40]):
        reply = QUERY.judge(wire, ID)
        assert isinstance(reply, Reply)
        assert reply.truncated
    over_tcp = QUERY.judge(made.to_wire(), ID, over_tcp=True)
    assert isinstance(over_tcp, Reply)
    assert over_tcp.outcome is Outcome.PASS


def test_a_packet_that_does_not_match_the_query_is_a_stray() -> None:
    wire = response(SOA).to_wire()
    strays = {
        "another ID": (wire, ID + 1),
        "not a response to a query": (QUERY.wire(ID), ID),
        "another question": (response(SOA, query=Query("google.com.", "NS")).to_wire(), ID),
        "only 11 octets": (wire[:11], ID),
    }
    for reason, (packet, ident) in strays.items():
        assert QUERY.judge(packet, ident) == Stray(reason)
    opcode = wire[:2] + bytes([wire[2] | 0x20]) + wire[3:]
    for packet in (opcode, wire[:12], wire[:-5], wire + b"\0", wire[:4] + b"\0\2" + wire[6:]):
        assert isinstance(QUERY.judge(packet, ID), Stray)
    other_class = wire.replace(b"\0\x06\0\x01", b"\0\x06\0\x03", 1)
    assert QUERY.judge(other_class, ID) == Stray("another question")


@pytest.mark.parametrize("size", [1232, 4096, 65535])
def test_compression_loops_and_chains_end(size: int) -> None:
    head = struct.pack("!6H", ID, 0x8180, 1, (size - 40) // 12, 0, 0) + QUERY.wire(ID)[12:28]
    start = len(head)
    chain = b"".join(struct.pack("!H", 0xC000 | (start + 2 * i)) for i in range(-1, 100))
    for tail in (b"\xc0\x1c" * size, chain * size, b"\xff" * size, b"\0" * size):
        assert isinstance(QUERY.judge((head + tail)[:size], ID), Stray)


@given(st.binary(max_size=600))
def test_random_octets_never_raise(tail: bytes) -> None:
    head = QUERY.wire(ID)[:2] + b"\x81\x80\0\1\0\1\0\0\0\1" + QUERY.wire(ID)[12:28]
    for wire in (tail, QUERY.wire(ID)[:2] + tail, head + tail):
        judged = QUERY.judge(wire, ID)
        assert judged.reason.isascii()
        assert judged.reason.isprintable()


@given(st.text())
def test_printable_is_printable_and_short(text: str) -> None:
    safe = printable(text)
    assert safe.isascii()
    assert safe.isprintable()
    assert len(safe) <= 120


@pytest.mark.parametrize("rcode", ["FORMERR", "SERVFAIL", "NOTIMP", "REFUSED"])
def test_a_refusal_without_a_question_is_a_reply(rcode: str) -> None:
    bare = ID.to_bytes(2) + bytes([0x80, dns.rcode.from_text(rcode)]) + bytes(8)
    assert QUERY.judge(bare, ID) == Reply(Outcome.FAIL, rcode, rcode)
    assert QUERY.judge(bare[:3] + b"\0" + bare[4:], ID) == Stray("another question")
    assert QUERY.judge(bare, ID + 1) == Stray("another ID")
