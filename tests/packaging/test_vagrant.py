"""The files in vagrant/ are valid for Vagrant, ShellCheck and anycast-routed.

tests/booted_host/test_vagrant_walk.py runs the commands of vagrant/README.md in machines.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest

from anycast_routed import config
from anycast_routed.system.commands import run
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

VAGRANT = ROOT / "vagrant"
SCRIPTS = sorted((VAGRANT / "provision").iterdir())
CONFIGS = sorted(VAGRANT.glob("files/*/config.*"))


def test_the_vagrantfile_is_valid(tmp_path: Path) -> None:
    own = {
        "VAGRANT_CWD": str(VAGRANT),
        "VAGRANT_HOME": str(tmp_path / "home"),
        "VAGRANT_DOTFILE_PATH": str(tmp_path / "state"),
        "VAGRANT_CHECKPOINT_DISABLE": "1",
    }
    argv = ("vagrant", "validate", "--ignore-provider")
    done = run(argv, within=240, env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), **own})
    assert done.code == 0, f"{done.out}{done.err}"
    assert "validated successfully" in done.out


def test_shellcheck_finds_nothing_in_the_scripts() -> None:
    argv = ("env", "-C", str(ROOT), "shellcheck", "--external-sources", *map(str, SCRIPTS))
    done = run(argv, within=30)
    assert (done.code, done.out) == (0, "")


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.parent.name)
def test_the_configs_are_valid(file: Path) -> None:
    toml = file.suffix == ".toml"
    assert config.loads(file.read_text("utf-8"), name=file.name, toml=toml).services


def test_the_links_in_the_vagrant_readme_lead_to_existing_files() -> None:
    links = re.findall(r"\]\(([^)\s#]+)[^)]*\)", (VAGRANT / "README.md").read_text("utf-8"))
    assert links
    assert [link for link in links if not (VAGRANT / link).exists()] == []
