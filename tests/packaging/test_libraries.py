"""The libraries in the package are those in the lock and in the bill of materials."""

from __future__ import annotations

import email
import fnmatch
import json
import re
from importlib import metadata
from typing import TYPE_CHECKING, Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from anycast_routed import __version__
from tests.support.machines.debian import PYTHON, run_in_builder
from tests.support.package_locks import RUN_TIME, pins
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.integration, pytest.mark.booted]

LIBRARIES = "usr/lib/anycast-routed"
PROGRAM = "anycast-routed"
SPDX = {"Expat": "MIT", "GPL-2+ or Apache-2.0": "GPL-2.0-or-later OR Apache-2.0"}
"""The SPDX expressions for the licence names in Debian's copyright file."""


@pytest.fixture(scope="module")
def carried(tree: Path) -> dict[str, metadata.Distribution]:
    """Return the distributions in the directory of the libraries, by normalised name."""
    found = metadata.distributions(path=[str(tree / LIBRARIES)])
    return {canonicalize_name(one.metadata["Name"]): one for one in found}


@pytest.fixture(scope="module")
def bill(tree: Path) -> dict[str, Any]:
    """Return the bill of materials in the package."""
    text = (tree / "usr/share/doc/anycast-routed/sbom.cdx.json").read_text("utf-8")
    document: dict[str, Any] = json.loads(text)
    return document


def test_the_package_has_exactly_the_libraries_and_versions_in_the_lock(
    carried: dict[str, metadata.Distribution],
) -> None:
    locked = {name: pin.version for name, pin in pins(RUN_TIME).items()}
    versions = {name: library.version for name, library in carried.items()}
    assert versions == {PROGRAM: __version__, **locked}


def test_the_libraries_are_exactly_the_dependencies_of_the_program_and_of_each_other(
    carried: dict[str, metadata.Distribution],
) -> None:
    needed: set[str] = set()
    new: set[str] = {PROGRAM}
    while new:
        needed |= new
        required = [Requirement(line) for name in new for line in carried[name].requires or ()]
        new = set()
        for requirement in required:
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                name = canonicalize_name(requirement.name)
                assert requirement.specifier.contains(carried[name].version), requirement
                new |= {str(name)} - needed
    assert needed == set(carried)


def test_the_bill_has_exactly_the_libraries_in_the_lock(bill: dict[str, Any]) -> None:
    locked = pins(RUN_TIME)
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    own = bill["metadata"]["component"]
    assert (own["name"], own["version"]) == (PROGRAM, __version__)
    assert own["licenses"] == [{"license": {"id": "Apache-2.0"}}]
    components = {component["name"]: component for component in bill["components"]}
    assert list(components) == sorted(locked)
    for name, component in components.items():
        assert component["version"] == locked[name].version
        (digest,) = component["hashes"]
        assert digest["alg"] == "SHA-256"
        assert digest["content"] in locked[name].hashes
        assert component["purl"] == f"pkg:pypi/{name}@{component['version']}"


def licences_by_pattern(copyright_file: str) -> dict[str, str]:
    """Return the SPDX licence of each pattern in the Files: fields of Debian's copyright file."""
    licences: dict[str, str] = {}
    for paragraph in map(email.message_from_string, copyright_file.split("\n\n")):
        for pattern in (paragraph["Files"] or "").split():
            licences[pattern] = SPDX.get(paragraph["License"], paragraph["License"])
    return licences


def test_the_bill_and_the_copyright_file_have_the_same_licence_for_each_library(
    bill: dict[str, Any], tree: Path
) -> None:
    text = (tree / "usr/share/doc/anycast-routed/copyright").read_text("utf-8")
    assert text == (ROOT / "packaging/debian/copyright").read_text("utf-8")
    licences = licences_by_pattern(text)
    for component in bill["components"]:
        (licence,) = component["licenses"]
        spdx = licence.get("expression") or licence["license"]["id"]
        name = f"{component['name'].replace('-', '_')}-{component['version']}"
        directory = f"{LIBRARIES}/{name}.dist-info"
        matching = [pattern for pattern in licences if fnmatch.fnmatch(f"{directory}/x", pattern)]
        assert [licences[pattern] for pattern in matching if pattern != "*"] == [spdx], directory
        assert any(re.match("(?i)licen[cs]e", path.name) for path in (tree / directory).rglob("*"))


def test_the_copyright_file_has_every_library(tree: Path) -> None:
    licences = licences_by_pattern((ROOT / "packaging/debian/copyright").read_text("utf-8"))
    for path in (tree / LIBRARIES).iterdir():
        if not path.name.startswith("anycast_routed"):
            inside = f"{LIBRARIES}/{path.name}{'/x' if path.is_dir() else ''}"
            matching = [pattern for pattern in licences if fnmatch.fnmatch(inside, pattern)]
            assert len(matching) > 1, f"{inside}: only the pattern * matches"


def test_the_package_has_no_files_of_the_build(tree: Path) -> None:
    names = [path.name for path in (tree / LIBRARIES).rglob("*")]
    assert not [name for name in names if name.startswith(".") or name.endswith(".pyc")]
    assert not {"bin", "direct_url.json", "RECORD", "__pycache__"} & set(names)


def test_the_launcher_imports_no_modules_of_the_host_or_the_user(
    tree: Path, tmp_path: Path
) -> None:
    # Put modules that end the program into each directory where Python may look for modules.
    for directory in (tmp_path, tmp_path / "lib" / f"python3.{PYTHON}" / "site-packages"):
        for module in ("anycast_routed", "typer", "json", "sitecustomize", "usercustomize"):
            file = directory / f"{module}.py"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("raise SystemExit('a module of the user was imported')\n", "utf-8")
    launcher = tmp_path / PROGRAM
    text = (tree / "usr/bin/anycast-routed").read_text("utf-8")
    launcher.write_text(text.replace(f"/{LIBRARIES}", str(tree / LIBRARIES)), "utf-8")
    launcher.chmod(0o755)
    env = {"PYTHONPATH": str(tmp_path), "PYTHONUSERBASE": str(tmp_path), "HOME": str(tmp_path)}
    argv = ["env", "-C", str(tmp_path), str(launcher), "--version"]
    done = run_in_builder(argv, shared=[tree, tmp_path], env=env, within=60)
    assert (done.code, done.out, done.err) == (0, f"anycast-routed {__version__}\n", "")
    assert not list((tree / LIBRARIES).rglob("__pycache__")), "the program writes no byte code"
