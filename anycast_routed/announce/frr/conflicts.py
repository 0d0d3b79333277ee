"""Refuse a rendered text that conflicts with the config of FRR, or is not recognizable. Pure."""

from __future__ import annotations

from ipaddress import ip_network
from typing import TYPE_CHECKING

from anycast_routed.announce.frr import config_lines
from anycast_routed.announce.frr.config_lines import STATIC_DISTANCE
from anycast_routed.announce.masking import masked
from anycast_routed.errors import ConfigError, RejectedError

if TYPE_CHECKING:
    from anycast_routed.announce.frr.config_lines import Line
    from anycast_routed.announce.frr.running_config import Running
    from anycast_routed.model import Prefix


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
    """Refuse a text that would overwrite a line of the operator.

    Raises:
        ConfigError: naming both sides.
    """
    hint = "take it out of one of the two"
    if wanted.local_as is not None and running.local_as not in {None, wanted.local_as}:
        message = f"AS {wanted.local_as} is wanted, but FRR runs `router bgp {running.local_as}`"
        raise ConfigError(message, hint="set bgp.as to it: one AS fits in the default VRF")
    theirs = frozenset(running.neighbors) - running.our_neighbors
    for name in sorted(theirs & wanted.our_neighbors):
        message = f"FRR's own config has neighbor {name} already"
        raise ConfigError(message, hint=f"{hint}; without `bgp` your own sessions are used")
    taken = {
        *(("network", prefix) for prefix in wanted.networks),
        *(("static", prefix) for prefix in wanted.statics),
    }
    for line in running.lines:
        if _target(line) in taken and not running.owns(line):
            message = f"FRR's own config has `{line.text}` already"
            raise ConfigError(message, hint=hint)


def _target(line: Line) -> tuple[str, Prefix] | None:
    """Return what an operator's line configures, if one of our lines would overwrite it."""
    words = line.words
    if config_lines.in_family(line) and words[0] == "network":
        return "network", ip_network(words[1], strict=False)
    is_route = not line.context and words[0] in {"ip", "ipv6"} and words[1:2] == ["route"]
    if is_route and words[-1] == str(STATIC_DISTANCE):
        return "static", ip_network(words[2], strict=False)
    return None
