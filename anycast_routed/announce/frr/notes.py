"""What an operator should know of FRR's own config."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anycast_routed.announce.frr import answers, config_lines
from anycast_routed.announce.frr.config_lines import TAG
from anycast_routed.announce.frr.origins import open_neighbors
from anycast_routed.errors import ConfigError
from anycast_routed.model import Code, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from anycast_routed.announce.frr.running_config import Running
    from anycast_routed.model import Readback


def saved_networks(frr_conf: Path) -> int:
    """Return how many networks of anycast-routed frr.conf holds, as far as this user can read it.

    A missing file holds none.
    """
    try:
        return config_lines.count_networks(frr_conf.read_text("utf-8", "replace"))
    except OSError:
        return 0


def of_saved_lines(frr_conf: Path) -> Iterator[Finding]:
    """Yield a finding if frr.conf has networks of anycast-routed."""
    if saved := saved_networks(frr_conf):
        saved_by = f"{frr_conf} holds {saved} of our networks, saved by `write memory`"
        detail = f"{saved_by}: FRR announces them at its start, until our first run"
        yield Finding(Code.SAVED_NETWORKS, "", detail)


def no_instance(running: Running) -> ConfigError:
    """Return the error of an FRR without a BGP instance in the default VRF."""
    message = "FRR has no BGP instance to announce from"
    hint = "add `router bgp AS` with your neighbors to FRR, or `bgp` to our config"
    if others := ", ".join(running.other_instances):
        message = f"FRR has no BGP instance in the default VRF, only in: {others}"
        hint = f"other VRFs are not supported; {hint}"
    return ConfigError(message, hint=hint)


def of_vrfs(running: Running) -> Iterator[Finding]:
    """Yield a finding if all neighbors are in other VRFs, where no prefix is announced."""
    if running.other_instances and running.instance and not running.neighbors:
        others = ", ".join(running.other_instances)
        detail = f"`router bgp {running.local_as}` of the default VRF has no neighbor, and the"
        detail = f"{detail} neighbors of other VRFs get no prefix: {others}"
        fix = "add your neighbors to the default VRF: other VRFs are not supported"
        yield Finding(Code.VRF_NOT_SUPPORTED, "", detail, fix)


def of_left_out(said: str) -> Iterator[Finding]:
    """Yield a finding if the latest text lacks prefixes; `said` names the operator's lines."""
    if said:
        detail = f"FRR cannot take a part of the config: {said}"
        yield Finding(Code.PREFIX_REFUSED, "", detail, "the other prefixes are not affected")


def of_running_config(
    running: Running, read: Readback | None = None, *, shares: bool
) -> Iterator[Finding]:
    """Yield a finding if FRR logs passwords, and if neighbors of the operator get our prefixes.

    `read` is the latest read-back, if there was one. `shares`: they may get them.
    """
    if running.logs_passwords:
        detail = "FRR logs each command (`log commands`), and so each password that it is given"
        fix = "run: vtysh -c 'configure terminal' -c 'no log commands'"
        yield Finding(Code.PASSWORDS_LOGGED, "", detail, fix)
    if shares or not running.our_neighbors or not running.networks:
        return
    if found := _receivers(running, read):
        names = ", ".join(found)
        detail = f"your own neighbors in the same BGP instance get the prefixes too: {names}"
        fix = (
            f"give each an outbound route-map that denies `match tag {TAG}`, "
            'or set bgp.other-neighbors = "accept"'
        )
        yield Finding(Code.OTHER_NEIGHBORS, "", detail, fix)


def _receivers(running: Running, read: Readback | None) -> dict[str, None]:
    """Return the neighbors of the operator that are sent a prefix, or would be once they are up."""
    theirs = [one for one in read.sessions if not one.ours] if read else []
    sent = [one.name for one in theirs if read and read.exported.get(one.name)]
    up = {one.name for one in theirs if one.established}
    expected = (name for family in answers.FAMILIES for name in open_neighbors(running, family))
    return dict.fromkeys((*sent, *(name for name in expected if name not in up)))
