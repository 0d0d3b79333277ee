"""The records of the zones that the DNS servers of the lab serve, as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anycast_routed.lab.failures import LabError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def or_default(zones: Mapping[str, Sequence[str]] | None) -> Mapping[str, Sequence[str]]:
    """Return `zones`, or for None the zone "google.com.", which an anycast-dns config queries."""
    return {"google.com.": ()} if zones is None else zones


def complete(zone: str, records: Sequence[str]) -> list[str]:
    """Return `records` after a SOA and an NS record, each of which is added if it is missing.

    Raises:
        LabError: the name of the zone does not end with a dot.
    """
    if not zone.endswith("."):
        message = f"{zone!r} is not an absolute zone name"
        raise LabError(message, hint="end the name with a dot")
    words = [record.upper().split() for record in records]
    missing = []
    if not any("SOA" in record for record in words):
        missing += [f"{zone} 60 IN SOA ns.{zone} hostmaster.{zone} 1 900 900 1800 60"]
    if not any("NS" in record for record in words):
        missing += [f"{zone} 60 IN NS ns.invalid."]
    return missing + list(records)
