"""Many cycles need no more memory or descriptors than few; `make soak` runs 100,000."""

from __future__ import annotations

import pytest

from bench import soak


@pytest.mark.integration
@pytest.mark.fault(39)
def test_cycles_leave_no_descriptors_and_no_memory_behind() -> None:
    assert "cycles" in soak.cycles(3)
