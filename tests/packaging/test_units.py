"""The systemd units: valid for systemd, with a strict sandbox and without capabilities."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from anycast_routed.system import commands
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

SHIPPED = sorted((ROOT / "packaging" / "systemd").iterdir())
UNITS = [unit for unit in SHIPPED if unit.suffix != ".sh"]
SERVICES = [unit for unit in UNITS if unit.suffix == ".service"]
MOST_EXPOSED = 1.8  # of 10


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_systemd_rates_the_exposure_of_each_unit_as_low(unit: Path) -> None:
    argv = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)]
    done = commands.run(argv, within=30)
    score = re.search(r"Overall exposure level for .*: ([\d.]+)", done.out)
    assert score, done.err
    assert float(score[1]) <= MOST_EXPOSED


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_each_unit_runs_as_user_anycast_routed_without_any_capability(unit: Path) -> None:
    lines = unit.read_text().splitlines()
    assert lines.count("User=anycast-routed") == lines.count("Group=anycast-routed") == 1
    assert [line for line in lines if "Capabilit" in line] == [
        "CapabilityBoundingSet=",
        "AmbientCapabilities=",
    ]
    assert "NoNewPrivileges=yes" in lines
    assert "LimitCORE=0" in lines, "a core dump has the passwords of the BGP sessions"


def test_the_units_have_the_same_sandbox() -> None:
    def sandbox(unit: Path) -> list[str]:
        """Return the last settings of [Service], from CapabilityBoundingSet= on."""
        text = unit.read_text().partition("\nCapabilityBoundingSet=")[2].partition("\n[")[0]
        return [line for line in text.splitlines() if line and not line.startswith("#")]

    first, *others = map(sandbox, SERVICES)
    assert first
    assert all(other == first for other in others)


def test_systemd_finds_no_fault_in_the_units(tmp_path: Path) -> None:
    for unit in UNITS:
        text = unit.read_text().replace("=/usr/bin/anycast-routed ", "=/bin/true ")
        (tmp_path / unit.name).write_text(text)
    files = sorted(map(str, tmp_path.iterdir()))
    done = commands.run(["systemd-analyze", "verify", "--man=no", *files], within=30)
    warnings = [line for line in done.err.splitlines() if "anycast-routed" in line]
    # The systemd of Debian 12 does not know RestartMode=; see the comment in the unit.
    faults = [line for line in warnings if "Unknown key 'RestartMode'" not in line]
    assert (done.code, faults) == (0, [])
