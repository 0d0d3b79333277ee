"""A DNS responder that holds much memory, as a big resolver's cache does.

It stands in for the kernel's work at such a process's death only, which closes the sockets after it
has freed the memory: whatever it is asked, its answer is one and the same SOA record.
"""

from __future__ import annotations

import mmap
import socket
import sys
from typing import TYPE_CHECKING

from anycast_routed.lab.programs import module
from anycast_routed.lab.waiting import eventually

if TYPE_CHECKING:
    from anycast_routed.lab.daemon import Daemon
    from anycast_routed.lab.host import Host

_GIB = 1 << 30
_HEADER = 12  # bytes: RFC 1035, 4.1.1
# The name asked for, SOA, IN, a TTL of 60 s, and 22 bytes: two root names and five numbers.
_SOA = b"\xc0\x0c\0\x06\0\x01\0\0\0\x3c\0\x16" + bytes(22)


def start(host: Host, *, gib: float, address: str = "127.0.0.1", port: int = 53) -> Daemon:
    """Start one with that much memory, every page of it touched; return when it listens.

    Raises:
        LabError: it ended, for example for lack of memory.
        LateError: it does not listen after two minutes.
    """
    argv, env = module("anycast_routed.lab.large_memory_dns")
    daemon = host.start(*argv, str(gib), address, str(port), name="hog", env=env)
    eventually(
        lambda: not daemon.alive or host.listens(port, protocol="udp"),
        within=120.0,
        why=f"{daemon.name} listens on port {port}",
    )
    daemon.check()
    return daemon


def answer(question: bytes) -> bytes:
    """Return a reply to the question, with QR, AA and RA set and the SOA as its answer."""
    end = _HEADER
    while question[end]:
        end += question[end] + 1
    flags = bytes([question[2] & 0x01 | 0x84, 0x80])
    counts = b"\0\1\0\1\0\0\0\0"
    return question[:2] + flags + counts + question[_HEADER : end + 5] + _SOA


def _serve(gib: float, address: str, port: int) -> None:
    size = int(gib * _GIB)
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    # Small pages, as a cache of many small records has them, take the kernel longest to free.
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
