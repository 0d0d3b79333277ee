"""A DNS responder that uses much memory, like a resolver with a large cache.

When such a process dies, the kernel frees its memory first and closes its sockets afterwards. The
responder reproduces that delay and nothing else: it answers every question with the same SOA
record.
"""

from __future__ import annotations

import mmap
import socket
import sys
from typing import TYPE_CHECKING

from anycast_routed.lab.programs import module

if TYPE_CHECKING:
    from anycast_routed.lab.daemon import Daemon
    from anycast_routed.lab.host import Host

_GIB = 1 << 30
_HEADER = 12  # bytes: RFC 1035, 4.1.1
# A pointer to the name in the question, SOA, IN, TTL 60 s, 22 bytes: two root names, five numbers.
_SOA = b"\xc0\x0c\0\x06\0\x01\0\0\0\x3c\0\x16" + bytes(22)


def start(host: Host, *, gib: float, address: str = "127.0.0.1", port: int = 53) -> Daemon:
    """Start a responder that has written to `gib` GiB of memory; return when it listens.

    Raises:
        LabError: the responder ended, for example because there is not enough memory.
        LateError: the responder did not listen within two minutes.
    """
    argv, env = module("anycast_routed.lab.large_memory_dns")
    daemon = host.start(*argv, str(gib), address, str(port), name="large-memory-dns", env=env)
    daemon.wait_ready(
        lambda: host.listens(port, protocol="udp"), within=120.0, why=f"listens on port {port}"
    )
    return daemon


def answer(question: bytes) -> bytes:
    """Return a reply to `question` with the flags QR, AA and RA and the SOA record as its answer.

    Raises:
        IndexError: the name in the question is truncated.
    """
    end = _HEADER
    while question[end]:
        end += question[end] + 1
    flags = bytes([question[2] & 0x01 | 0x84, 0x80])
    counts = b"\0\1\0\1\0\0\0\0"
    return question[:2] + flags + counts + question[_HEADER : end + 5] + _SOA


def _serve(gib: float, address: str, port: int) -> None:
    size = int(gib * _GIB)
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    # Small pages, like those of a cache with many small records, take the kernel longest to free.
    memory.madvise(mmap.MADV_NOHUGEPAGE)
    for begin in range(0, size, 64 << 20):
        piece = min(64 << 20, size - begin)
        memory[begin : begin + piece] = b"\1" * piece
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as server:
        server.bind((address, port))
        while True:
            question, client = server.recvfrom(4096)
            if len(question) > _HEADER:
                try:
                    server.sendto(answer(question), client)
                except (IndexError, OSError):
                    continue


if __name__ == "__main__":
    _serve(float(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
