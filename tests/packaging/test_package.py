"""The Debian package as a file: lintian, reproducible builds, dependencies, units, examples."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

import pytest

from anycast_routed import __version__, config
from anycast_routed.config import json_schema
from anycast_routed.system import commands
from tests.support.machines.debian import PYTHON, SUITE, run_in_builder
from tests.support.machines.package import build
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.integration, pytest.mark.booted]

EXAMPLES = "usr/share/doc/anycast-routed/examples"
UNITS = {"bookworm": "lib/systemd/system", "trixie": "usr/lib/systemd/system"}
"""Where the packages of each Debian have their units."""
SCRIPT = ROOT / "packaging/systemd/anycast-routed-withdraw.sh"


def test_lintian_finds_no_error_and_no_warning(package: Path) -> None:
    argv = ["lintian", "--allow-root", "--fail-on", "error,warning", str(package)]
    done = run_in_builder(argv, shared=[package.parent], env={}, within=600)
    assert (done.code, done.out) == (0, "")


def test_the_package_has_the_version_of_the_program(package: Path) -> None:
    done = commands.run(["dpkg-deb", "--field", str(package), "Version"], within=10)
    assert re.fullmatch(rf"{re.escape(__version__)}-\d+\+deb\d+\n", done.out)


def test_a_second_build_gives_the_same_bytes(package: Path, tmp_path: Path) -> None:
    strict = ("sh", "-c", 'umask 077; exec "$@"', "sh")
    again = build(tmp_path / "again", *strict, TZ="Pacific/Kiritimati")
    assert again.name == package.name
    assert again.read_bytes() == package.read_bytes()


def test_the_package_depends_on_the_python_version_of_its_build(package: Path) -> None:
    done = commands.run(["dpkg-deb", "--field", str(package), "Depends"], within=10)
    needed = {dependency.strip() for dependency in done.out.split(",")}
    assert {f"python3 (>= 3.{PYTHON})", f"python3 (<< 3.{PYTHON + 1})"} <= needed


def test_the_package_has_the_units_of_the_tree(tree: Path) -> None:
    units = sorted(one for one in SCRIPT.parent.iterdir() if one != SCRIPT)
    installed = tree / UNITS[SUITE]
    assert sorted(path.name for path in installed.iterdir()) == [unit.name for unit in units]
    assert all((installed / unit.name).read_bytes() == unit.read_bytes() for unit in units)
    command = (installed / "anycast-routed-withdraw.service").read_text().partition("/bin/sh ")[2]
    assert (tree / command.split()[0][1:]).read_bytes() == SCRIPT.read_bytes()


def test_the_package_installs_no_config_file_and_its_examples_are_valid(tree: Path) -> None:
    assert not (tree / "etc").exists()
    names = sorted(path.name for path in (tree / EXAMPLES).iterdir())
    assert names == ["anycast-dns.json", "config.toml"]
    for name in names:
        config.load(tree / EXAMPLES / name)


def test_the_example_has_every_key_and_is_valid_without_the_comment_signs(
    tmp_path: Path,
) -> None:
    text = (ROOT / "packaging" / "config.toml").read_text("utf-8")
    whole = re.sub(r"^#(?=[a-z])", "", text, flags=re.MULTILINE)
    file = tmp_path / "config.toml"
    file.write_text(whole, "utf-8")
    config.load(file)
    shown = set(_keys(tomllib.loads(whole)))
    keys = {row[0] for row in json_schema.reference()}
    assert {key for key in keys if not key.startswith("services")} <= shown
    assert "# [[services]]\n" in text


def _keys(table: object, above: str = "") -> list[str]:
    """Return the path of every key in the form of the README: `anycast.routes[].ip`."""
    if isinstance(table, list):
        return [key for one in table for key in _keys(one, f"{above[:-1]}[].")]
    if not isinstance(table, dict):
        return []
    return [
        name
        for key, value in table.items()
        for name in (f"{above}{key}", *_keys(value, f"{above}{key}."))
    ]


def test_shellcheck_finds_nothing_in_the_scripts(tree: Path) -> None:
    names = ("preinst", "postinst", "prerm", "postrm")
    scripts = [str(ROOT / "packaging/debian" / name) for name in names]
    for argv in (
        ["shellcheck", *scripts, str(ROOT / "packaging/build-deb"), str(SCRIPT)],
        *(["sh", "-n", str(tree / "DEBIAN" / name)] for name in names),
    ):
        done = commands.run(argv, within=30)
        assert (done.code, done.out, done.err) == (0, "", ""), argv
