"""The units: what systemd says of them, and how little they are allowed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from anycast_routed.system import commands
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

UNITS = sorted((ROOT / "packaging" / "systemd").iterdir())
SERVICES = [unit for unit in UNITS if unit.suffix == ".service"]
MOST = 1.8  # of 10, the most exposed


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_it_exposes_little(unit: Path) -> None:
    argv = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)]
    done = commands.run(argv, within=30)
    score = re.search(r"Overall exposure level for .*: ([\d.]+)", done.out)
    assert score, done.err
    assert float(score[1]) <= MOST


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_it_runs_as_our_user_without_any_capability(unit: Path) -> None:
    lines = unit.read_text().splitlines()
    assert lines.count("User=anycast-routed") == lines.count("Group=anycast-routed") == 1
    assert [line for line in lines if "Capabilit" in line] == [
        "CapabilityBoundingSet=",
        "AmbientCapabilities=",
    ]
    assert "NoNewPrivileges=yes" in lines
    assert "LimitCORE=0" in lines, "a core has the passwords of the BGP sessions"


def test_the_sandbox_is_the_same_but_for_the_processes_of_others() -> None:
    # In every unit it is what stands last, without the comments.
    def sandbox(unit: Path) -> list[str]:
        text = unit.read_text().partition("\nCapabilityBoundingSet=")[2].partition("\n[")[0]
        return [line for line in text.splitlines() if line and not line.startswith("#")]

    daemon, *others = sorted(
        map(sandbox, SERVICES), key=lambda lines: "ProtectProc=default" in lines
    )[::-1]
    for other in others:
        assert other == [
            line.replace("ProtectProc=default", "ProtectProc=invisible") for line in daemon
        ]


def test_systemd_understands_them(tmp_path: Path) -> None:
    for unit in UNITS:
        text = unit.read_text().replace("=/usr/bin/anycast-routed ", "=/bin/true ")
        (tmp_path / unit.name).write_text(text)
    files = sorted(map(str, tmp_path.iterdir()))
    done = commands.run(["systemd-analyze", "verify", "--man=no", *files], within=30)
    said = [line for line in done.err.splitlines() if "anycast-routed" in line]
    # Debian 12 does not know this one yet; see the comment beside it.
    strange = [line for line in said if "Unknown key 'RestartMode'" not in line]
    assert (done.code, strange) == (0, [])
