"""What is asked after the proof never undoes the proof: a rare failure of the router."""

from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, cast

from anycast_routed.decide.proof import Fault
from anycast_routed.errors import RouterUnavailableError
from anycast_routed.model import Origin
from anycast_routed.reconcile import after_proof
from tests.support.desired import announcement, plan

if TYPE_CHECKING:
    from anycast_routed.announce.speaker import Speaker

PREFIX = ip_network("10.0.0.1/32")
PLAN = plan(announcement(str(PREFIX)), ours=None)
ORIGIN = Origin(PREFIX, "protocol direct lo1", ("edge",))
MISSING = Fault(PREFIX, ip_address("10.9.9.9"), "not exported", blocking=False, session="edge")


@dataclass
class Answering:
    """Stands for a router that answers, or breaks off."""

    broken: bool = False
    asked: list[str] = field(default_factory=list)

    def origins(self, prefixes: object) -> tuple[Origin, ...]:
        """Answer with one path."""
        del prefixes
        self.asked.append("origins")
        if self.broken:
            message = "it broke off"
            raise RouterUnavailableError(message)
        return (ORIGIN,)

    def cause(self, session: str, prefix: object) -> tuple[str, str]:
        """Answer with a cause."""
        del prefix
        self.asked.append(f"cause {session}")
        return "a filter refuses it", "accept it"


def test_the_causes_are_added_to_the_faults() -> None:
    router = Answering()
    found = after_proof.ask(cast("Speaker", router), PLAN, [MISSING], None)
    (named,) = after_proof.with_causes([MISSING], found)
    assert (named.detail, named.fix) == ("not exported: a filter refuses it", "accept it")
    assert found.origins == (ORIGIN,)


def test_no_answer_is_no_failure_and_keeps_the_latest_one() -> None:
    first = after_proof.ask(cast("Speaker", Answering()), PLAN, [], None)
    silent = Answering(broken=True)
    later = after_proof.ask(cast("Speaker", silent), PLAN, [], after_proof.Answers(first.origins))
    assert silent.asked
    assert not later.origins, "another question: the old answer is not its answer"
    aged = after_proof.Answers(first.origins, asked=first.asked, at=first.at - 10.0, took=0.0)
    assert after_proof.ask(cast("Speaker", silent), PLAN, [], aged).origins == (ORIGIN,)


def test_a_fragile_release_is_asked_once() -> None:
    router = Answering()
    first = after_proof.ask(cast("Speaker", router), PLAN, [], None, fragile=True)
    again = after_proof.ask(cast("Speaker", router), PLAN, [], first, fragile=True)
    assert again is first
    assert router.asked == ["origins"]
    after_proof.ask(cast("Speaker", router), PLAN, [MISSING], first, fragile=True)
    assert len(router.asked) > 1, "something else is asked for"
