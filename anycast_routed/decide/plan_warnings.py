"""Findings that go with a plan: missing labels, odd addresses, peers in another AS. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anycast_routed.decide.labels import label_start, labelled
from anycast_routed.decide.unsupported import parts_in_vrfs
from anycast_routed.model import Code, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from anycast_routed.config import Config
    from anycast_routed.decide.candidates import Candidate
    from anycast_routed.model import Observed


def warnings(config: Config, observed: Observed, found: Sequence[Candidate]) -> Iterator[Finding]:
    """Yield the findings that do not keep a prefix from being announced."""
    yield from (candidate.warning for candidate in found if candidate.warning)
    yield from without_labels(config, observed)
    yield from parts_in_vrfs(config, observed)
    if config.bgp is None:
        return
    for peer in config.bgp.peers:
        if peer.as_ != config.bgp.as_:
            who = f"{peer.ip} ({peer.description})" if peer.description else f"{peer.ip}"
            ases = f"the peer is in AS {peer.as_} and this host in AS {config.bgp.as_}"
            detail = f"{ases}: LocalPref does not reach it (RFC 4271 section 5.1.5)"
            yield Finding(Code.LOCAL_PREF_NOT_SENT, who, detail)


def without_labels(config: Config, observed: Observed) -> Iterator[Finding]:
    """Yield a finding for each service without one of its labels here, or without any prefix."""
    for service in config.services:
        anycast, start = service.anycast, label_start(service.anycast)
        if start is not None and (
            anycast.interface not in observed.interfaces or labelled(anycast, start, observed)
        ):
            continue
        none = f"no IPv4 address on {anycast.interface} has a label that starts with {start}"
        if not anycast.routes:
            labels = f"{none}, and " if start else ""
            detail = f"nothing to announce: {labels}no routes are configured"
            yield Finding(Code.NOTHING_TO_ANNOUNCE, service.name, detail)
        elif start:
            yield Finding(Code.NO_LABELS, service.name, none)
