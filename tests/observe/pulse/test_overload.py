"""Which silence a lack of CPU time or too many queries explain: pure."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import example, given
from hypothesis import strategies as st

from anycast_routed.observe.pulse.overload import Activity, explain_silence

BEFORE = Activity(
    at=10.0, threads={7: (1.0, 1.0), 8: (50.0, 50.0)}, runnable=True, drops={21: 5, 22: 9}, reads=7
)
WAITS = "its processes wait for a CPU"
TOO_MANY = "it gets more queries than it can answer"
seconds = st.floats(0, 0.12)
counts = st.integers(0, 100_000)


def after(
    ran: float,
    waited: float,
    drops: int = 0,
    *,
    runnable: bool = False,
    reads: int | None = 1000,
) -> Activity:
    """Return the activity after a silence of 120 ms; one thread and one socket are new."""
    threads = {7: (1 + ran, 1 + waited), 9: (70.0, 70.0)}
    dropped = {21: (5 + drops) % 2**32, 23: 10_000}
    return Activity(10.12, threads, runnable, dropped, None if reads is None else 7 + reads)


@given(ran=st.floats(0.011, 0.5), waited=st.floats(0, 0.059), runnable=st.booleans(), reads=counts)
def test_work_explains_nothing_if_no_query_is_dropped(
    ran: float, waited: float, reads: int, *, runnable: bool
) -> None:
    assert not explain_silence(BEFORE, after(ran, waited, runnable=runnable, reads=reads))


@given(ran=st.floats(0, 0.02), waited=st.floats(0, 0.02), drops=counts, reads=counts)
def test_an_idle_server_has_no_explanation(
    ran: float, waited: float, drops: int, reads: int
) -> None:
    assert not explain_silence(BEFORE, after(ran, waited, drops, reads=reads))


@given(ran=st.floats(0.011, 0.5), waited=seconds, drops=counts, reads=st.integers(0, 7))
@example(ran=0.119, waited=0.0, drops=5000, reads=0)
def test_work_explains_nothing_if_the_server_reads_no_query(
    ran: float, waited: float, drops: int, reads: int
) -> None:
    assert not explain_silence(BEFORE, after(ran, waited, drops, runnable=True, reads=reads))
    assert not explain_silence(BEFORE, replace(after(0, 0, drops, reads=reads), threads={}))


@given(
    ran=st.floats(0, 0.009), waited=st.floats(0.061, 0.2), drops=counts, reads=st.none() | counts
)
def test_a_wait_for_a_cpu_explains_silence(
    ran: float, waited: float, drops: int, reads: int | None
) -> None:
    assert explain_silence(BEFORE, after(ran, waited, drops, reads=reads)) == WAITS
    assert explain_silence(BEFORE, after(ran, 0.0, drops, runnable=True, reads=reads)) == WAITS


def test_a_reload_whose_new_workers_have_not_run_yet_explains_silence() -> None:
    new = replace(after(0, 0, runnable=True, reads=0), threads={9: (0.001, 0.0)})
    assert explain_silence(BEFORE, new) == WAITS


@given(ran=seconds, waited=st.floats(0.061, 0.2), reads=st.none() | st.integers(8, 100_000))
def test_waits_between_work_explain_silence(ran: float, waited: float, reads: int | None) -> None:
    assert explain_silence(BEFORE, after(ran, waited, reads=reads)) == WAITS


@given(drops=st.integers(1, 2**32 - 1), reads=st.none() | st.integers(8, 100_000))
def test_work_and_dropped_queries_explain_silence(drops: int, reads: int | None) -> None:
    busy = after(0.08, 0.05, drops, reads=reads)
    runnable = after(0.02, 0.0, drops, runnable=True, reads=reads)
    unknown = replace(after(0, 0, drops, reads=reads), threads={})
    for now in (busy, runnable, unknown):
        assert explain_silence(BEFORE, now) == TOO_MANY


@given(runnable=st.booleans(), reads=st.none() | counts)
def test_a_socket_that_is_new_or_unknown_has_dropped_nothing(
    reads: int | None, *, runnable: bool
) -> None:
    now = after(0.08, 0.0, 50, runnable=runnable, reads=reads)
    assert not explain_silence(replace(BEFORE, drops={}), now)
    assert not explain_silence(BEFORE, replace(now, drops={}))
