"""Each verb starts in a new process, which loads the modules of this verb only.

Most other tests run the verbs in children of a process that has loaded them all.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from anycast_routed.errors import Exit
from anycast_routed.system import commands
from tests.support.configs import anycast_dns

PREFIX = "10.10.10.10/32"


VERBS = (
    *("apply", "plan --diff", "reload", "handover", "drain dns", "undrain dns", "withdraw"),
    *("check", "scan", "render", "validate", "config schema", "status", f"explain {PREFIX}"),
    *("history", "setup"),
)
STARTS = [*((verb, "bird") for verb in VERBS), *((verb, "frr") for verb in ("apply", "withdraw"))]


@pytest.mark.parametrize(("verb", "router"), STARTS)
def test_a_verb_starts_alone(tmp_path: Path, verb: str, router: str) -> None:
    """There is no router and no DNS server here: the verb may fail, but not by a bug."""
    config = anycast_dns()
    config["router"] = {
        "daemon": router,
        "config-file": str(tmp_path / "bird.conf"),
        "control-socket": str(tmp_path / "bird.ctl"),
        "vty-dir": str(tmp_path),
        "include-file": str(tmp_path / "run" / "bird.conf"),
    }
    config["daemon"] = {"run-dir": str(tmp_path / "run"), "state-dir": str(tmp_path / "state")}
    Path(tmp_path, "bird.conf").write_text("# BIRD's own config\n")
    file = tmp_path / "config.json"
    file.write_text(json.dumps(config))
    argv = (sys.executable, "-m", "anycast_routed", "--config", str(file), *verb.split())
    done = commands.run(argv, within=60)
    assert done.code in {Exit.OK, Exit.DOWN, Exit.UNAVAILABLE}, done.out + done.err
    assert "Usage:" not in done.err
