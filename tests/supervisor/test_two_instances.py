"""Two instances with two run directories on one router: the second one changes nothing there."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from anycast_routed.lab import LabError
from anycast_routed.lab.bird import Bird
from tests.support import program_runs
from tests.support.ordinary_user import can_change_user
from tests.support.paths import SHIPPED_TEMPLATES
from tests.support.router_faults import TEMPLATES, bird_of, frr_of
from tests.support.waiting import PATIENCE, eventually, never
from tests.support.watched_site import CONFIG, RUN_DIR, Watched, lay_out, quick

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anycast_routed.lab import Daemon, Lab
    from tests.support.dns_site import Held

pytestmark = [pytest.mark.integration, pytest.mark.fault(44)]

ONLY_BIRD = pytest.mark.parametrize("router_name", ["bird"], scope="module")
ONLY_FRR = pytest.mark.parametrize("router_name", ["frr"], scope="module")
SECOND: str = "/etc/anycast-routed/second.json"
SECOND_DIR: str = "/run/second instance"
"""The space shows that a mark is one word in each router's language."""
SECONDS: Held = {"fd00::10:10:10:20/128": (200, "fd00:17:2::1")}
"""What the second instance announces."""
OWN_INCLUDE: str = f"{SECOND_DIR}/bird.conf"
SILENCE: float = 7.0  # seconds
USER: str = "51235"
# It holds the lock of a directory as anycast-routed does.
HOLD = """
import fcntl, os, sys, time
directory = sys.argv[1]
lock = os.open(f"{directory}/lock", os.O_RDONLY | os.O_CREAT, 0o600)
fcntl.flock(lock, fcntl.LOCK_EX)
with open("/proc/self/stat") as stat:
    started = stat.read().rpartition(")")[2].split()[19]
with open(f"{directory}/holder", "w") as holder:
    holder.write(f"{os.getpid()} {started} daemon\\n")
print("held", flush=True)
time.sleep(3600)
"""


@pytest.fixture(scope="module", params=["bird", "frr"])
def router_name(request: pytest.FixtureRequest) -> str:
    """Run each test on BIRD and on FRR."""
    name: str = request.param
    return name


def second(run_dir: str = SECOND_DIR, **router: str) -> dict[str, Any]:
    """Return the config of a second instance, with one prefix of its own."""
    config = quick()
    config["anycast"]["prefix"] = "none"
    config["anycast"]["routes"] = [{"label": "other", "ip": next(iter(SECONDS)), "localpref": 200}]
    config["daemon"] = {"run-dir": run_dir, "state-dir": "/var/lib/second"}
    return config | {"router": router}


@pytest.fixture(scope="module")
def laid_out(lab: Lab, router_name: str) -> Watched:
    """Lay out the host with two configs; nothing runs yet."""
    return lay_out(lab, router_name, quick())


@pytest.fixture
def site(laid_out: Watched) -> Iterator[Watched]:
    """Return the host with nothing announced; end all instances afterwards."""
    laid_out.dns1.write(SECOND, json.dumps(second()))
    yield laid_out
    for one in laid_out.dns1.daemons:
        if "anycast-routed" in one.name and one.alive:
            one.kill()
    laid_out.dns1.run("rm", "-rf", SECOND_DIR, TEMPLATES)
    laid_out.dns1.write(CONFIG, json.dumps(quick()))
    laid_out.run("withdraw", "--force")
    laid_out.holds({})


def start_second(site: Watched) -> Daemon:
    """Start the daemon of the second instance."""
    return program_runs.start(site.dns1, "--config", SECOND, "daemon")


def refused(site: Watched, *arguments: str) -> None:
    """Run a verb that must end with 75, and name both run directories."""
    done = site.run(*arguments, check=False)
    assert done.code == 75, done
    assert RUN_DIR in done.err
    assert SECOND_DIR in done.err


