"""The documents agree with the program: keys, configs, verbs, options, exit codes and units."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import typer
import typer.main

from anycast_routed import config
from anycast_routed.cli.program import program
from anycast_routed.config import json_schema
from anycast_routed.errors import Exit
from anycast_routed.model import Code, Finding
from tests.docs.documents import (
    BLOCKS,
    CONFIG,
    CONFIGS,
    MANUAL,
    README,
    REFERENCE,
    Block,
    rows,
    section,
    without_blocks,
)
from tests.support.paths import ANYCAST_DNS_CONFIG, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anycast_routed.lab import Lab

PROGRAM = "/usr/local/bin/anycast-routed"  # where docs/install.md puts it
EVERY_OPTION = {"--help", "--install-completion", "--show-completion", "--version"}
"""Options of the command line library, and the version."""


def documented_keys() -> list[tuple[str, ...]]:
    """Return the rows of the tables in docs/config.md that list the keys."""
    return [
        (row[0].strip("`"), row[1], row[2].strip("`"), row[3])
        for row in rows(section(CONFIG, "Every key"))
    ]


def options() -> Iterator[tuple[str, str]]:
    """Yield each verb with each of its long options; "" is the program itself."""
    group = typer.main.get_group(program())
    for verb, command in (("", group), *group.commands.items()):
        for parameter in command.params:
            for option in parameter.opts:
                if option.startswith("--") and option not in EVERY_OPTION:
                    yield verb, option


def test_the_key_table_has_every_key_and_nothing_else() -> None:
    assert documented_keys() == [tuple(row) for row in json_schema.reference()]


@pytest.mark.parametrize("block", CONFIGS, ids=str)
def test_every_config_loads(block: Block) -> None:
    assert config.loads(block.text, name=str(block), toml=block.language == "toml").services


def test_the_first_configs_in_json_and_toml_are_equal() -> None:
    (json_form,) = [one for one in CONFIGS if one.language == "json"]
    first = [
        next(one for one in CONFIGS if one.language == "toml" and one.document == document)
        for document in (README, CONFIG)
    ]
    wanted = config.loads(json_form.text, name="json", toml=False)
    for toml_form in first:
        assert config.loads(toml_form.text, name="toml", toml=True) == wanted


def test_the_exit_codes_are_all_there() -> None:
    table = rows(section(REFERENCE, "Exit codes"))
    assert [int(code) for code, _ in table] == [int(code) for code in Exit]


def test_the_verbs_are_all_there() -> None:
    verbs = typer.main.get_group(program()).commands
    assert {verb.strip("`") for verb, _ in rows(section(REFERENCE, "Verbs"))} == set(verbs)


def test_the_options_are_all_there() -> None:
    table = {
        (verb, re.sub(r"[` ].*", "", option.strip("`")))
        for verbs, option, _ in rows(section(REFERENCE, "Options"))
        for verb in re.findall(r"`([^`]+)`", verbs) or [""]
    }
    assert table == set(options())


def test_the_options_that_the_documents_name_exist() -> None:
    pairs = set(options())
    known = {option for _, option in pairs} | EVERY_OPTION
    verbs = {verb for verb, _ in pairs}
    for document in MANUAL:
        for code in re.findall(r"`([^`\n]+)`", without_blocks(document)):
            command = re.match(r"(?:sudo )?anycast-routed |(\w+) --", code)
            if command and command[1] in {None, *verbs}:
                named = set(re.findall(r"(?<![\w-])(--[a-z][a-z-]*)", code))
                assert named <= known, f"{document.name}: {code}"


@pytest.mark.integration
def test_the_units_and_the_cron_line_are_the_ones_that_setup_writes(lab: Lab) -> None:
    host = lab.host("dns1")
    # Directories in the host's /etc are the machine's own: this one has to be empty.
    host.run("mount", "-t", "tmpfs", "units", "/etc/systemd/system")
    host.write("/etc/anycast-routed/config.json", ANYCAST_DNS_CONFIG.read_text())
    argv = (sys.executable, "-m", "anycast_routed", "--json")
    found = f"{sys.executable} -m anycast_routed"  # how setup names a program outside of PATH

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
        "the units name the config file that setup was given"
    )
    service = units("--timer")["anycast-routed-apply.service"]
    listed = section(REFERENCE, "Units")
    for name in {*units(), *units("--timer")}:
        assert f"`{name}`" in listed
    assert f"ExecStart={PROGRAM} -q apply\n" in service
    texts = [block.text for block in BLOCKS if block.language == "text"]
    assert f"* * * * * root {PROGRAM} -q apply\n" in texts


def test_the_architecture_names_every_module() -> None:
    named = set(re.findall(r"`([\w./]+)`", (ROOT / "docs" / "architecture.md").read_text("utf-8")))
    package = ROOT / "anycast_routed"
    # The lab's modules are named by what they start; its demo is one entry.
    modules = [
        path.relative_to(package).with_suffix("")
        for path in package.rglob("[!_]*.py")
        if path.relative_to(package).parts[0] != "lab"
    ]
    missing = [
        str(module)
        for module in modules
        if not {module.name, "/".join(module.parts[-2:]), f"{module}.py"} & named
    ]
    assert not missing, "add a line for each to docs/architecture.md"


def test_the_reference_names_every_finding_with_its_severity() -> None:
    text = (ROOT / "docs" / "reference.md").read_text("utf-8")
    named = re.findall(r"^\| (AR\d{3}) \| (\w+) \|", text, re.MULTILINE)
    assert named == [(str(code), str(Finding(code, "", "").severity)) for code in Code]
