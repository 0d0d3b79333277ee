"""The config file is broken, missing, or replaced by a write, a rename or a symbolic link."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from anycast_routed.model import Verdict
from tests.support.notify_socket import NOTIFY_SOCKET, NotifySocket
from tests.support.waiting import eventually
from tests.support.watched_site import CONFIG, Watched, each

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.dns_site import Held

pytestmark = pytest.mark.integration

LABELLED = ("10.10.10.10/32", "10.10.10.11/32")


@pytest.fixture(scope="module")
def systemd(laid_out: Watched) -> Iterator[NotifySocket]:
    """Listen as systemd does."""
    with NotifySocket(laid_out.file(NOTIFY_SOCKET)) as made:
        yield made


@pytest.fixture(scope="module")
def running(laid_out: Watched, systemd: NotifySocket) -> Watched:
    """Start the daemon as systemd does."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("NOTIFY_SOCKET", NOTIFY_SOCKET)
        laid_out.start_daemon()
    eventually(lambda: "READY=1" in systemd.received, why="systemd has the status")
    return laid_out


@pytest.fixture
def watched(running: Watched, announced: Held, config: dict[str, Any]) -> Iterator[Watched]:
    """Begin and end each test with the config of this file in force."""
    running.holds(announced)
    yield running
    running.file(CONFIG).unlink(missing_ok=True)
    running.reconfigure(config)
    settled(running)
    running.holds(announced)


def settled(watched: Watched) -> None:
    """Wait until the config file is in force."""
    eventually(lambda: "config" not in watched.status().problems, why="it is in force")


def judged(watched: Watched, service: str) -> None:
    """Wait until a config with only this service is in force, and the service is up."""
    up = {service: Verdict.UP}
    eventually(lambda: {name: one.verdict for name, one in watched.status().health.items()} == up)


def wait_for_silence(watched: Watched) -> None:
    """Wait until no more messages arrive: BIRD sends routes again when their service is renamed."""
    marks = [watched.mark()]

    def silent() -> bool:
        marks.append(watched.mark())
        return len(marks) > 2 and marks[-1] == marks[-2]

    eventually(silent, every=0.3)


def config_with_local_pref(config: dict[str, Any], local_pref: int) -> str:
    """Return the config with another LocalPref."""
    return json.dumps({**config, "anycast": {**config["anycast"], "localpref": local_pref}})


def routes_with_local_pref(announced: Held, local_pref: int) -> Held:
    """Return the routes under that config; the route with a LocalPref of its own keeps it."""
    lower = dict(zip(LABELLED, (local_pref, local_pref - 10), strict=True))
    return {
        prefix: (lower.get(prefix, own), next_hop) for prefix, (own, next_hop) in announced.items()
    }


def old_config_stays_in_force(watched: Watched, systemd: NotifySocket, said: str) -> None:
    """Wait until status, systemd and the log report the problem, and nothing else happens."""
    mark = watched.mark()
    eventually(lambda: said in watched.status().problems["config"], why=said)
    eventually(lambda: "config problem" in systemd.status(), why="systemd has the status")
    assert "problem about=config" in watched.process().log()
    watched.no_update_for(0.3)
    assert not watched.updates(mark)


