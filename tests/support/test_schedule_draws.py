"""The drawn schedules of faults: two hundred differ, and the server dies in many of them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tests.support.schedules.draws import VARIED, draw_one, shards
from tests.support.schedules.model import HANDS, PAIRS

if TYPE_CHECKING:
    from tests.support.schedules.model import Schedule


def drawn(many: int) -> dict[str, list[Schedule]]:
    """Draw this many schedules, by router."""
    found: dict[str, list[Schedule]] = {"bird": [], "frr": []}
    for shard in shards(many):
        for number in shard.numbers:
            draw_one(shard, number, found[shard.router_name].append)
    return found


def pairs(schedules: list[Schedule]) -> Counter[tuple[str, ...]]:
    """Count the schedules with each pair."""
    steps = [{step for _, step in one} for one in schedules]
    return Counter(pair for pair in PAIRS for one in steps if one >= {*pair})


def test_two_hundred_schedules_differ_and_each_pair_is_in_several() -> None:
    found = drawn(200)
    together = [*found["bird"], *found["frr"]]
    assert len(together) == len({repr(one) for one in together}) == 200
    assert min(len({step for _, step in one}) for one in together) >= VARIED
    assert max(map(len, together)) <= 9
    for router_name, least in (("bird", 3), ("frr", 1)):
        counted = pairs(found[router_name])
        assert min(counted[pair] for pair in PAIRS) >= least, counted


def test_the_few_schedules_of_make_test_have_the_most_important_pairs() -> None:
    found = drawn(0)
    assert {name: len(few) for name, few in found.items()} == {"bird": 10, "frr": 3}
    assert pairs(found["bird"]).keys() >= {*PAIRS[:4]}
    assert pairs(found["frr"]).keys() >= {*PAIRS[:2]}


def test_each_hand_of_the_operator_is_in_many_schedules_of_both_routers() -> None:
    for router_name, found in drawn(200).items():
        steps = [{step.split()[0] for _, step in one} for one in found]
        counted = {hand: sum(hand in one for one in steps) for hand in HANDS}
        assert min(counted.values()) >= len(found) // 8, (router_name, counted)
