"""A DNS server that answers each query late: `slow_upstream.py ADDRESS PORT SECONDS`.

It stands in for the authoritative servers that a resolver queries. Each answer is a SOA record with
a TTL of 0, which a resolver does not cache.
"""

from __future__ import annotations

import socket
import sys
import time

import dns.flags
import dns.message
import dns.rrset


def main(address: str, port: int, seconds: float) -> None:
    """Answer forever, one query after the other."""
    with socket.socket(type=socket.SOCK_DGRAM) as server:
        server.bind((address, port))
        while True:
            wire, client = server.recvfrom(4096)
            time.sleep(seconds)
            response = dns.message.make_response(dns.message.from_wire(wire))
            response.flags |= dns.flags.AA
            name = response.question[0].name
            response.answer = [dns.rrset.from_text(name, 0, "IN", "SOA", ". . 1 900 900 1800 0")]
            server.sendto(response.to_wire(), client)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
