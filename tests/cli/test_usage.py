"""Wrong usage and wrong config files; in the process of the test, without a daemon."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from anycast_routed.cli.main import main
from anycast_routed.cli.options import FLAG_OPTIONS, move_options_first
from anycast_routed.cli.program import program
from anycast_routed.cli.signals import VALUE_OPTIONS
from anycast_routed.errors import LockedError
from anycast_routed.system import lock
from tests.support.paths import ANYCAST_DNS_CONFIG

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "arguments",
    [
        ["aply"],
        ["apply", "--foo"],
        ["explain"],
        ["--router", "quagga", "apply"],
        ["check", "x", "-z"],
    ],
)
def test_a_usage_error_is_64(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 64
    assert "Usage:" in capsys.readouterr().err


@pytest.mark.parametrize("prefix", ["10.10.10.10/24", "x", "300.1.1.1/32"])
def test_a_bad_prefix_is_64_with_a_hint(prefix: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--config", str(ANYCAST_DNS_CONFIG), "explain", prefix]) == 64
    assert "192.0.2.1/32" in capsys.readouterr().err


def test_no_verb_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 64
    said = capsys.readouterr()
    assert "Commands:" in said.out + said.err


def test_the_anycast_dns_config_is_valid(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--config", str(ANYCAST_DNS_CONFIG), "validate"]) == 0
    assert "the config is valid" in capsys.readouterr().out


def test_validate_reports_all_faults_at_once_as_text_and_as_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = json.loads(ANYCAST_DNS_CONFIG.read_text())
    broken["anycast"]["nexthop-interfaces"] = broken["anycast"].pop("nexthop-interface")
    broken["bgp"]["peers"][1]["as"] = 0
    file = tmp_path / "config.json"
    file.write_text(json.dumps(broken))
    assert main(["--config", str(file), "validate", "--json"]) == 78
    said = capsys.readouterr()
    document = json.loads(said.out)
    assert document["exit"] == 78
    assert {fault["path"] for fault in document["faults"]} >= {
        "anycast.nexthop-interfaces",
        "bgp.peers[1].as",
    }
    assert '"nexthop-interface"' in said.err


def test_broken_json_names_line_and_column(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "config.json"
    file.write_text('{\n "dns": }')
    assert main(["--config", str(file), "validate"]) == 78
    assert "line 2, column 9" in capsys.readouterr().err


def test_a_missing_router_is_69(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = json.loads(ANYCAST_DNS_CONFIG.read_text())
    config["router"] = {
        "control-socket": str(tmp_path / "bird.ctl"),
        "vty-dir": str(tmp_path),
    }
    file = tmp_path / "config.json"
    file.write_text(json.dumps(config))
    assert main(["--config", str(file), "status"]) == 69
    assert "systemctl status" in capsys.readouterr().err


def test_the_schema_is_json_with_every_section(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "schema"]) == 0
    assert {"dns", "anycast", "bgp", "services", "router", "daemon"} <= set(
        json.loads(capsys.readouterr().out)["properties"]
    )


def test_the_lock_names_its_holder(tmp_path: Path) -> None:
    with (
        lock.hold(tmp_path, "apply"),
        pytest.raises(LockedError, match=f"apply, PID {os.getpid()}"),
        lock.hold(tmp_path, "withdraw"),
    ):
        pytest.fail("two held it")


WORDS = st.sampled_from(["apply", "status", "10.0.0.1/32", "--diff", "-x", "up", "--", "--foo=1"])
OPTIONS = st.sampled_from(sorted(FLAG_OPTIONS)) | st.sampled_from(
    [f"{name}=x" for name in VALUE_OPTIONS]
)


@given(st.lists(WORDS | OPTIONS))
def test_options_move_before_the_verb_and_all_words_keep_their_order(arguments: list[str]) -> None:
    hoisted = move_options_first(arguments)
    assert sorted(hoisted) == sorted(arguments)
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    words = [
        a
        for a in arguments[:cut]
        if a not in FLAG_OPTIONS and a.partition("=")[0] not in VALUE_OPTIONS
    ]
    assert hoisted[len(hoisted) - len(words) - len(arguments[cut:]) :] == words + arguments[cut:]


@pytest.mark.parametrize("which", ["file", "directory", "template"])
def test_a_config_that_any_user_can_change_gives_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], which: str
) -> None:
    own = json.loads(ANYCAST_DNS_CONFIG.read_text()) | {
        "router": {"template-dir": str(tmp_path / "own")}
    }
    file, template = tmp_path / "config.json", tmp_path / "own" / "frr.conf.j2"
    file.write_text(json.dumps(own))
    template.parent.mkdir()
    template.write_text("")
    assert main(["--config", str(file), "validate"]) == 0
    assert "[AR060]" not in capsys.readouterr().err
    opened = {"file": file, "directory": tmp_path, "template": template}[which]
    opened.chmod(0o777)
    assert main(["--config", str(file), "validate"]) == 0
    warning = f"warning: any user may change {opened}; chmod o-w {opened} [AR060]\n"
    assert warning in capsys.readouterr().err


def test_each_verb_is_found_without_the_modules_of_the_others() -> None:
    every = typer.main.get_group(program()).commands
    assert len(every) > 1
    for verb, command in every.items():
        alone = typer.main.get_group(program(verb)).commands
        assert alone[verb].help == command.help
        assert alone.keys() < every.keys()
