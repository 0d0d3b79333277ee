"""`setup --systemd`: the units that we ship, with the program and the config that were meant."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from anycast_routed.cli.main import main

if TYPE_CHECKING:
    import pytest

SEED = Path(__file__).parent.parent / "anycast-dns.json"


def test_the_command_line_survives_odd_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / 'a "b" 100% $x.json'
    file.write_text(SEED.read_text())
    monkeypatch.setattr(sys, "argv", ["/opt/my tools/anycast-routed"])
    assert main(["--config", str(file), "--router", "frr", "--json", "setup", "--systemd"]) == 0
    files: dict[str, str] = json.loads(capsys.readouterr().out)["files"]
    assert len(files) == 3
    service = files["/etc/systemd/system/anycast-routed.service"]
    words = f'"/opt/my tools/anycast-routed" --config "{tmp_path}/a \\"b\\" 100%% $$x.json"'
    for line in (
        f"ExecStart={words} --router frr daemon",
        f"ExecReload={words} --router frr reload",
    ):
        assert f"{line}\n" in service
    assert "/usr/local/bin" not in "".join(files.values())


def test_a_timer_alone_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--config", str(SEED), "setup", "--timer"]) == 64
    assert "setup --systemd --timer" in capsys.readouterr().err
