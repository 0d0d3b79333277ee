"""The package of this tree, unpacked once; it is built once for these tests and tests/host."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from anycast_routed.system import commands
from tests.support.machines.package import packages

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def package() -> Path:
    """Return the package."""
    return packages().current


@pytest.fixture(scope="session")
def tree(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder with what is in it, and with its scripts in DEBIAN/."""
    folder = tmp_path_factory.mktemp("package") / "tree"
    done = commands.run(["dpkg-deb", "--raw-extract", str(package), str(folder)], within=30)
    assert done.code == 0, done.err
    return folder