def owner(site: Watched) -> str:
    """Return what the router says of its owner; the empty string if it knows none."""
    if isinstance(site.router, Bird):
        with contextlib.suppress(LabError):  # BIRD has no such constant
            return site.router.birdc("eval anycast_routed_owner").strip().splitlines()[-1]
        return ""
    config = frr_of(site).vtysh_argv("-d", "bgpd", "-c", "show running-config")
    _, found, behind = config.partition("route-map ANYCAST-ROUTED-OWNER deny 10\n description ")
    return behind.partition("\n")[0] if found else ""


def test_the_second_is_refused_and_the_peer_sees_nothing(site: Watched, announced: Held) -> None:
    first = site.daemon()
    site.holds(announced)
    mark, text = site.mark(), site.router_file().read_text()
    for verb in ("apply", "withdraw"):
        refused(site, "--config", SECOND, verb)
    daemon = start_second(site)
    assert daemon.wait(PATIENCE) == 75
    assert SECOND_DIR in daemon.log()
    for verb in ("status", "plan"):
        assert "[AR063]" in site.run("--config", SECOND, verb).out
    assert "[AR063]" not in site.run("status").out
    assert not site.events(mark)
    assert site.router_file().read_text() == text
    assert first.alive


def test_after_sigkill_the_second_takes_over_and_then_the_first_is_refused(
    site: Watched, announced: Held
) -> None:
    first = site.daemon()
    site.holds(announced)
    first.kill()
    daemon = start_second(site)
    site.holds(SECONDS)
    assert owner(site) == SECOND_DIR.replace(" ", "%20")
    mark = site.mark()
    refused(site, "apply")
    refused(site, "withdraw")
    assert not site.events(mark)
    daemon.terminate(PATIENCE)
    site.run("apply")
    site.holds(announced)
    assert owner(site) == RUN_DIR


def test_of_two_that_start_at_the_same_time_one_stays(site: Watched, announced: Held) -> None:
    """Neither finds a mark at first; each sees that of the other before it loads again."""
    both = [program_runs.start(site.dns1, "daemon"), start_second(site)]
    eventually(lambda: [one for one in both if not one.alive], why="one has ended")
    (left,) = (one for one in both if one.alive)
    (ended,) = (one for one in both if not one.alive)
    assert ended.code == 75, ended.log()
    site.holds(announced if left is both[0] else SECONDS)


def test_force_withdraws_what_another_instance_announces(site: Watched, announced: Held) -> None:
    first = site.daemon()
    site.holds(announced)
    first.pause()
    site.run("--config", SECOND, "withdraw", "--force")
    site.holds({})


def test_the_same_directory_by_another_path_is_no_other_instance(
    site: Watched, announced: Held
) -> None:
    site.run("apply")
    site.holds(announced)
    site.dns1.run("ln", "-sfn", RUN_DIR, "/run/alias")
    site.configure(quick() | {"daemon": {"run-dir": "/run/alias"}})
    mark = site.mark()
    site.run("apply")
    assert owner(site) == "/run/alias"
    assert not site.events(mark)


def test_a_config_without_a_mark_gets_one_and_the_peer_sees_nothing(
    site: Watched, announced: Held
) -> None:
    """As after an upgrade from a version without marks, and with an operator's own template."""
    name = f"{site.router_name}.conf.j2"
    lines = (SHIPPED_TEMPLATES / name).read_text().splitlines(keepends=True)
    marked = {"route-map {{ map_owner }} deny 10\n", " description {{ owner }}\n"}
    marked.add('define anycast_routed_owner = "{{ owner }}";\n')
    kept = [line for line in lines if line not in marked]
    assert len(kept) < len(lines)
    site.dns1.write(f"{TEMPLATES}/{name}", "".join(kept).removeprefix("exit\n"))
    site.configure(quick() | {"router": {"template-dir": TEMPLATES}})
    site.run("apply")
    site.holds(announced)
    assert not owner(site)
    await_silence(site)
    site.configure(quick())
    mark = site.peer.mark()
    first = site.daemon()
    eventually(lambda: owner(site) == RUN_DIR, why="the router has the mark")
    never(lambda: site.peer.without_end_of_rib(mark), seconds=SILENCE)
    assert first.alive


