"""Each benchmark still goes through; its figures are for an idle machine."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from anycast_routed.process import run

HERE = Path(__file__).parents[1]
BRIEF = ("--runs", "1", "--starts", "1", "--client-runs", "1", "--idle", "1", "--saturated", "1")
SHORT = {
    "apply.py": ("--rounds", "1", "--prefixes", "1"),
    "failover.py": ("--only", "BIRD: (killed|floor)$", *BRIEF),
    "scale.py": ("--only", "BIRD, 10 services", "--rounds", "1", "--idle", "1"),
}
ROWS = {
    "apply.py": (r"bird no-op( +[\d,.]+)", r"read the config +\d", r"bird 1 withdrawal +\d"),
    "failover.py": (
        r"\| BIRD: killed \| 1 \| \d",
        r"\| BIRD \| [\d.]+ \(",
        r"\| BIRD \| [\d,]+ \(",
    ),
    "scale.py": (r"\| BIRD, 10 services \| [\d,]+ \| \d.* \| \d",),
}


@pytest.mark.integration
@pytest.mark.parametrize("name", SHORT)
def test_it_measures_what_it_says(name: str) -> None:
    argv = (sys.executable, str(HERE / "bench" / name), *SHORT[name], "--router", "bird")
    done = run(argv, within=180)
    assert done.code == 0, done.out + done.err
    for row in ROWS[name]:
        assert re.search(row, done.out), (row, done.out)
