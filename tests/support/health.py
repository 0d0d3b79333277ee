"""Health by check, from health by service: each service of the tests has one DNS check."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anycast_routed.model import CheckKey, Health

if TYPE_CHECKING:
    from collections.abc import Mapping


def dns_of(service: str) -> CheckKey:
    """Return the key of a service's DNS check."""
    return CheckKey(service, "dns")


def checks_of(health: Mapping[str, Health]) -> dict[CheckKey, Health]:
    """Key the health of each service by its DNS check."""
    return {dns_of(service): one for service, one in health.items()}
