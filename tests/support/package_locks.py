"""Read the lock files in packaging/: the versions and hashes of the bundled libraries."""

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
    """The locked version of a library, and the SHA-256 digests of its files."""

    version: str
    hashes: frozenset[str]


def pins(lock: Path) -> dict[str, Pin]:
    """Return the pins of a lock file by the normalised name of the library."""
    text = lock.read_text("utf-8")
    found = {
        pin["name"]: Pin(pin["version"], frozenset(re.findall(r"sha256:([0-9a-f]{64})", pin[0])))
        for pin in _PIN.finditer(text)
    }
    assert len(found) == text.count("=="), f"{lock.name} has lines that _PIN does not match"
    return found
