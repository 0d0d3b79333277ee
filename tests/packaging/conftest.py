"""The package of this tree, built once for these tests and tests/booted_host, and unpacked once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from anycast_routed.system import commands
from tests.support.machines.package import packages

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def package() -> Path:
    """Return the path of the package."""
    return packages().current


@pytest.fixture(scope="session")
def tree(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with the files of the package, and its scripts in DEBIAN/."""
    directory = tmp_path_factory.mktemp("package") / "tree"
    done = commands.run(["dpkg-deb", "--raw-extract", str(package), str(directory)], within=120)
    assert done.code == 0, done.err
    return directory
