"""Exchange one DNS message over a TCP connection (RFC 7766)."""

import asyncio
import socket

from anycast_routed.model import Address


class _ClosedEarlyError(ConnectionError):
    def __str__(self) -> str:
        return "the connection was closed before the reply was complete"


async def exchange(connection: socket.socket, address: Address, port: int, query: bytes) -> bytes:
    """Connect, send one message, and return the reply.

    Each message follows its length in two octets (RFC 7766 section 8). Raises OSError.
    """
    loop = asyncio.get_running_loop()
    await loop.sock_connect(connection, (str(address), port))
    await loop.sock_sendall(connection, len(query).to_bytes(2) + query)
    size = int.from_bytes(await _read(connection, 2))
    return await _read(connection, size)


async def _read(connection: socket.socket, size: int) -> bytes:
    loop = asyncio.get_running_loop()
    read = bytearray()
    while len(read) < size:
        part = await loop.sock_recv(connection, size - len(read))
        if not part:
            raise _ClosedEarlyError
        read += part
    return bytes(read)
