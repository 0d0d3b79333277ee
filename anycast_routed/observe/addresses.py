"""The addresses of this host and their labels, as the kernel has them (rtnetlink(7))."""

import errno
import os
import socket
from collections.abc import Mapping
from ipaddress import ip_interface
from typing import Any, Final

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkDecodeError, NetlinkError

from anycast_routed.errors import AccessDeniedError, AnycastRoutedError, HostUnreadableError
from anycast_routed.model import Host, HostAddress

_TRIES: Final = 10
_DUMP_INTERRUPTED: Final = 0x10
"""NLM_F_DUMP_INTR (linux/netlink.h): the list changed while the kernel was writing it."""

# linux/if_addr.h
_SECONDARY: Final = 0x01
"""For IPv4; the same bit says that an IPv6 address is temporary (RFC 8981)."""
_DAD_FAILED: Final = 0x08
_DEPRECATED: Final = 0x20
_TENTATIVE: Final = 0x40


def read() -> Host:
    """Give the names of all interfaces, and all their addresses, always in the same order.

    Every state, scope and family is in it; which addresses are of use is decided elsewhere. Names
    and labels come from whoever may set them: octets that are not UTF-8 are kept as surrogates
    (PEP 383), so that two names never become one. Of a point-to-point link's two addresses it is
    the local one.

    Blocks for about 0.1 ms an address, and can't be called in a running event loop: use
    `asyncio.to_thread` there. Raises AccessDeniedError where netlink is denied, HostUnreadableError
    where it fails or where the addresses never stand still.
    """
    try:
        messages = _dump()
        # The names come second, so that no address is without its interface unless that is gone.
        names = {index: _text(os.fsencode(name)) for index, name in socket.if_nameindex()}
    except NetlinkError as error:
        raise _failure(error.code, str(error.args[-1])) from error
    except OSError as error:
        raise _failure(error.errno, str(error.strerror)) from error
    except NetlinkDecodeError as error:
        raise _failure(None, f"a message of the kernel cannot be read: {error}") from error
    found = [_address(message, names) for message in messages if message["index"] in names]
    return Host(frozenset(names.values()), tuple(sorted(found, key=_order)))


def _dump() -> list[Any]:
    with IPRoute() as netlink:
        for _ in range(_TRIES):
            messages = list(netlink.get_addr())
            if not any(message["header"]["flags"] & _DUMP_INTERRUPTED for message in messages):
                return messages
    message = f"the host's addresses changed during each of {_TRIES} readings"
    raise HostUnreadableError(message, hint="look for what sets them: ip monitor address")


def _address(message: Any, names: Mapping[int, str]) -> HostAddress:  # noqa: ANN401 - untyped library
    local = message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")
    flags = message.get_attr("IFA_FLAGS")
    if flags is None:  # a kernel older than 3.14 has no more than eight bits of them
        flags = message["flags"]
    second = bool(flags & _SECONDARY)
    ipv4 = message["family"] == socket.AF_INET
    return HostAddress(
        interface=names[message["index"]],
        address=ip_interface(f"{local}/{message['prefixlen']}"),
        label=_text(message.get_attr("IFA_LABEL") or ""),
        scope=message["scope"],
        secondary=ipv4 and second,
        deprecated=bool(flags & _DEPRECATED),
        # Optimistic addresses (RFC 4429) count as tentative: they may yet be found to be another's.
        tentative=bool(flags & (_TENTATIVE | _DAD_FAILED)),
        temporary=not ipv4 and second,
    )


def _text(name: str | bytes) -> str:
    return name.decode(errors="surrogateescape") if isinstance(name, bytes) else name


def _order(found: HostAddress) -> tuple[str, int, int, int, str]:
    address = found.address
    return (found.interface, address.version, int(address), address.network.prefixlen, found.label)


def _failure(number: int | None, text: str) -> AnycastRoutedError:
    message = f"the host's addresses cannot be read: {text}"
    if number in {errno.EPERM, errno.EACCES, errno.EAFNOSUPPORT}:
        hint = "allow AF_NETLINK sockets (systemd: RestrictAddressFamilies=AF_NETLINK ...)"
        return AccessDeniedError(message, hint=hint)
    return HostUnreadableError(message, hint="see whether `ip address` works here")
