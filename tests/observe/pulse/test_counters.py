"""What the kernel counts of threads and datagrams."""

from __future__ import annotations

import errno
import os
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from anycast_routed.observe.pulse import counters
from anycast_routed.system.commands import run

if TYPE_CHECKING:
    from collections.abc import Callable

    from anycast_routed.lab import Host

READER = """\
import socket
from anycast_routed.observe.pulse.counters import datagrams_read

for family, address in (socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"):
    reader = socket.socket(family, socket.SOCK_DGRAM)
    reader.bind((address, 0))
    writer = socket.socket(family, socket.SOCK_DGRAM)
    for _ in range(100):
        writer.sendto(b"", reader.getsockname())
    before = datagrams_read()
    for _ in range(100):
        reader.recv(512)
    print(datagrams_read() - before)
"""
WITHOUT_DESCRIPTORS = """\
import os, resource
from anycast_routed.observe.pulse import counters

resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
for look in counters.datagrams_read, lambda: counters.thread_times(os.getpid(), 9):
    try:
        look()
    except OSError as error:
        print(error.errno)
"""


def test_threads_are_counted_and_no_more_than_wanted() -> None:
    stop = threading.Event()
    more = [threading.Thread(target=stop.wait) for _ in range(5)]
    for thread in more:
        thread.start()
    try:
        found, runnable = counters.thread_times(os.getpid(), 1000)
        few, _ = counters.thread_times(os.getpid(), 3)
    finally:
        stop.set()
    assert runnable  # it is this thread that looks
    assert found[os.getpid()][0] > 0
    assert {thread.native_id for thread in more} <= found.keys()
    assert len(few) == 3


def test_a_process_that_does_not_exist_has_no_threads() -> None:
    assert counters.thread_times(2**22 + 1, 100) == ({}, False)


def test_a_lack_of_descriptors_is_an_error_of_this_process() -> None:
    done = run([sys.executable, "-c", WITHOUT_DESCRIPTORS], within=60)
    assert done.out.split() == [str(errno.EMFILE)] * 2, done.err


@pytest.mark.integration
def test_the_kernel_counts_datagrams_that_are_read_and_not_those_that_wait(host: Host) -> None:
    assert host.run(sys.executable, "-c", READER).out.split() == ["100", "100"]


@pytest.mark.integration
def test_datagrams_read_in_another_namespace_do_not_count(
    host: Host, inside: Callable[[Host, Callable[[], Any]], Any]
) -> None:
    assert inside(host, counters.datagrams_read) == 0
