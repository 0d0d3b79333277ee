"""What `drain` refuses; in the process of the test, without a daemon."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from anycast_routed.cli.main import main
from anycast_routed.state import journal
from anycast_routed.state.journal import Entry
from tests.support.paths import ANYCAST_DNS_CONFIG


@pytest.fixture
def config(tmp_path: Path) -> str:
    """Return the path of an anycast-dns config with its own run and state directories."""
    dns_config = json.loads(ANYCAST_DNS_CONFIG.read_text())
    dns_config["daemon"] = {"run-dir": str(tmp_path / "run"), "state-dir": str(tmp_path / "state")}
    file = tmp_path / "config.json"
    file.write_text(json.dumps(dns_config))
    return str(file)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["dnz"], "there are: dns, fd00::10:10:10:10/128"),
        (["10.9.9.9"], "there are: dns, fd00::10:10:10:10/128"),
        (["--for", "soon"], "--for: must be a duration"),
        (["--for", "30"], "write 30s, or 30m for minutes"),
        (["--for", "-5m"], "without the minus"),
        (["--for", "10ms"], "--for: must be from 1s"),
        (["--for", "5s", "--wait"], "over before it is withdrawn, since drain-time is 5 s"),
        (["--reason", "x" * 81], "80 printable characters"),
        (["--reason", "a\x1b[2J"], "80 printable characters"),
        (["--reason", "\udcff"], "80 printable characters"),
    ],
)
def test_what_drain_refuses_changes_nothing(
    arguments: list[str], said: str, config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--config", config, "drain", *arguments]) == 64
    assert said in capsys.readouterr().err
    assert not (tmp_path / "state" / "drains.json").exists()


def test_orders_can_be_given_while_no_router_runs(
    config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--config", config, "drain", "dns", "--reason", "tür"]) == 0
    said = capsys.readouterr()
    assert "dns is drained: t\\xfcr" in said.out
    assert "the next apply lowers the LocalPref, the first apply after 5 s withdraws it" in said.err
    assert main(["--config", config, "--json", "drain", "fd00::10:10:10:10"]) == 0
    assert json.loads(capsys.readouterr().out)["targets"] == ["fd00::10:10:10:10/128"]
    orders = json.loads((tmp_path / "state" / "drains.json").read_text())["drained"]
    assert [one["target"] for one in orders] == ["dns", "fd00::10:10:10:10/128"]
    assert main(["--config", config, "--json", "undrain"]) == 0
    assert json.loads(capsys.readouterr().out)["lifted"] == ["dns", "fd00::10:10:10:10/128"]


def test_a_drain_shorter_than_drain_time_gives_a_warning(
    config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--config", config, "drain", "--for", "5s"]) == 0
    warning = "warning: --for: 5s is over before it is withdrawn, since drain-time is 5 s"
    assert warning in capsys.readouterr().err
    assert (tmp_path / "state" / "drains.json").exists()
    other = Path(config).with_name("other.json")
    dns_config = json.loads(Path(config).read_text())
    dns, quick = dns_config.pop("dns"), dns_config.pop("anycast")
    route = {"label": "web", "ip": "10.20.20.20/32"}
    slow = {"nexthop-interface": "eth0", "drain-time": "1m", "routes": [route]}
    dns_config["services"] = [
        {"name": "quick", "dns": dns, "anycast": quick},
        {"name": "slow", "dns": dns, "anycast": slow},
    ]
    other.write_text(json.dumps(dns_config))
    assert main(["--config", str(other), "drain", "quick", "--for", "6s"]) == 0
    assert "warning" not in capsys.readouterr().err


def test_history_shows_the_entries_of_the_journal(
    config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--config", config, "history"]) == 0
    assert "no change is on record" in capsys.readouterr().err
    entries = [
        Entry(1.7e9, "announced", "10.10.10.10/32", "dns", "LocalPref 200", 0.0123),
        Entry(1.7e9 + 1, "changed", "10.10.10.11/32", "dns", "LocalPref 0"),
        Entry(1.7e9 + 2, "withdrawn", "10.10.10.10/32", "dns", "dns is down: \x1b[2J", 1.234),
    ]
    journal.append(tmp_path / "state", entries)
    assert main(["--config", config, "history"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [re.split(" {2,}", line)[1:] for line in (lines[0], lines[2])] == [
        ["+ 10.10.10.10/32", "dns", "12 ms", "LocalPref 200"],
        ["- 10.10.10.10/32", "dns", "1.23 s", "dns is down: \\x1b[2J"],
    ]
    assert "~ 10.10.10.11/32  dns          LocalPref 0" in lines[1]
    for arguments, kinds in (
        (["10.10.10.10"], ["announced", "withdrawn"]),
        (["dns", "--most", "1"], ["withdrawn"]),
    ):
        assert main(["--config", config, "--json", "history", *arguments]) == 0
        changes = json.loads(capsys.readouterr().out)["changes"]
        assert [one["kind"] for one in changes] == kinds
    assert main(["--config", config, "history", "fd00::10:10:10:10"]) == 0, "it has no change yet"
    assert main(["--config", config, "history", "nosuch"]) == 64
    assert "there are: dns, fd00::10:10:10:10/128" in capsys.readouterr().err
