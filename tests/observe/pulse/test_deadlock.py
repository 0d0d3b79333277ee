"""Which silence is a deadlock: pure."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from anycast_routed.observe.pulse.deadlock import (
    Activity,
    Queue,
    explain_silence,
    explain_states,
)

RUNS = "its processes run"
TOO_MANY = "it gets more queries than it can answer"
KEEPS = "its queues do not fill up"
UNKNOWN = "its processes are unknown"
counts = st.integers(0, 2**32 - 1)
queues = st.builds(Queue, waiting=st.integers(0, 1 << 20), drops=counts)
activities = st.builds(
    Activity,
    ran=st.dictionaries(st.integers(2, 9), st.integers(1, 1 << 40), max_size=4),
    queues=st.dictionaries(st.integers(1, 9), queues, max_size=4),
)
idle = activities.filter(lambda one: bool(one.ran and one.queues))


def filled(before: Activity, more: int, drops: int = 0) -> Activity:
    """Return the activity after one of the queues has grown, or overflowed."""
    inode, queue = next(iter(before.queues.items()))
    new = Queue(queue.waiting + more, (queue.drops + drops) % 2**32)
    return replace(before, queues={**before.queues, inode: new})


@given(before=idle, more=st.integers(1, 1 << 20))
def test_a_server_that_does_not_run_while_its_queue_grows_is_deadlocked(
    before: Activity, more: int
) -> None:
    assert explain_silence(before, filled(before, more)) == ""


@given(before=idle, drops=st.integers(1, 1000))
def test_a_full_queue_grows_by_what_it_drops(before: Activity, drops: int) -> None:
    assert explain_silence(before, filled(before, 0, drops)) == ""


@given(before=idle, ran=st.integers(1, 10**9), more=st.integers(0, 1 << 20))
def test_a_server_of_which_a_thread_runs_is_not(before: Activity, ran: int, more: int) -> None:
    pid = next(iter(before.ran))
    after = filled(before, more)
    assert (
        explain_silence(before, replace(after, ran={**before.ran, pid: before.ran[pid] + ran}))
        == RUNS
    )
    assert explain_silence(before, replace(after, ran={**before.ran, 99: 1})) == RUNS, "it is new"
    full = filled(before, more, drops=1)
    assert explain_silence(before, replace(full, ran={**before.ran, 99: 1})) == TOO_MANY


@given(before=idle)
def test_a_server_whose_queues_keep_nothing_is_not(before: Activity) -> None:
    assert explain_silence(before, before) == KEEPS
    assert explain_silence(before, replace(before, queues={})) == KEEPS
    assert explain_silence(replace(before, queues={}), before) == KEEPS, "a new socket"


@given(before=idle, more=st.integers(1, 1 << 20))
def test_a_server_that_takes_from_one_of_its_queues_is_not(before: Activity, more: int) -> None:
    grown = filled(before, more)
    taken = {**before.queues, 50: Queue(700, 0)}
    left = {**grown.queues, 50: Queue(699, 0)}
    assert explain_silence(replace(before, queues=taken), replace(grown, queues=left)) == KEEPS


@given(before=activities, after=activities)
def test_a_server_of_unknown_processes_gets_the_benefit_of_the_doubt(
    before: Activity, after: Activity
) -> None:
    assert explain_silence(before, replace(after, ran={})) == UNKNOWN


def test_threads_that_wait_for_a_cpu_or_in_the_kernel_may_run_later() -> None:
    assert explain_states("SR") == "its processes wait for a CPU"
    assert explain_states("SD") == "it waits in the kernel (state D)"
    assert explain_states("STtI") == explain_states("") == ""
