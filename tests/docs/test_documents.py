"""The README is true: its tables, configs and units are ours, and its transcripts happen."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import typer.main

from anycast_routed import config
from anycast_routed.cli.main import app
from anycast_routed.config import json_schema
from anycast_routed.errors import Exit
from anycast_routed.lab import bird, eventually
from anycast_routed.system import commands
from tests.support.dns_site import Site, lay_out
from tests.support.paths import ANYCAST_DNS_CONFIG, ROOT
from tests.support.transcripts import assert_shows, steps

if TYPE_CHECKING:
    from collections.abc import Callable

    from anycast_routed.lab import Daemon, Lab
    from anycast_routed.system.commands import Completed

README = (ROOT / "README.md").read_text("utf-8")
PROGRAM = "/usr/local/bin/anycast-routed"  # where the README's installation puts it

_FENCE = re.compile(
    r"(?:^<!-- runs on: (?P<site>[^>]+) -->\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """One fenced block; `site` is what its comment says that it runs on."""

    language: str
    text: str
    site: str


BLOCKS = [Block(one["language"], one["text"], one["site"] or "") for one in _FENCE.finditer(README)]
CONFIGS = [block for block in BLOCKS if block.language in {"json", "toml"}]
CONSOLES = [block for block in BLOCKS if block.language == "console"]


def blocks(language: str) -> list[str]:
    return [block.text for block in BLOCKS if block.language == language]


def section(title: str) -> str:
    """Return what stands below a heading, up to the next one."""
    _, _, below = README.partition(f" {title}\n")
    assert below, title
    return re.split(r"^#+ ", below, maxsplit=1, flags=re.MULTILINE)[0]


def table(title: str) -> list[tuple[str, ...]]:
    """Return the cells of the first table below a heading, less its head."""
    found = re.search(r"(?:^\|.*\n)+", section(title), re.MULTILINE)
    assert found, title
    lines = found.group().splitlines()[2:]
    return [tuple(cell.strip() for cell in line.strip("|").split(" | ")) for line in lines]


def test_the_reference_table_has_every_key_and_nothing_else() -> None:
    shown = [
        (key.strip("`"), kind, default.strip("`"), use)
        for key, kind, default, use in table("Every key")
    ]
    assert shown == [tuple(row) for row in json_schema.reference()]


@pytest.mark.parametrize("block", CONFIGS, ids=range(1, len(CONFIGS) + 1))
def test_every_config_loads(block: Block) -> None:
    assert config.loads(block.text, name="README.md", toml=block.language == "toml").services


def test_the_two_forms_of_the_first_config_say_the_same() -> None:
    (json_form,) = blocks("json")
    toml_form = blocks("toml")[0]
    assert config.loads(json_form, name="json", toml=False) == config.loads(
        toml_form, name="toml", toml=True
    )


def test_the_exit_codes_are_all_there() -> None:
    assert [int(code) for code, _ in table("Exit codes and JSON")] == [int(code) for code in Exit]


def test_the_verbs_are_all_there() -> None:
    verbs = typer.main.get_group(app).commands
    assert {verb.strip("`") for verb, _ in table("Verbs")} == set(verbs)


def test_the_options_that_the_readme_names_exist() -> None:
    group = typer.main.get_group(app)
    known = {
        option
        for command in (group, *group.commands.values())
        for parameter in command.params
        for option in parameter.opts
    }
    named = re.findall(r"`[^`\n]*?(?<![\w-])(--[a-z][a-z-]*)", section("Verbs"))
    assert named
    assert set(named) <= known


@pytest.mark.integration
def test_the_units_and_the_cron_line_are_those_of_setup(lab: Lab) -> None:
    host = lab.host("dns1")
    # Folders in the host's /etc are the machine's own: this one has to be empty.
    host.run("mount", "-t", "tmpfs", "units", "/etc/systemd/system")
    host.write("/etc/anycast-routed/config.json", ANYCAST_DNS_CONFIG.read_text())
    argv = (sys.executable, "-m", "anycast_routed", "--json")
    found = f"{sys.executable} -m anycast_routed"  # where it is not in PATH

    def units(*options: str) -> dict[str, str]:
        done = host.run(*argv, "setup", "--systemd", *options, env={"PATH": "/nonexistent"})
        files: dict[str, str] = json.loads(done.out)["files"]
        return {
            Path(path).name: text.replace(found, PROGRAM)
            for path, text in files.items()
            if path.startswith("/etc/systemd/system/")
        }

    other = units("--config", str(ANYCAST_DNS_CONFIG))["anycast-routed.service"]
    assert f"={PROGRAM} --config {ANYCAST_DNS_CONFIG} daemon\n" in other, (
        "the units run what was set up"
    )
    service = units("--timer")["anycast-routed-apply.service"]
    for name in {*units(), *units("--timer")}:
        assert name in README
    assert f"ExecStart={PROGRAM} -q apply\n" in service
    assert f"* * * * * root {PROGRAM} -q apply\n" in blocks("text")


def test_the_links_lead_somewhere() -> None:
    titles = re.findall(r"^#+ (.+)$", README, re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", one.lower()).replace(" ", "-") for one in titles}
    links = re.findall(r"\]\(([^)\s]+)\)", README)
    assert links
    for link in links:
        if link.startswith("#"):
            assert link[1:] in anchors, link
        else:
            assert (ROOT / link).exists(), link


def test_every_command_of_ours_is_run_below() -> None:
    for block in CONSOLES:
        assert block.text.startswith("$ ")
        if not block.site:
            ran = [line for line in block.text.splitlines() if line.startswith("$ anycast-routed")]
            assert not ran


@pytest.mark.integration
@pytest.mark.parametrize("where", sorted({block.site for block in CONSOLES if block.site}))
def test_the_transcripts_happen(lab: Lab, where: str) -> None:
    site = lay_out(lab, "frr" if where == "frr" else "bird")
    if where == "bird without the include line":
        assert isinstance(site.router, bird.Bird)
        site.router.configure(bird.STOCK)
    for block in CONSOLES:
        if block.site == where:
            for command, shown in steps(block.text):
                done = run(site, command)
                assert done.code == 0, f"{command}: {done.code}\n{done.out}{done.err}"
                assert_shows(f"{done.out}{done.err}", shown, command)


def start(site: Site) -> None:
    """Start the daemon as systemd does, if none runs, and let it get to its first verdict."""
    if not running(site):
        site.daemon()
    eventually(lambda: all(site.tables()), within=15, why="announced")


def running(site: Site) -> list[Daemon]:
    return [one for one in site.dns1.daemons if one.alive and "daemon" in one.argv]


def hand_over(site: Site) -> None:
    (daemon,) = running(site)
    unit = site.dns1.start(sys.executable, "-m", "anycast_routed", "handover", name="handover")
    mark = site.dns1.path("/run/anycast-routed/handover")
    eventually(lambda: unit.check() and mark.exists(), within=5, why="the mark stands")
    daemon.terminate()
    site.daemon()
    assert unit.wait(within=5) == 0, unit.log()


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
    """Run a line as the operator's shell does. The lab's host has no systemd: that is ours."""
    if (unit := SYSTEMCTL.get(command)) is not None:
        unit(site)
        return commands.Completed(0, "", "")
    python = Path(sys.executable).parent
    path = f"{python}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return site.dns1.run("/bin/sh", "-c", command, within=30, check=False, env={"PATH": path})
