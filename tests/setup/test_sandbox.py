"""The paths of the config in the sandbox of the systemd units."""

from __future__ import annotations

import json
import pwd
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from anycast_routed import config
from anycast_routed.cli.main import main
from anycast_routed.setup.sandbox import Needs, needs
from tests.support.paths import ANYCAST_DNS_CONFIG

if TYPE_CHECKING:
    from collections.abc import Mapping

NOBODY = pwd.getpwnam("nobody").pw_uid


def text(**sections: Mapping[str, str]) -> str:
    return json.dumps(json.loads(ANYCAST_DNS_CONFIG.read_text()) | sections)


def found(**sections: Mapping[str, str]) -> Needs:
    return needs(config.loads(text(**sections), name="config.json", toml=False), "nobody")


def test_the_usual_paths_need_nothing() -> None:
    usual = found(daemon={"run-dir": "/var/run/anycast-routed/inner"})
    assert (usual.lines, usual.commands, usual.faults, usual.doubts) == ([], [], [], [])


def test_directories_elsewhere_are_made_and_opened_in_the_sandbox() -> None:
    other = found(
        daemon={"run-dir": "/run/no-such/run", "state-dir": "/srv/no such/state"},
        router={"include-file": "/run/no-such/run/inner/bird.conf"},
    )
    assert other.lines == [
        "RuntimeDirectory=no-such/run",
        'ReadWritePaths="/srv/no such/state"',
    ]
    (command,) = other.commands
    assert command[:6] == ("install", "-d", "-m", "0755", "-o", "nobody")
    assert command[-1] == "/srv/no such/state"
    assert (other.faults, other.doubts) == ([], [])


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"daemon": {"run-dir": "/run/user/1000/x"}}, "daemon.run-dir: /run/user/1000/x is below"),
        ({"daemon": {"state-dir": "/home/x"}}, "below /home, which is hidden from the units"),
        ({"daemon": {"state-dir": "/srv"}}, "daemon.state-dir: /srv is shared with other programs"),
        ({"router": {"include-file": "/etc/bird.conf"}}, "router.include-file: /etc is shared"),
        ({"router": {"template-dir": "/root/x"}}, "router.template-dir: /root/x/bird.conf.j2"),
        ({"router": {"vtysh": "/home/x/vtysh"}}, "router.vtysh: /home/x/vtysh is below /home"),
        ({"router": {"control-socket": "/home/bird.ctl"}}, "router.control-socket: /home/bird.ctl"),
    ],
)
def test_a_path_that_no_setting_can_open_is_reported(sections: dict[str, Any], said: str) -> None:
    assert said in found(**sections).faults[0]


def test_a_run_directory_of_another_user_is_refused() -> None:
    there = (one for one in Path("/run").iterdir() if one.is_dir() and not one.is_symlink())
    directory = next(one for one in there if one.stat().st_uid != NOBODY and one.name != "user")
    other = found(daemon={"run-dir": str(directory)})
    assert (other.lines, other.faults) == (
        [],
        [f"daemon.run-dir: {directory} does not belong to user nobody"],
    )


def test_paths_that_the_user_cannot_use_are_reported() -> None:
    password, pid = "/etc/shadow", "/etc/gshadow"
    own = json.loads(text(daemon={"state-dir": "/usr/share"}))
    own["bgp"]["peers"][0]["password-file"] = password
    own["dns"]["pid-file"] = pid
    other = needs(config.loads(json.dumps(own), name="config.json", toml=False), "nobody")
    assert other.doubts == [
        "daemon.state-dir: user nobody may not write to /usr/share",
        f"bgp.peers[0].password-file: user nobody may not read {password}",
        f"pid-file of dns: user nobody may not read {pid}",
    ]


def test_setup_writes_the_lines_into_every_unit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "config.json"
    file.write_text(text(daemon={"state-dir": "/srv/no-such"}))
    argv = ["--config", str(file), "--json", "setup", "--systemd", "--user", "nobody"]
    assert main(argv) == 0
    shown = json.loads(capsys.readouterr().out)
    services = [one for name, one in shown["files"].items() if name.endswith(".service")]
    assert len(services) == 3
    for service in services:
        assert "\nStateDirectory=anycast-routed\nReadWritePaths=/srv/no-such\n" in service
    assert shown["commands"][-1][-1] == "/srv/no-such"


def test_setup_warns_where_the_units_would_fail(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "config.json"
    file.write_text(text(daemon={"state-dir": "/root/x"}))
    argv = ["--config", str(file), "setup", "--systemd", "--user", "nobody"]
    assert main(argv) == 0
    assert "warning: daemon.state-dir: /root/x is below /root" in capsys.readouterr().err
