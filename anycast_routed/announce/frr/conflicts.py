"""Find where our lines conflict with the operator's: refuse them, or leave them out. Pure."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from ipaddress import ip_network
from typing import TYPE_CHECKING

from anycast_routed.announce.frr import config_lines
from anycast_routed.announce.frr.config_lines import STATIC_DISTANCE
from anycast_routed.announce.frr.running_config import Rendered
from anycast_routed.announce.masking import masked
from anycast_routed.errors import ConfigError, RejectedError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anycast_routed.announce.frr.config_lines import Line
    from anycast_routed.announce.frr.running_config import Running
    from anycast_routed.model import Plan, Prefix

_NAMED = 3  # lines that a sentence names


def refuse_foreign(wanted: Running) -> None:
    """Refuse a rendered text with lines that we would not recognize as ours in the running config.

    Raises:
        RejectedError: with the line; an operator's own template is wrong.
    """
    for line in wanted.lines:
        structure = config_lines.is_header(line.text) and (
            not line.context or config_lines.in_instance(line)
        )
        creation = config_lines.in_instance(line) and not config_lines.neighbor(line)
        if not structure and not creation and not wanted.owns(line, wanted.options):
            message = f"line {line.number} is not one that we own: {masked(line.text)}"
            hint = (
                f"keep the indentation, the names {config_lines.OURS}* and the tags of our template"
            )
            raise RejectedError(message, hint=hint)


def refuse_conflicts(wanted: Running, running: Running) -> None:
    """Refuse a text for another AS, or with a neighbor that the operator has.

    Raises:
        ConfigError: naming both sides.
    """
    if wanted.local_as is not None and running.local_as not in {None, wanted.local_as}:
        message = f"AS {wanted.local_as} is wanted, but FRR runs `router bgp {running.local_as}`"
        raise ConfigError(message, hint="set bgp.as to it: one AS fits in the default VRF")
    theirs = frozenset(running.neighbors) - running.our_neighbors
    for name in sorted(theirs & wanted.our_neighbors):
        message = f"FRR's own config has neighbor {name} already"
        hint = "take it out of one of the two; without `bgp` your own sessions are used"
        raise ConfigError(message, hint=hint)


def left_out(plan: Plan, running: Running) -> tuple[Plan, str]:
    """Return the plan without the prefixes that are networks of the operator, and say which.

    bgpd has one network for each prefix: ours would overwrite the operator's.
    """
    theirs = _networks(running)
    kept = tuple(one for one in plan.announcements if one.prefix not in theirs)
    if len(kept) == len(plan.announcements):
        return plan, ""
    said = _said(theirs[one.prefix] for one in plan.announcements if one.prefix in theirs)
    return replace(plan, announcements=kept), said


def without_theirs(wanted: Rendered, running: Running) -> tuple[Rendered, str]:
    """Return a text without the lines that would overwrite one of the operator, and say which.

    A static of the operator serves our network as well as ours would: the network stays.
    """
    networks = {one: line for one, line in _networks(running).items() if one in wanted.networks}
    statics = {one: line for one, line in _statics(running).items() if one in wanted.statics}
    if not networks and not statics:
        return wanted, ""
    text = config_lines.cut_statics(config_lines.cut(wanted.text, networks), statics)
    return Rendered(text), _said((*networks.values(), *statics.values()))


def _networks(running: Running) -> dict[Prefix, Line]:
    """Return the operator's networks."""
    return {
        prefix: line
        for line in running.lines
        if line.text.startswith("network ")
        and config_lines.in_family(line)
        and config_lines.network(line) is None
        and (prefix := _prefix(line, 1)) is not None
    }


def _statics(running: Running) -> dict[Prefix, Line]:
    """Return the operator's statics that a static of anycast-routed would replace."""
    return {
        prefix: line
        for line in running.lines
        if not line.context
        and line.text.startswith(("ip route ", "ipv6 route "))
        and line.words[-1] == str(STATIC_DISTANCE)
        and config_lines.static(line) is None
        and (prefix := _prefix(line, 2)) is not None
    }


def _prefix(line: Line, at: int) -> Prefix | None:
    """Return the prefix at this word of a line; None for a form that is not known."""
    with contextlib.suppress(ValueError):
        return ip_network(line.words[at], strict=False)
    return None


def _said(lines: Iterable[Line]) -> str:
    """Return a sentence for people about lines of the operator; empty without any."""
    named = [f"`{line.text}`" for line in lines]
    more = [f"{len(named) - _NAMED} more"] if len(named) > _NAMED else []
    shown = ", ".join([*named[:_NAMED], *more])
    return shown and f"its own config has {shown} already: take it out of one of the two"
