"""The locks in packaging/: which libraries the package carries, and by which hashes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.support.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

RUN_TIME = ROOT / "packaging" / "requirements.lock"
BUILD = ROOT / "packaging" / "build.lock"
_PIN = re.compile(
    r"^(?P<name>[a-z0-9-]+)==(?P<version>\S+)(?P<hashes>(?: \\\n    --hash=\S+)+)", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Pin:
    """One library in one version: whatever has none of these SHA-256 is not it."""

    version: str
    hashes: frozenset[str]


def pins(lock: Path) -> dict[str, Pin]:
    """Return what a lock names, by its name in the packaging specifications' spelling."""
    text = lock.read_text("utf-8")
    found = {
        one["name"]: Pin(one["version"], frozenset(re.findall(r"sha256:([0-9a-f]{64})", one[0])))
        for one in _PIN.finditer(text)
    }
    assert len(found) == text.count("=="), f"{lock.name} has lines of another form"
    return found
