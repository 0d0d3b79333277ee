"""docs/threat-model.md names only tests that exist."""

from __future__ import annotations

import re

from tests.support.paths import ROOT


def test_every_test_that_the_threat_model_names_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / "threat-model.md").read_text()))
    assert len(named) > 20
    existing = {
        name
        for file in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"def (test_\w+)", file.read_text())
    }
    assert named <= existing
