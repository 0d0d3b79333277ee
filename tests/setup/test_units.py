"""`setup --systemd`: the shipped units, with the program and the config file of the operator."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from anycast_routed.cli.main import main
from tests.support.paths import ANYCAST_DNS_CONFIG

if TYPE_CHECKING:
    from pathlib import Path

UNITS = "/etc/systemd/system/"


def test_paths_with_special_characters_are_quoted_in_the_units(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / 'a "b" 100% $x.json'
    file.write_text(ANYCAST_DNS_CONFIG.read_text())
    monkeypatch.setattr(sys, "argv", ["/opt/my tools/anycast-routed"])
    assert main(["--config", str(file), "--router", "frr", "--json", "setup", "--systemd"]) == 0
    files: dict[str, str] = json.loads(capsys.readouterr().out)["files"]
    assert len([name for name in files if name.startswith(UNITS)]) == 4
    script = f"ExecStart=/bin/sh {UNITS}anycast-routed-withdraw.sh /run/anycast-routed\n"
    assert script in files[f"{UNITS}anycast-routed-withdraw.service"]
    service = files["/etc/systemd/system/anycast-routed.service"]
    words = f'"/opt/my tools/anycast-routed" --config "{tmp_path}/a \\"b\\" 100%% $$x.json"'
    for line in (
        f"ExecStart={words} --router frr daemon",
        f"ExecReload={words} --router frr reload",
    ):
        assert f"{line}\n" in service
    assert "/usr/bin/anycast-routed" not in "".join(files.values())
    condition = f"ConditionPathExists={str(file).replace('%', '%%')}\n"
    assert service.count("ConditionPathExists=") == service.count(condition) == 1


@pytest.mark.parametrize("options", [[], ["--timer"]])
def test_every_unit_has_the_user(capsys: pytest.CaptureFixture[str], options: list[str]) -> None:
    words = [
        "--config",
        str(ANYCAST_DNS_CONFIG),
        "--json",
        "setup",
        "--systemd",
        "--user",
        "nobody",
        *options,
    ]
    assert main(words) == 0
    files: dict[str, str] = json.loads(capsys.readouterr().out)["files"]
    services = [text for name, text in files.items() if name.endswith(".service")]
    assert len(services) == (1 if options else 3)
    for text in services:
        assert text.count("\nUser=nobody\n") == text.count("\nUser=") == 1
        assert "\nGroup=" not in text


def test_setup_needs_no_config(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANYCAST_ROUTED_CONFIG", str(tmp_path / "none.toml"))
    assert main(["--json", "setup", "--systemd"]) == 0
    assert main(["--json", "setup", "--remove"]) == 0
    assert capsys.readouterr().err.count("bug") == 0


@pytest.mark.parametrize(
    "words",
    [
        ["--systemd", "--user", "no such user"],
        ["--user", "nobody"],
        ["--remove", "--systemd"],
        ["--remove", "--user", "nobody"],
    ],
)
def test_options_that_exclude_each_other_are_wrong_usage(words: list[str]) -> None:
    assert main(["--config", str(ANYCAST_DNS_CONFIG), "setup", *words]) == 64


def test_a_timer_alone_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--config", str(ANYCAST_DNS_CONFIG), "setup", "--timer"]) == 64
    assert "setup --systemd --timer" in capsys.readouterr().err