def await_silence(site: Watched) -> None:
    """Wait until the peer has received nothing for some seconds.

    FRR sends all routes once more 5 s after it got a new route-map.
    """
    eventually(lambda: time.monotonic() - site.peer.since(0)[-1].at > SILENCE)


@ONLY_FRR
def test_edits_of_the_mark_are_put_right(site: Watched, announced: Held) -> None:
    site.daemon()
    site.holds(announced)
    mark = site.mark()
    header = "route-map ANYCAST-ROUTED-OWNER deny 10"
    for lines in (
        (header, "description /run/nowhere"),
        (header, "no description"),
        (header, "set metric 7"),
        (f"no {header}",),
    ):
        frr_of(site).configure(*lines)
        eventually(lambda: owner(site) == RUN_DIR)
        eventually(lambda: "metric" not in frr_of(site).bgpd("show running-config"))
    assert not site.events(mark)


@pytest.mark.skipif(not can_change_user(), reason="only root can become another user")
@pytest.mark.parametrize("may_use_router", [False, True])
def test_a_lock_that_an_ordinary_user_holds_keeps_nobody_out(
    site: Watched, announced: Held, *, may_use_router: bool
) -> None:
    """Only the lock of a user who may use the router counts: that user could withdraw anyway."""
    site.run("--config", SECOND, "apply")
    site.holds(SECONDS)
    site.dns1.run("rm", "-rf", SECOND_DIR)
    site.dns1.run("install", "-d", "-o", USER, "-g", USER, SECOND_DIR)
    socket = "/run/bird/bird.ctl" if isinstance(site.router, Bird) else "/run/frr/bgpd.vty"
    site.dns1.run("chgrp", "51299", socket)
    groups = ("--groups", "51299") if may_use_router else ("--clear-groups",)
    argv = ("setpriv", "--reuid", USER, "--regid", USER, *groups, "--", sys.executable, "-c", HOLD)
    user = site.dns1.start(*argv, SECOND_DIR)
    eventually(lambda: user.check() and "held" in user.log(), why="the user holds the lock")
    if may_use_router:
        refused(site, "apply")
    else:
        site.run("apply", "--allow-shrink")
        site.holds(announced)
    user.kill()


def test_a_lock_in_a_directory_that_others_can_write_to_keeps_nobody_out(
    site: Watched, announced: Held
) -> None:
    site.run("--config", SECOND, "apply")
    holder = site.dns1.start(sys.executable, "-c", HOLD, SECOND_DIR)
    eventually(lambda: holder.check() and "held" in holder.log(), why="the lock is held")
    refused(site, "apply")
    site.dns1.run("chmod", "o+w", SECOND_DIR)
    site.run("apply", "--allow-shrink")
    site.holds(announced)
    holder.kill()


@ONLY_BIRD
def test_the_file_of_a_bird_that_is_down_belongs_to_its_owner(
    site: Watched, announced: Held
) -> None:
    first = site.daemon()
    site.holds(announced)
    bird_of(site).daemon.kill()
    text = site.router_file().read_text()
    for verb in ("apply", "withdraw"):
        refused(site, "--config", SECOND, verb)
    assert start_second(site).wait(PATIENCE) == 75
    assert site.router_file().read_text() == text
    bird_of(site).restart()
    site.holds(announced)
    assert first.alive


@ONLY_BIRD
def test_another_include_file_is_no_way_around(site: Watched, announced: Held) -> None:
    site.dns1.write(SECOND, json.dumps(second(**{"include-file": OWN_INCLUDE})))
    first = site.daemon()
    site.holds(announced)
    for verb in ("apply", "withdraw"):
        refused(site, "--config", SECOND, verb)
    assert not site.file(OWN_INCLUDE).exists()
    assert first.alive
