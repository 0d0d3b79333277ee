"""The results of checks as aligned lines for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anycast_routed.report.text import columns, safe

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anycast_routed.model import CheckResult


def check_lines(results: Iterable[tuple[str, str, CheckResult]]) -> list[str]:
    """Return a line for each service: its name, the server asked, and the answer."""
    rows = []
    for service, server, result in results:
        latency = "" if result.latency is None else f"{result.latency * 1000:.1f} ms"
        ede = f" ({'; '.join(safe(code) for code in result.ede)})" if result.ede else ""
        rows.append((service, str(result.outcome), server, latency, safe(result.reason) + ede))
    return columns(rows)
