"""`make demo`, as root and as an ordinary user: each step is right, and nothing is left behind."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess  # noqa: TID251 - the test interrupts a running demo
import sys
from pathlib import Path

import pytest

from anycast_routed.lab import eventually
from anycast_routed.system.commands import Completed, run
from tests.support.ordinary_user import (
    AS_NAMESPACE_USER,
    AS_REAL_USER,
    ENV,
    WITHOUT_USER_NAMESPACES,
    can_change_user,
)

pytestmark = pytest.mark.integration

DEMO = (sys.executable, "-m", "anycast_routed.lab.demo")
WITHIN = 240  # seconds: a demo that takes longer hangs; it takes 15 on an idle machine


def as_user(*argv: str) -> Completed:
    """Run `argv` as an ordinary user, or unchanged if the tests run as an ordinary user.

    If only root can read the checkout and Python, use the user of a user namespace.
    """
    if os.geteuid() != 0:
        return run(argv, within=WITHIN, env=ENV)
    can_read = (*AS_REAL_USER, sys.executable, "-c", "import anycast_routed.cli")
    real = can_change_user() and run(can_read, within=60, env=ENV).code == 0
    return run([*(AS_REAL_USER if real else AS_NAMESPACE_USER), *argv], within=WITHIN, env=ENV)


def assert_every_step_is_right(done: Completed) -> None:
    """Assert that the demo ended with code 0 and printed the expected result of each step."""
    assert done.code == 0, f"{done.out}\n{done.err}"
    assert done.err == ""
    lines = done.out.splitlines()
    assert "nothing outside of them changes" in lines[1]
    # On a busy machine a command takes ten seconds or more, which is one digit longer.
    assert max(len(re.sub(r"\d+\.\d\d s", "9.99 s", line)) for line in lines) <= 100
    assert 80 <= len(lines) <= 120
    assert "\x1b" not in done.out

    steps = re.split(r"^\d\. ", done.out.partition("\nSummary\n")[0], flags=re.MULTILINE)[1:]
    answering = [re.findall(r'^ +"(dns\d)"$', step, flags=re.MULTILINE) for step in steps]
    assert answering == [["dns3"], ["dns1"], ["dns2"], ["dns3"], ["dns1"]]
    best = [
        re.findall(r"^ +\*>i ?(?:\S+/32)? +(\S+) +0? +(\d+) ", step, flags=re.MULTILINE)
        for step in steps
    ]
    last, second, first = ("172.17.2.3", "100"), ("172.17.2.2", "190"), ("172.17.2.1", "200")
    assert best == [[last], [first], [second], [last], [first]]
    applied = [re.findall(r"^ +(dns\d)# anycast-routed apply$", s, re.MULTILINE) for s in steps]
    assert applied == [[], ["dns1", "dns2"], ["dns1"], ["dns2"], ["dns2", "dns1"]]
    assert ">dns1 200, dns2 190, dns3 100  fd00::10:10:10:10/128 >dns1 200, dns2 190" in steps[1]
    assert "- 10.10.10.10/32         dns is down: connection refused" in steps[2]

    rows = re.findall(r"^(\d|total) .* (\d+) +(\d+) +(\d+)$", done.out, flags=re.MULTILINE)
    queries, answered, lost = ([int(row[n]) for row in rows] for n in (1, 2, 3))
    assert queries == [one + other for one, other in zip(answered, lost, strict=True)]
    assert (len(rows), queries[-1], lost[-1]) == (6, sum(queries[:-1]), sum(lost[:-1]))
    assert lost[2] >= 4
    assert lost[3] >= 4


@pytest.mark.slow
def test_the_demo_runs_as_root() -> None:
    assert_every_step_is_right(run(DEMO, within=WITHIN))


def test_the_demo_runs_as_an_ordinary_user() -> None:
    assert as_user("id", "-u").out.strip() != "0"
    assert_every_step_is_right(as_user(*DEMO))


def test_without_user_namespaces_the_demo_names_the_settings_to_change() -> None:
    done = run([*WITHOUT_USER_NAMESPACES, *DEMO], within=WITHIN, env=ENV)
    assert (done.code, done.out) == (69, "")
    assert "does not allow user namespaces" in done.err
    assert "sysctl user.max_user_namespaces" in done.err


def test_the_demo_refuses_arguments() -> None:
    done = run([*DEMO, "--fast"], within=WITHIN)
    assert (done.code, done.out) == (64, "")


def processes() -> dict[int, int]:
    """Return the parent PID of each process by its PID, without zombies."""
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


def test_an_interrupted_demo_leaves_no_process() -> None:
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
        of_the_demo = descendants(demo.pid)
        assert len(of_the_demo) > 10
        os.killpg(demo.pid, signal.SIGINT)  # as a terminal does for Ctrl-C
        _, errors = demo.communicate(timeout=WITHIN)
    assert demo.returncode == 130
    assert errors == "\ninterrupted; the lab and all its processes are removed\n"
    eventually(
        lambda: not of_the_demo & processes().keys(),
        within=10,
        why="every process of the lab has ended",
    )
