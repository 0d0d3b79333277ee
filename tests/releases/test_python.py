"""The tests that need no router, in each Python of the releases; this machine has another one.

Debian 13 has Python 3.13, and unstable has 3.14. A deprecation warning of our code is an error, as
in all tests.
"""

from __future__ import annotations

import re
import sys
from importlib import metadata
from typing import TYPE_CHECKING

import pytest

from anycast_routed.lab import releases
from anycast_routed.system import commands
from tests.support.machines.debian import run_in
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.integration, pytest.mark.releases, pytest.mark.matrix]

RELEASES = ("trixie", "sid")
TOOLS = ("hypothesis", "packaging", "pytest", "pytest-asyncio", "pytest-xdist")
TESTS = (*("python3", "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider"), "tests")
# Their tests need other programs, such as groff, shellcheck and pip.
OTHERS = [f"--ignore=tests/{directory}" for directory in ("bench", "manual", "packaging")]
IN_TREE = ("/bin/sh", "-euc", 'cd "$1"; shift; exec "$@"', "sh", str(ROOT))


def requirements() -> list[str]:
    """Return the libraries of the program and of its tests, in the versions of this machine."""
    lines = metadata.requires("anycast-routed") or []
    names = [re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in lines if "extra ==" not in line]
    return [f"{name}=={metadata.version(name)}" for name in (*names, *TOOLS)]


@pytest.mark.parametrize("release", RELEASES)
def test_what_needs_no_router_works_in_another_python(release: str, tmp_path: Path) -> None:
    site, version = tmp_path / "site", releases.versions(release)["python3"].partition("-")[0]
    uv = (sys.executable, "-m", "uv", "pip", "install", "--quiet", "--only-binary", ":all:")
    where = ("--python-version", version, "--target", str(site))
    installed = commands.run([*uv, *where, *requirements()], within=300)
    assert installed.code == 0, installed.err
    env = {
        "PYTHONPATH": str(site),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HYPOTHESIS_STORAGE_DIRECTORY": "/tmp/hypothesis",  # noqa: S108 - in the root alone
    }
    argv = (*IN_TREE, *TESTS, *OTHERS, "-m", "not integration")
    layers = releases.layers(release)
    done = run_in(layers, argv, shared=[ROOT, site], env=env, within=900)
    assert done.code == 0, done.out[-20_000:] + done.err
    assert " passed" in done.out
