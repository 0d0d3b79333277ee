"""The transcripts in README.md and docs/*.md happen: each command runs against a real router."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from anycast_routed.lab import bird
from anycast_routed.system import commands
from tests.docs.documents import CONSOLES
from tests.support.dns_site import Site, lay_out
from tests.support.paths import ROOT
from tests.support.transcripts import assert_shows, steps
from tests.support.waiting import PATIENCE, eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from anycast_routed.lab import Daemon, Lab
    from anycast_routed.system.commands import Completed

RUNS = sorted({(str(one.document.relative_to(ROOT)), one.site) for one in CONSOLES if one.site})
"""Each document and the sites that its transcripts name: one lab for each pair."""
SITES = {"bird", "bird with the daemon", "bird without the include line", "frr"}
MOST_LABS = 12  # a lab takes seconds to lay out; a document should share a site's blocks
WITHIN = 30  # seconds for one command


def test_each_transcript_runs_on_a_known_site() -> None:
    assert {site for _, site in RUNS} <= SITES
    assert len(RUNS) <= MOST_LABS


def test_no_command_of_anycast_routed_is_left_unexecuted() -> None:
    for block in CONSOLES:
        assert block.text.startswith("$ "), block
        if not block.site:
            assert "$ anycast-routed" not in block.text, block


@pytest.mark.integration
@pytest.mark.parametrize(("document", "where"), RUNS, ids=[f"{a}-{b}" for a, b in RUNS])
def test_the_transcripts_happen(lab: Lab, document: str, where: str) -> None:
    site = lay_out(lab, "frr" if where == "frr" else "bird")
    if where == "bird without the include line":
        assert isinstance(site.router, bird.Bird)
        site.router.configure(bird.STOCK)
    for block in CONSOLES:
        if block.document == ROOT / document and block.site == where:
            for command, shown in steps(block.text):
                done = run(site, command)
                assert done.code == 0, f"{command}: {done.code}\n{done.out}{done.err}"
                assert_shows(f"{done.out}{done.err}", shown, command)


def start(site: Site) -> None:
    """Start the daemon as systemd does, if none runs, and wait for its first announcement."""
    if not running(site):
        site.daemon()
    eventually(lambda: all(site.tables()), why="the peers have the prefixes")


def running(site: Site) -> list[Daemon]:
    return [one for one in site.dns1.daemons if one.alive and "daemon" in one.argv]


def hand_over(site: Site) -> None:
    (daemon,) = running(site)
    unit = site.dns1.start(sys.executable, "-m", "anycast_routed", "handover", name="handover")
    mark = site.dns1.path("/run/anycast-routed/handover")
    eventually(lambda: unit.check() and mark.exists(), why="the handover mark exists")
    daemon.terminate()
    site.daemon()
    assert unit.wait(within=PATIENCE) == 0, unit.log()


def stop(site: Site) -> None:
    (daemon,) = running(site)
    daemon.terminate()


HANDOVER = "systemctl start anycast-routed-handover && systemctl restart anycast-routed"
SYSTEMCTL: dict[str, Callable[[Site], object]] = {
    "systemctl kill --signal=KILL unbound": lambda site: site.server.daemon.kill(),
    "systemctl stop unbound": lambda site: site.server.daemon.kill(),
    "systemctl start unbound": lambda site: site.server.restart(),
    "systemctl start anycast-routed": start,
    "systemctl stop anycast-routed": stop,
    HANDOVER: hand_over,
}


def run(site: Site, command: str) -> Completed:
    """Run a line as the operator's shell does; the lab's host has no systemd, so act for it."""
    if (unit := SYSTEMCTL.get(command)) is not None:
        unit(site)
        return commands.Completed(0, "", "")
    python = Path(sys.executable).parent
    path = f"{python}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return site.dns1.run("/bin/sh", "-c", command, within=WITHIN, check=False, env={"PATH": path})
