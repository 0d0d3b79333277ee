"""What the kernel says of the threads of a process."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING

from anycast_routed.observe.pulse import counters
from anycast_routed.system.commands import run
from tests.support.users import OTHER, acting_as, needs_users
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from anycast_routed.lab import Host

WITHOUT_DESCRIPTORS = """\
import os, resource
from anycast_routed.observe.pulse import counters

resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
try:
    counters.thread_states(os.getpid())
except OSError as error:
    print(error.errno)
"""
WORK = 20_000_000
"""Nanoseconds."""
NOBODY = 2**22 + 1
"""No process has this PID: it is higher than the kernel allows."""


def time_run(pid: int) -> int:
    found = counters.time_run(pid)
    assert found is not None
    return found


def test_the_time_of_all_threads_counts_also_of_those_that_have_ended() -> None:
    before = time_run(os.getpid())
    used: list[int] = []

    def work() -> None:
        while (ran := time.thread_time_ns()) < WORK:
            pass
        used.append(ran)

    worker = threading.Thread(target=work)
    worker.start()
    worker.join()
    assert time_run(os.getpid()) - before >= used[0]


def test_a_process_that_sleeps_does_not_run_and_has_one_state(host: Host) -> None:
    asleep = host.start("sleep", "1000")
    eventually(lambda: counters.thread_states(asleep.pid) == {"S"})
    before = time_run(asleep.pid)
    assert not [ran for _ in range(1000) if (ran := time_run(asleep.pid)) != before]
    asleep.signal(signal.SIGSTOP)
    eventually(lambda: counters.thread_states(asleep.pid) == {"T"})


@needs_users
def test_any_user_can_read_both(host: Host) -> None:
    asleep = host.start("sleep", "1000")
    with acting_as(OTHER):
        eventually(lambda: time_run(asleep.pid) > 0)
        assert counters.thread_states(asleep.pid)


def test_each_thread_has_a_state() -> None:
    stop = threading.Event()
    more = threading.Thread(target=stop.wait)
    more.start()
    try:
        eventually(lambda: counters.thread_states(os.getpid()) == {"R", "S"})
    finally:
        stop.set()
        more.join()


def test_a_process_that_does_not_exist_has_no_time_and_no_states() -> None:
    assert counters.time_run(NOBODY) is None
    assert counters.thread_states(NOBODY) == frozenset()


def test_a_lack_of_descriptors_is_an_error_of_this_process() -> None:
    done = run([sys.executable, "-c", WITHOUT_DESCRIPTORS], within=60)
    assert done.out.split() == [str(errno.EMFILE)], done.err
