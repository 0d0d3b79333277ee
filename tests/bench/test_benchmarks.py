"""Each benchmark runs to its end and prints its tables; the figures need an idle machine."""

from __future__ import annotations

import re
import sys

import pytest

from anycast_routed.system.commands import run

pytestmark = pytest.mark.slow

BRIEF = ("--runs", "1", "--starts", "1", "--client-runs", "1", "--idle", "1", "--saturated", "1")
SHORT = {
    "apply": ("--rounds", "1", "--prefixes", "1"),
    "failover": ("--only", "BIRD: (killed|baseline)$", *BRIEF),
    "scale": ("--only", "BIRD, 10 services", "--rounds", "1", "--idle", "1"),
}
ROWS = {
    "apply": (r"bird no-op( +[\d,.]+)", r"read the config +\d", r"bird 1 withdrawal +\d"),
    "failover": (
        r"\| BIRD: killed \| 1 \| \d",
        r"\| BIRD \| [\d.]+ \(",
        r"\| BIRD \| [\d,]+ \(",
    ),
    "scale": (r"\| BIRD, 10 services \| [\d,]+ \| \d.* \| \d",),
}


@pytest.mark.integration
@pytest.mark.parametrize("name", SHORT)
def test_a_short_benchmark_prints_its_rows(name: str) -> None:
    argv = (sys.executable, "-m", f"bench.{name}", *SHORT[name], "--router", "bird")
    done = run(argv, within=180)
    assert done.code == 0, done.out + done.err
    for row in ROWS[name]:
        assert re.search(row, done.out), (row, done.out)


@pytest.mark.integration
def test_the_benchmark_of_protocols_prints_its_row() -> None:
    done = run((sys.executable, "-m", "bench.protocols", "--sizes", "3"), within=60)
    assert done.code == 0, done.out + done.err
    assert re.search(r"\| 3 \| [\d.]+ \(.*\| [\d.]+ \(.*\| [\d.]+ \(", done.out), done.out


@pytest.mark.integration
def test_the_benchmark_of_growth_prints_its_row() -> None:
    short = ("--only", "BIRD, 100 services", "--rounds", "1")
    done = run((sys.executable, "-m", "bench.growth", *short), within=120)
    assert done.code == 0, done.out + done.err
    row = r"\| BIRD, 100 services \| [\d,]+ \| [\d.]+ \(.*\| [\d.]+ \(.*\| [\d.]+ \| [\d,.]+ \("
    assert re.search(row, done.out), done.out


@pytest.mark.integration
def test_the_benchmark_of_a_quiet_host_prints_its_row() -> None:
    short = ("--prefixes", "3", "--router", "bird", "--seconds", "3", "--starts", "1")
    done = run((sys.executable, "-m", "bench.quiet_host", *short), within=180)
    assert done.code == 0, done.out + done.err
    assert re.search(r"\| BIRD, 3 prefixes \| [\d,]+ \(.*\| [\d.]+ \(", done.out), done.out


@pytest.mark.integration
def test_the_benchmark_of_a_full_table_prints_its_rows() -> None:
    short = ("--routes", "2000", "--router", "bird", "--rounds", "1", "--idle", "1")
    done = run((sys.executable, "-m", "bench.full_table", *short, "--settled", "1"), within=180)
    assert done.code == 0, done.out + done.err
    for name in ("2,000 routes", "1 route"):
        assert re.search(rf"\| BIRD, {name} \| [\d,.]+ \|.*\| [\d.]+ \(", done.out), done.out
