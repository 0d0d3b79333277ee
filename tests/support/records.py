"""Health records for tests."""

from __future__ import annotations

from anycast_routed.model import Health, Verdict
from anycast_routed.state import record
from anycast_routed.state.record import Record
from tests.support.health import checks_of

UP = Health(Verdict.UP, passes=2, reason="NOERROR")


def record_of(boot: str | None = None) -> Record:
    """Return a record of BIRD that says "up" of the service `dns`; by default of this boot."""
    return Record(boot or record.this_boot(), "bird", checks_of({"dns": UP}))
