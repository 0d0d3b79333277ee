"""The lock files match pyproject.toml: one version each, with hashes, without a download host."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.package_locks import BUILD, RUN_TIME, pins
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
REQUIRED = {
    RUN_TIME: PROJECT["project"]["dependencies"],
    BUILD: PROJECT["build-system"]["requires"],
}


@pytest.mark.parametrize("lock", REQUIRED, ids=lambda path: path.name)
def test_a_lock_has_all_dependencies_with_hashes_and_no_download_host(lock: Path) -> None:
    found = pins(lock)
    for requirement in map(Requirement, REQUIRED[lock]):
        version = found[canonicalize_name(requirement.name)].version
        assert requirement.specifier.contains(version)
    assert all(pin.hashes for pin in found.values())
    text = lock.read_text("utf-8")
    assert "://" not in text
    assert "index" not in text
