"""A changed check is on trial: the old check decides until the changed one has passed."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from anycast_routed.lab import dns
from anycast_routed.model import Code, Severity, Verdict
from tests.support.health import dns_of
from tests.support.waiting import eventually
from tests.support.watched_site import Watched, each, quick

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anycast_routed.lab.dns import Nsd
    from tests.support.dns_site import Held

pytestmark = [pytest.mark.integration, pytest.mark.fault(66)]

OTHER_PORT, DROPPED_PORT, NO_PORT = 5300, 5301, 5302
DROP = f"meta l4proto {{ tcp, udp }} th dport {DROPPED_PORT} drop"
TYPO: dict[str, object] = {"query": "gogle.com."}


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    """Return a config whose checks alone would need an hour to notice a death."""
    config = quick()
    config["dns"]["interval"] = "1h"
    return config


@pytest.fixture(scope="module")
def other(laid_out: Watched) -> Nsd:
    """Start a second DNS server."""
    return dns.nsd(laid_out.dns1, port=OTHER_PORT)


@pytest.fixture
def watched(running: Watched, announced: Held, config: dict[str, Any]) -> Iterator[Watched]:
    """Begin and end each test with the config of this file in force, and no faults."""
    running.holds(announced)
    yield running
    running.end_faults()
    running.reconfigure(config)
    running.run("reload", "--force")
    running.holds(announced)


def changed(config: dict[str, Any], asked: dict[str, object]) -> dict[str, Any]:
    """Return the config with another check."""
    config = copy.deepcopy(config)
    config["dns"] |= asked
    return config


def findings(watched: Watched) -> list[str]:
    """Return what the status file says about changed checks that fail."""
    return [str(one) for one in watched.status().findings if one.code is Code.CHECK_ON_TRIAL]


def reload_fails(watched: Watched, *said: str) -> None:
    """Reload, and expect that it fails with a sentence that has all this."""
    done = watched.run("reload", check=False)
    assert done.code == 78, done
    for words in ("service dns: the changed check fails", "anycast-routed reload --force", *said):
        assert words in done.err


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (
            TYPO,
            ("NXDOMAIN", 'dns.query is "gogle.com." (before: "google.com.")', "correct dns.query"),
        ),
        ({"port": NO_PORT}, ("connection refused", f"dns.port is {NO_PORT} (before: 53)")),
        ({"port": DROPPED_PORT}, ("no reply within 0.4 s", f"dns.port is {DROPPED_PORT}")),
        ({"timeout": "1us"}, ("dns.timeout is 1us (before: 400ms)", "correct dns.timeout")),
        (
            {"ip": "127.9.9.9"},
            ("connection refused", 'dns.ip is "127.9.9.9" (before: "127.0.0.1")'),
        ),
    ],
)
def test_a_typo_in_the_check_leaves_the_prefixes_announced_and_fails_the_reload(
    watched: Watched, config: dict[str, Any], asked: dict[str, object], said: tuple[str, ...]
) -> None:
    watched.nft(DROP)
    mark = watched.mark()
    watched.reconfigure(changed(config, asked))
    reload_fails(watched, *said)
    reload_fails(watched, *said)
    assert len(findings(watched)) == 1
    shown = watched.document("status")
    [finding] = [one for one in shown["findings"] if one["code"] == Code.CHECK_ON_TRIAL]
    assert finding["severity"] == Severity.ERROR
    assert shown["daemon"]["trials"]["dns"]["dns"]["verdict"] == Verdict.DOWN
    assert "[AR074]" in watched.run("status").out
    eventually(lambda: f"code={Code.CHECK_ON_TRIAL}" in watched.process().log())
    assert not watched.updates(mark)
    watched.reconfigure(config)
    watched.run("reload")
    assert not findings(watched)
    assert not watched.status().trials
    assert not watched.updates(mark)


def test_all_else_of_the_new_config_applies_at_once(
    watched: Watched, config: dict[str, Any], announced: Held
) -> None:
    mistaken = changed(config, TYPO)
    mistaken["anycast"]["localpref"] = 300
    watched.reconfigure(mistaken)
    higher = {"10.10.10.10/32": 300, "10.10.10.11/32": 290}
    watched.holds(
        {prefix: (higher.get(prefix, own), hop) for prefix, (own, hop) in announced.items()}
    )
    reload_fails(watched)


def test_a_changed_check_that_passes_takes_over(
    watched: Watched, config: dict[str, Any], other: Nsd
) -> None:
    mark = watched.mark()
    watched.reconfigure(changed(config, {"port": OTHER_PORT}))
    watched.run("reload")
    assert not watched.status().trials
    watched.server.daemon.kill()
    watched.no_update_for(0.5)
    assert not watched.updates(mark)
    other.daemon.kill(whole=True)
    watched.holds({})
    other.restart()


def test_a_changed_check_takes_over_as_soon_as_its_server_answers(
    watched: Watched, config: dict[str, Any], other: Nsd
) -> None:
    other.daemon.kill(whole=True)
    mark = watched.mark()
    watched.reconfigure(changed(config, {"port": OTHER_PORT, "interval": "200ms"}))
    reload_fails(watched, "connection refused")
    other.restart()
    eventually(lambda: not watched.status().trials, why="the changed check has taken over")
    watched.run("reload")
    assert not watched.updates(mark)
    other.daemon.kill(whole=True)
    watched.holds({})
    other.restart()


def test_the_death_of_the_old_server_withdraws_and_no_typo_prevents_the_return(
    watched: Watched, config: dict[str, Any], announced: Held
) -> None:
    watched.reconfigure(changed(config, TYPO))
    reload_fails(watched)
    mark = watched.mark()
    watched.server.daemon.kill()
    watched.holds({})
    assert watched.updates(mark) == each("withdraw", announced)
    watched.server.restart()
    watched.holds(announced)
    why = "the changed check is still on trial, and fails"
    eventually(lambda: findings(watched), why=why)
    watched.reconfigure(config)
    eventually(lambda: not watched.status().trials, why="the trial is over")
    watched.holds(announced)


def test_a_short_hang_during_a_failed_trial_is_no_outage(
    watched: Watched, config: dict[str, Any], announced: Held
) -> None:
    watched.reconfigure(changed(config, TYPO))
    reload_fails(watched)
    watched.server.daemon.pause()
    watched.holds({})
    watched.server.daemon.resume()
    watched.holds(announced)


@pytest.mark.parametrize("ended", ["killed", "stopped"])
def test_a_trial_survives_a_restart_of_the_daemon(
    watched: Watched, config: dict[str, Any], announced: Held, ended: str
) -> None:
    watched.reconfigure(changed(config, TYPO))
    reload_fails(watched)
    mark = watched.mark()
    if ended == "killed":
        watched.process().kill()
        watched.start_daemon()
        eventually(lambda: findings(watched), why="the trial goes on")
        assert not any(kind == "withdraw" for kind, _ in watched.updates(mark))
    else:
        watched.stop_daemon()
        watched.start_daemon()
        eventually(lambda: findings(watched), why="the trial goes on")
    watched.holds(announced)
    reload_fails(watched, "NXDOMAIN")


def test_a_forced_reload_lets_the_changed_check_decide(
    watched: Watched, config: dict[str, Any]
) -> None:
    watched.reconfigure(changed(config, TYPO))
    reload_fails(watched)
    watched.run("reload", "--force")
    watched.holds({})
    watched.status_has(Verdict.DOWN)
    assert not watched.status().trials
    assert not watched.file("/run/anycast-routed/force").exists()


@pytest.mark.usefixtures("other")
def test_a_service_that_is_down_has_no_trial(
    watched: Watched, config: dict[str, Any], announced: Held
) -> None:
    watched.server.daemon.kill()
    watched.holds({})
    watched.reconfigure(changed(config, {"port": OTHER_PORT}))
    watched.holds(announced)
    watched.run("reload")
    assert watched.status().checks[dns_of("dns")].verdict is Verdict.UP
