"""Each benchmark still goes through; its figures are for an idle machine."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from anycast_routed.process import run

HERE = Path(__file__).parents[1]
SHORT = {
    "apply.py": ("--rounds", "1", "--prefixes", "1"),
    "failover.py": (
        *("--only", "BIRD: killed$", "--runs", "1", "--starts", "1", "--client-runs", "1"),
        *("--idle", "1", "--saturated", "1"),
    ),
    "scale.py": ("--only", "BIRD, 10 services", "--rounds", "1", "--idle", "1"),
}


@pytest.mark.integration
@pytest.mark.parametrize("name", SHORT)
def test_it_measures_what_it_says(name: str) -> None:
    argv = (sys.executable, str(HERE / "bench" / name), *SHORT[name], "--router", "bird")
    done = run(argv, within=180)
    assert done.code == 0, done.out + done.err
    assert "bird" in done.out.lower(), done.out