@pytest.mark.fault(35)
@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("syntax", "ends too early"),
        ("half", "broken JSON"),
        ("nothing", "empty"),
        ("key", "intervall"),
    ],
)
def test_a_broken_config_changes_nothing_and_is_reported(
    watched: Watched, systemd: NotifySocket, config: dict[str, Any], broken: str, said: str
) -> None:
    text = json.dumps(config)
    texts = {
        "syntax": "{",
        "half": text[: len(text) // 2],
        "nothing": "",
        "key": json.dumps({**config, "dns": {**config["dns"], "intervall": "1s"}}),
    }
    watched.file(CONFIG).write_text(texts[broken])
    old_config_stays_in_force(watched, systemd, said)
    mark = watched.mark()
    watched.reconfigure(config)
    settled(watched)
    eventually(lambda: "config problem" not in systemd.status(), why="systemd has the status")
    assert not watched.updates(mark)


@pytest.mark.fault(35)
def test_a_deleted_config_changes_nothing_until_a_new_one_exists(
    watched: Watched, systemd: NotifySocket, config: dict[str, Any], announced: Held
) -> None:
    watched.file(CONFIG).unlink()
    old_config_stays_in_force(watched, systemd, "")
    mark = watched.mark()
    watched.reconfigure(json.loads(config_with_local_pref(config, 250)))
    watched.holds(routes_with_local_pref(announced, 250))
    assert watched.updates(mark) == each("announce", LABELLED)


@pytest.mark.fault(35)
def test_a_config_written_slowly_is_loaded_once_it_is_complete(
    watched: Watched, config: dict[str, Any], announced: Held
) -> None:
    mark, text = watched.mark(), config_with_local_pref(config, 260)
    with watched.file(CONFIG).open("w") as file:
        for part in (text[:100], text[100:200]):
            file.write(part)
            file.flush()
            watched.no_update_for(0.2)
        file.write(text[200:])
    watched.holds(routes_with_local_pref(announced, 260))
    settled(watched)
    assert watched.updates(mark) == each("announce", LABELLED)


@pytest.mark.fault(35)
def test_a_config_replaced_by_rename_or_by_symbolic_link_is_loaded(
    watched: Watched, config: dict[str, Any], announced: Held
) -> None:
    directory = watched.file(CONFIG).parent
    mark = watched.mark()
    watched.replace_config(config_with_local_pref(config, 300))
    watched.holds(routes_with_local_pref(announced, 300))
    for local_pref in (310, 320):
        (directory / f"{local_pref}").mkdir()
        (directory / f"{local_pref}" / "config.json").write_text(
            config_with_local_pref(config, local_pref)
        )
    # As Kubernetes does: a link to a file below a link to a directory; only the latter is replaced.
    (directory / "data").symlink_to("310")
    (directory / "link").symlink_to("data/config.json")
    (directory / "link").rename(directory / "config.json")
    watched.holds(routes_with_local_pref(announced, 310))
    (directory / "new").symlink_to("320")
    (directory / "new").rename(directory / "data")
    watched.holds(routes_with_local_pref(announced, 320))
    three = each("announce", LABELLED) + each("announce", LABELLED) + each("announce", LABELLED)
    assert watched.updates(mark) == three


@pytest.mark.fault(35)
def test_a_config_that_withdraws_most_prefixes_needs_allow_shrink(
    watched: Watched, systemd: NotifySocket, config: dict[str, Any], announced: Held
) -> None:
    shrunk = json.loads(json.dumps(config))
    shrunk["anycast"]["prefix"] = "web"
    watched.reconfigure(shrunk)
    old_config_stays_in_force(watched, systemd, "would withdraw most of what is announced")
    watched.process().signal(signal.SIGHUP)
    watched.no_update_for(0.3)
    mark = watched.mark()
    watched.run("reload", "--allow-shrink")
    left = {prefix: route for prefix, route in announced.items() if prefix not in LABELLED}
    watched.holds(left)
    assert watched.updates(mark) == each("withdraw", LABELLED)


def test_the_run_directory_cannot_change_while_the_daemon_runs(
    watched: Watched, systemd: NotifySocket, config: dict[str, Any]
) -> None:
    watched.reconfigure({**config, "daemon": {"run-dir": "/run/elsewhere"}})
    old_config_stays_in_force(watched, systemd, "daemon.run-dir cannot change")


@pytest.mark.fault(35)
def test_a_fifo_in_place_of_the_config_file_does_not_block_the_daemon(
    watched: Watched, systemd: NotifySocket, announced: Held
) -> None:
    watched.file(CONFIG).unlink()
    os.mkfifo(watched.file(CONFIG))
    old_config_stays_in_force(watched, systemd, "not a regular file")
    watched.server.daemon.kill()
    watched.holds({})
    watched.server.restart()
    watched.holds(announced)


def test_a_drained_service_cannot_be_renamed(
    watched: Watched, systemd: NotifySocket, config: dict[str, Any], announced: Held
) -> None:
    renamed = {name: value for name, value in config.items() if name not in {"dns", "anycast"}}
    service = {"name": "resolver", "dns": config["dns"], "anycast": config["anycast"]}
    watched.run("drain", "dns", "--wait")
    watched.holds({})
    watched.reconfigure({**renamed, "services": [service]})
    old_config_stays_in_force(watched, systemd, "dns is drained, but the new config has no such")
    watched.run("undrain", "dns")
    settled(watched)
    judged(watched, "resolver")
    watched.holds(announced)
    watched.reconfigure(config)
    judged(watched, "dns")
    wait_for_silence(watched)


def test_router_settings_that_mean_the_same_router_keep_its_routes(
    watched: Watched, config: dict[str, Any], announced: Held
) -> None:
    mark, logged = watched.mark(), len(watched.process().log())
    watched.reconfigure({**config, "router": {"daemon": "bird", "vtysh": "/usr/bin/vtysh"}})
    eventually(lambda: "config in force" in watched.process().log(logged))
    watched.no_update_for(0.5)
    assert not watched.updates(mark)
    watched.server.daemon.kill()
    watched.holds({})
    watched.server.restart()
    watched.holds(announced)


def test_the_systemd_status_line_shows_exports_and_services_that_are_down(
    watched: Watched, systemd: NotifySocket, announced: Held
) -> None:
    watched.dns1.remove_address("lo", LABELLED[1])
    eventually(lambda: "exports 2 prefixes" in systemd.status(), why="one has gone")
    watched.dns1.address("lo", LABELLED[1], label="lo:dns2")
    watched.holds(announced)
    eventually(lambda: "exports 3 prefixes" in systemd.status(), why="it is back")
    watched.server.daemon.kill()
    eventually(lambda: systemd.status().startswith("dns is down: "), why="it is down")
    watched.server.restart()
    watched.holds(announced)


def test_a_config_file_in_another_place_is_not_loaded(watched: Watched) -> None:
    mark, toml = watched.mark(), watched.file(CONFIG).with_name("config.toml")
    toml.write_text("this is no config")
    logged = len(watched.process().log())
    watched.process().signal(signal.SIGHUP)
    watched.no_update_for(0.5)
    assert "config.toml" not in watched.process().log(logged)
    assert not watched.updates(mark)
    toml.unlink()
