"""`make demo`, as root and as an ordinary user: it shows what it promises and leaves nothing."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess  # noqa: TID251 - a demo that is interrupted while we watch
import sys
from pathlib import Path

import pytest

from anycast_routed.lab import eventually, frr
from anycast_routed.system.commands import Completed, run

pytestmark = pytest.mark.integration

DEMO = (sys.executable, "-m", "anycast_routed.lab.demo")
WITHIN = 60  # seconds, and the demo's own promise
USER = "48513"  # no name, no groups, no home
ENV = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(__file__).parents[1])}

# The checkout and Python may lie where only root can read. Then the user is one of a user namespace
# of ours, who owns what we own, and has no more rights than any other user.
REAL = ("setpriv", "--reuid", USER, "--regid", USER, "--clear-groups", "--", "sh", "-c")
OURS = ("unshare", "--user", "--map-user", USER, "--map-group", USER, "--", "sh", "-c")
EXEC = ('exec "$@"', "sh")


def as_user(*argv: str) -> Completed:
    """Run `argv` as an ordinary user, or as we are when we are one."""
    if os.geteuid() != 0:
        return run(argv, within=WITHIN, env=ENV)
    can_read = (*REAL, *EXEC, sys.executable, "-c", "import anycast_routed.cli")
    real = not frr.rootless() and run(can_read, within=10, env=ENV).code == 0
    return run([*(REAL if real else OURS), *EXEC, *argv], within=WITHIN, env=ENV)


def check_story(done: Completed) -> None:
    """Assert that the demo ended well and shows each step as it should be."""
    assert done.code == 0, f"{done.out}\n{done.err}"
    assert done.err == ""
    lines = done.out.splitlines()
    assert "nothing outside of them is touched" in lines[1]
    assert max(map(len, lines)) <= 100
    assert 80 <= len(lines) <= 120
    assert "\x1b" not in done.out

    steps = re.split(r"^\d\. ", done.out.partition("\nIn short\n")[0], flags=re.MULTILINE)[1:]
    who = [re.findall(r'^ +"(dns\d)"$', step, flags=re.MULTILINE) for step in steps]
    assert who == [["dns3"], ["dns1"], ["dns2"], ["dns3"], ["dns1"]]
    best = [
        re.findall(r"^ +\*>i\S* +(\S+) +0? +(\d+) ", step, flags=re.MULTILINE) for step in steps
    ]
    last, second, first = ("172.17.2.3", "100"), ("172.17.2.2", "190"), ("172.17.2.1", "200")
    assert best == [[last], [first], [second], [last], [first]]
    applied = [re.findall(r"^ +(dns\d)# anycast-routed apply$", s, re.MULTILINE) for s in steps]
    assert applied == [[], ["dns1", "dns2"], ["dns1"], ["dns2"], ["dns2", "dns1"]]
    assert ">dns1 200, dns2 190, dns3 100  fd00::10:10:10:10/128 >dns1 200, dns2 190" in steps[1]
    assert "- 10.10.10.10/32         dns is down: connection refused" in steps[2]

    rows = re.findall(r"^(\d|in all) .* (\d+) +(\d+) +(\d+)$", done.out, flags=re.MULTILINE)
    asked, answered, lost = ([int(row[n]) for row in rows] for n in (1, 2, 3))
    assert asked == [one + other for one, other in zip(answered, lost, strict=True)]
    assert (len(rows), asked[-1], lost[-1]) == (6, sum(asked[:-1]), sum(lost[:-1]))
    assert lost[2] >= 4
    assert lost[3] >= 4


def test_the_demo_as_root() -> None:
    check_story(run(DEMO, within=WITHIN))


def test_the_demo_as_an_ordinary_user() -> None:
    assert as_user("id", "-u").out.strip() != "0"
    check_story(as_user(*DEMO))


def test_where_users_have_no_namespaces_it_says_what_to_do() -> None:
    # The limit is set in a user namespace of its own, where it is nobody else's.
    limit = "echo 0 > /proc/sys/user/max_user_namespaces"
    drop = 'exec setpriv --inh-caps=-all --bounding-set=-all -- "$@"'
    keep = [*OURS[:-3], "--keep-caps", *OURS[-3:]]
    done = run([*keep, f"{limit} && {drop}", "sh", *DEMO], within=WITHIN, env=ENV)
    assert (done.code, done.out) == (69, "")
    assert "does not allow user namespaces" in done.err
    assert "sysctl user.max_user_namespaces" in done.err


def test_it_takes_no_arguments() -> None:
    done = run([*DEMO, "--fast"], within=WITHIN)
    assert (done.code, done.out) == (64, "")


def processes() -> dict[int, int]:
    """Return the parent of each process that runs; a zombie does not."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent, *_ = stat.read_text("utf-8", "replace").rpartition(") ")[2].split()
            if state != "Z":
                found[int(stat.parent.name)] = int(parent)
    return found


def descendants(pid: int) -> set[int]:
    parents, found = processes(), {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def test_interrupted_it_leaves_nothing() -> None:
    demo = subprocess.Popen(
        DEMO,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with demo:
        assert demo.stdout is not None
        assert any(line.startswith("1. ") for line in demo.stdout)
        ours = descendants(demo.pid)
        assert len(ours) > 10
        os.killpg(demo.pid, signal.SIGINT)  # as a terminal does for Ctrl-C
        _, talk = demo.communicate(timeout=20)
    assert demo.returncode == 130
    assert talk == "\ninterrupted: the lab is gone, with all that was in it\n"
    eventually(
        lambda: not ours & processes().keys(), within=5, why="every process of the lab has ended"
    )
