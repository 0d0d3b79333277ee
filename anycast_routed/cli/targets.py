"""Read the services and prefixes that an operator names on the command line."""

from __future__ import annotations

from ipaddress import ip_network
from typing import TYPE_CHECKING

from anycast_routed.errors import UsageError
from anycast_routed.model import Reason, Withheld
from anycast_routed.reconcile.assumed_plan import best
from anycast_routed.report import text

if TYPE_CHECKING:
    from anycast_routed.config import Config
    from anycast_routed.model import Announcement, Prefix


def parse_prefix(given: str) -> Prefix:
    """Parse a prefix.

    Raises:
        UsageError: the text is not a prefix.
    """
    try:
        return ip_network(given)
    except ValueError:
        message = f"{text.safe(given)!r} is not a prefix"
        raise UsageError(message, hint="write it as 192.0.2.1/32 or 2001:db8::1/128") from None


def canonical(target: str) -> str:
    """Return a target as a plan writes it: a prefix in canonical form, a name unchanged."""
    try:
        return str(ip_network(target))
    except ValueError:
        return target


def meant_by(config: Config, targets: list[str]) -> tuple[tuple[Prefix, ...], tuple[Prefix, ...]]:
    """Return the prefixes that these services and prefixes mean, with every service assumed UP.

    Returns those that are announced, and then all of them: others of the router may announce a
    prefix that is withheld here.

    Raises:
        UsageError: a target is no service or prefix of this host; the hint lists all of them.
    """
    plan = best(config)
    prefixes = [str(one.prefix) for one in plan.announcements]
    prefixes += [str(one.prefix) for one in plan.withheld if one.prefix]
    existing = [*plan.services, *dict.fromkeys(prefixes)]
    for target in targets:
        if target not in existing:
            message = f"{text.safe(target)!r} is neither a service nor a prefix here"
            raise UsageError(message, hint=f"there are: {', '.join(existing)}")
    announced = {one.prefix: _is_meant(one, targets) for one in plan.announcements}
    withheld = (
        one.prefix
        for one in plan.withheld
        if one.prefix is not None and one.prefix not in announced and _is_meant(one, targets)
    )
    meant = tuple(prefix for prefix, is_meant in announced.items() if is_meant)
    return meant, tuple(dict.fromkeys((*meant, *withheld)))


def _is_meant(one: Announcement | Withheld, targets: list[str]) -> bool:
    """Return whether the targets mean this; the prefix of a duplicate is another service's."""
    is_duplicate = isinstance(one, Withheld) and one.reason is Reason.DUPLICATE
    return str(one.prefix) in targets or (one.service in targets and not is_duplicate)
