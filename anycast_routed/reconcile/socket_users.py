"""Judge whose sockets get the checks of a server, and the queries to its announced addresses."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple

from anycast_routed.model import Code, Finding
from anycast_routed.system.users import local_name

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from anycast_routed.config import Service
    from anycast_routed.model import Address
    from anycast_routed.observe.sock_diag import Listener, Listeners

_ROOT: Final = 0


class Owner(NamedTuple):
    """Who opened a socket."""

    user: int
    cgroup: int


Owners = frozenset[Owner]


def owners(sockets: Iterable[Listener]) -> Owners:
    """Return who opened these sockets."""
    return frozenset(Owner(one.user, one.cgroup) for one in sockets)


def by_owners(
    addresses: Iterable[Address],
    kinds: Sequence[Listeners],
    counts: Callable[[Listener], bool],
) -> dict[Owners, list[Address]]:
    """Return the addresses by who can receive the queries to them, through a socket that counts.

    The sockets on all addresses are looked at once, and each other socket once.
    """
    on_all: dict[int, Owners] = {}
    grouped: defaultdict[Owners, list[Address]] = defaultdict(list)
    for address in addresses:
        if address.version not in on_all:
            wide = (one for kind in kinds for one in kind.on_all(address) if counts(one))
            on_all[address.version] = owners(wide)
        exact = [one for kind in kinds for one in kind.bound_to(address) if counts(one)]
        there = on_all[address.version]
        grouped[there | owners(exact) if exact else there].append(address)
    return grouped


def finding(
    service: Service,
    checked: Owners,
    announced: Mapping[Owners, Sequence[Address]],
    *,
    privileged: bool,
) -> Finding | None:
    """Return a finding if one of the sockets may be a stranger to the server, else None.

    `checked` get the checks, and the keys of `announced` the queries of clients. `privileged`: only
    root can open the port. What is wrong at several addresses is one finding.
    """
    port = f"port {service.dns.port}"
    at = f"{service.dns.ip} {port}"
    if users := strangers(checked, privileged=privileged):
        return _made(service, _shared(users, at))
    wrong = [
        (detail, len(addresses))
        for there, addresses in announced.items()
        if (detail := _reached(at, checked, f"{addresses[0]} {port}", there, privileged=privileged))
    ]
    if not wrong:
        return None
    more = sum(count for _, count in wrong) - 1
    also = f" (likewise at {more} more announced address{'es' * (more > 1)})" if more else ""
    return _made(service, wrong[0][0] + also)


def strangers(sockets: Collection[Owner], *, privileged: bool) -> tuple[int, ...]:
    """Return the users of the sockets if one of them may be a stranger to the server, else none.

    Many servers open sockets as root, and more as the user that they become then. So root and one
    other user are usual on a port that only root can open (`privileged`), and elsewhere in the
    same cgroup, which a service does not leave.
    """
    users = _users(sockets)
    others = [one for one in sockets if one.user != _ROOT]
    if len({one.user for one in others}) > 1:
        return users
    if len(users) == 1 or not others or privileged:
        return ()
    cgroups = {one.cgroup for one in sockets if one.user == _ROOT}
    return users if any(one.cgroup not in cgroups for one in others) else ()


def _reached(at: str, checked: Owners, address: str, there: Owners, *, privileged: bool) -> str:
    """Say what is wrong with who gets the queries to an announced address, if anything is."""
    if users := strangers(there, privileged=privileged):
        return _shared(users, address)
    asked, reached = _users(checked), _users(there)
    # Without a socket in one of the two places, the check fails, or nothing answers the address.
    if not asked or not reached:
        return ""
    # root's sockets here and another user's there are one server's only within one cgroup.
    apart = not set(asked) & set(reached)
    if not strangers(checked | there, privileged=privileged and not apart):
        return ""
    who = f"{_sockets_of(asked)} get the checks at {at}, and {_sockets_of(reached)} the queries to"
    return f"{who} {address}: the checks do not prove the server that the clients reach"


def _shared(users: Sequence[int], at: str) -> str:
    return f"{_sockets_of(users)} are bound to {at}: each of them may answer"


def _users(sockets: Collection[Owner]) -> tuple[int, ...]:
    return tuple(sorted({one.user for one in sockets}))


def _sockets_of(users: Sequence[int]) -> str:
    names = [f"{local_name(one)} (UID {one})" for one in users]
    return f"sockets of {' and of '.join(names)}"


def _made(service: Service, detail: str) -> Finding:
    fix = f"ss -lnptu 'sport = :{service.dns.port}' shows, as root, which process holds them"
    return Finding(Code.TWO_USERS, f"service {service.name}", detail, fix)
