"""What the package carries: what the lock names, what the bill says, and nothing else."""

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
from anycast_routed.system import commands
from tests.support.package_locks import RUN_TIME, pins
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration

LIBRARIES = "usr/lib/anycast-routed"
OURS = "anycast-routed"
SPDX = {"Expat": "MIT", "GPL-2+ or Apache-2.0": "GPL-2.0-or-later OR Apache-2.0"}
"""How Debian's copyright file and SPDX name the same licence."""


@pytest.fixture(scope="module")
def carried(tree: Path) -> dict[str, metadata.Distribution]:
    """Return what stands in the folder of the libraries, by name."""
    found = metadata.distributions(path=[str(tree / LIBRARIES)])
    return {canonicalize_name(one.metadata["Name"]): one for one in found}


@pytest.fixture(scope="module")
def bill(tree: Path) -> dict[str, Any]:
    """Return the bill of materials."""
    text = (tree / "usr/share/doc/anycast-routed/sbom.cdx.json").read_text("utf-8")
    document: dict[str, Any] = json.loads(text)
    return document


def test_every_library_of_the_lock_is_there_in_its_version_and_no_other(
    carried: dict[str, metadata.Distribution],
) -> None:
    locked = {name: pin.version for name, pin in pins(RUN_TIME).items()}
    assert {name: one.version for name, one in carried.items()} == {OURS: __version__, **locked}


def test_each_library_has_what_it_asks_for_and_each_is_asked_for(
    carried: dict[str, metadata.Distribution],
) -> None:
    needed: set[str] = set()
    new: set[str] = {OURS}
    while new:
        needed |= new
        asked = [Requirement(line) for name in new for line in carried[name].requires or ()]
        here = [one for one in asked if one.marker is None or one.marker.evaluate({"extra": ""})]
        for one in here:
            assert one.specifier.contains(carried[canonicalize_name(one.name)].version), one
        new = {str(canonicalize_name(one.name)) for one in here} - needed
    assert needed == set(carried)


def test_the_bill_names_exactly_what_the_lock_does(bill: dict[str, Any]) -> None:
    locked = pins(RUN_TIME)
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    own = bill["metadata"]["component"]
    assert (own["name"], own["version"]) == (OURS, __version__)
    assert own["licenses"] == [{"license": {"id": "Apache-2.0"}}]
    named = {one["name"]: one for one in bill["components"]}
    assert list(named) == sorted(locked)
    for name, one in named.items():
        assert one["version"] == locked[name].version
        (digest,) = one["hashes"]
        assert digest["alg"] == "SHA-256"
        assert digest["content"] in locked[name].hashes
        assert one["purl"] == f"pkg:pypi/{name}@{one['version']}"


def test_the_bill_and_the_copyright_file_name_the_same_licence_for_each(
    bill: dict[str, Any], tree: Path
) -> None:
    text = (tree / "usr/share/doc/anycast-routed/copyright").read_text("utf-8")
    assert text == (ROOT / "packaging/debian/copyright").read_text("utf-8")
    licences: dict[str, str] = {}
    for paragraph in map(email.message_from_string, text.split("\n\n")):
        for pattern in (paragraph["Files"] or "").split():
            licences[pattern] = SPDX.get(paragraph["License"], paragraph["License"])
    for one in bill["components"]:
        (said,) = one["licenses"]
        spdx = said.get("expression") or said["license"]["id"]
        folder = f"{LIBRARIES}/{one['name'].replace('-', '_')}-{one['version']}.dist-info"
        matching = [pattern for pattern in licences if fnmatch.fnmatch(f"{folder}/x", pattern)]
        assert [licences[pattern] for pattern in matching if pattern != "*"] == [spdx], folder
        assert any(re.match("(?i)licen[cs]e", path.name) for path in (tree / folder).rglob("*"))
    for path in (tree / LIBRARIES).iterdir():
        inside = f"{LIBRARIES}/{path.name}{'/x' if path.is_dir() else ''}"
        ours = path.name.startswith("anycast_routed")
        assert ours or sum(fnmatch.fnmatch(inside, pattern) for pattern in licences) > 1, inside


def test_nothing_from_the_build_or_the_hosts_python_gets_in(tree: Path, tmp_path: Path) -> None:
    names = [path.name for path in (tree / LIBRARIES).rglob("*")]
    assert not [name for name in names if name.startswith(".") or name.endswith(".pyc")]
    assert not {"bin", "direct_url.json", "RECORD", "__pycache__"} & set(names)
    # A trap for each way by which Python finds modules.
    trap = tmp_path / "lib" / "python3.11"
    for folder in (tmp_path, trap / "site-packages"):
        for module in ("anycast_routed", "typer", "json", "sitecustomize", "usercustomize"):
            file = folder / f"{module}.py"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("raise SystemExit('trapped')\n", "utf-8")
    launcher = tmp_path / OURS
    text = (tree / "usr/bin/anycast-routed").read_text("utf-8")
    launcher.write_text(text.replace(f"/{LIBRARIES}", str(tree / LIBRARIES)), "utf-8")
    launcher.chmod(0o755)
    env = {"PYTHONPATH": str(tmp_path), "PYTHONUSERBASE": str(tmp_path), "HOME": str(tmp_path)}
    done = commands.run(
        ["env", "-C", str(tmp_path), str(launcher), "--version"], within=30, env=env
    )
    assert (done.code, done.out, done.err) == (0, f"anycast-routed {__version__}\n", "")
    assert not list((tree / LIBRARIES).rglob("__pycache__")), "a start writes nothing there"
