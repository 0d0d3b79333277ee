"""Which changes of a server's condition become notices."""

import asyncio

from anycast_routed.observe.pulse.condition import Condition, State
from anycast_routed.observe.pulse.events import Notice, Sign
from tests.support.pulse_watch import server


def test_death_and_return_are_reported_once_each() -> None:
    notices: asyncio.Queue[Notice] = asyncio.Queue()
    condition = Condition(server(), notices)
    assert not condition.answered(1.0)
    condition.died("process 7 is stopped", 2.0)
    assert condition.answered(3.0)
    assert not condition.answered(4.0)
    reported = [notices.get_nowait() for _ in range(notices.qsize())]
    assert [(notice.sign, notice.at) for notice in reported] == [
        (Sign.DEAD, 2.0),
        (Sign.ALIVE, 3.0),
    ]


def test_two_refusals_some_time_apart_are_proof() -> None:
    condition = Condition(server(), asyncio.Queue())
    assert condition.refused(1.0) is None
    assert condition.refused(1.001) is None, "that may be the same restart"
    assert condition.refused(1.003) == 1.0, "the time of the first evidence"


def test_an_answer_between_two_refusals_makes_the_second_the_first() -> None:
    condition = Condition(server(), asyncio.Queue())
    assert condition.refused(1.0) is None
    condition.answered(1.5)
    assert condition.refused(2.0) is None


def test_a_silent_server_is_up_again_with_its_first_answer() -> None:
    condition = Condition(server(), asyncio.Queue())
    condition.silent()
    assert not condition.answered(1.0), "it was not dead"
    assert condition.state is State.UP
