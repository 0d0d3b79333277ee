"""Many reconciles need no more memory or descriptors than few; `make soak` runs 100,000."""

from __future__ import annotations

import pytest

from bench import soak


@pytest.mark.integration
@pytest.mark.fault(39)
def test_reconciles_leave_no_descriptors_and_no_memory_behind() -> None:
    assert "reconciles" in soak.reconciles(3)
